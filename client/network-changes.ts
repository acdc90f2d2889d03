/** Whom a client has told of changes of the way to the network. */
export interface NetworkListener {
  /** Likely back: try at once. */
  woke(): void;
  /** Likely gone: find out. */
  doubted(): void;
}

/**
 * Follows `online`, `offline` and `visibilitychange` where they exist; elsewhere nothing happens.
 *
 * @returns stops following
 */
export function watchBrowser(listener: NetworkListener): () => void {
  const { document } = globalThis;
  const target = typeof globalThis.addEventListener === "function" ? globalThis : null;
  const woke = () => listener.woke();
  const doubted = () => listener.doubted();
  const visibilityChanged = () => {
    // Timers of a hidden page sleep, so what they should have noticed is looked at when it is seen again.
    if (document?.visibilityState === "hidden") doubted();
    else woke();
  };
  target?.addEventListener("online", woke);
  target?.addEventListener("offline", doubted);
  document?.addEventListener("visibilitychange", visibilityChanged);
  return () => {
    target?.removeEventListener("online", woke);
    target?.removeEventListener("offline", doubted);
    document?.removeEventListener("visibilitychange", visibilityChanged);
  };
}

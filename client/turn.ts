import type { Store } from "./store.ts";

/**
 * The right to send what waits in one conversation, which one tab at a time has. It is kept until it is given up, or
 * another takes it away. That two send for a moment does no harm: each sends everything in the same order, and what
 * arrives twice counts once.
 */
export class Turn {
  readonly #store: Store;
  readonly #name: string;
  readonly #gained: () => void;
  #wish: AbortController | null = null;
  #isMine = false;

  /** @param gained called when it has come, later than {@link want} */
  constructor(store: Store, name: string, gained: () => void) {
    this.#store = store;
    this.#name = name;
    this.#gained = gained;
  }

  get isMine(): boolean {
    return this.#isMine || !this.#store.sharing;
  }

  /** Asks for it, or takes it away from whoever has it. */
  want(mode: "wait" | "steal" = "wait"): void {
    const { sharing } = this.#store;
    if (!sharing || this.#isMine || (this.#wish && mode === "wait")) return;
    this.giveUp();
    const wish = new AbortController();
    this.#wish = wish;
    const over = () => {
      if (this.#wish !== wish) return;
      this.#wish = null;
      this.#isMine = false;
    };
    sharing.locks
      .request(
        this.#store.name(this.#name),
        mode === "steal" ? { steal: true } : { signal: wish.signal },
        () => {
          if (this.#wish !== wish) return;
          this.#isMine = true;
          this.#gained();
          return new Promise<void>((resolve) => {
            wish.signal.onabort = () => resolve();
          });
        },
      )
      // It was taken away, or given up before it came.
      .then(over, over);
  }

  giveUp(): void {
    this.#wish?.abort();
    this.#wish = null;
    this.#isMine = false;
  }
}

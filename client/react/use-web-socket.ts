import { useMemo, useSyncExternalStore } from "react";
import type { InboxState, StorageState } from "../index.ts";
import { useHub } from "./context.ts";
import { NO_STORAGE } from "./idle.ts";
import { useInboxSelector } from "./use-inbox.ts";
import { isSameInside } from "./use-selected.ts";

/** How the client is connected. */
export interface WebSocketState extends Pick<InboxState, "status" | "reason"> {
  /** Whether what is unsent survives the end of the page. */
  readonly storage: StorageState;
  /** Connects, also what is closed. */
  connect(): void;
  /** Closes every connection. What is unsent stays until `connect`. */
  disconnect(): void;
}

/**
 * One state for the whole client: that of its inbox, the one connection that does not depend on what is on the screen.
 * The hook follows the inbox for it, which costs the service little; that of a single conversation is in `useChat`.
 */
export function useWebSocket(): WebSocketState {
  const { connect, disconnect, onStorage, getStorage } = useHub();
  const link = useInboxSelector(linkOf, isSameInside);
  const storage = useSyncExternalStore(onStorage, getStorage, () => NO_STORAGE);
  return useMemo(() => ({ ...link, storage, connect, disconnect }), [link, storage, connect, disconnect]);
}

const linkOf = ({ status, reason }: InboxState) => ({ status, reason });

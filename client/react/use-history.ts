import { useCallback, useEffect, useState, useSyncExternalStore } from "react";
import { History, type HistoryState } from "../index.ts";
import { useChatClient } from "./use-client.ts";

/** A part of a conversation, and what can be done with it. */
export interface HistoryView extends HistoryState {
  /** Begins anew around the message, as after an error. */
  reload(): void;
  loadOlder(): void;
  loadNewer(): void;
}

const IDLE: HistoryState = Object.freeze({
  messages: [],
  has_older: false,
  has_newer: false,
  loading: null,
  error: null,
});
const ignored = () => undefined;

/**
 * Messages around any message of a conversation, however old: for jumping to what a search found.
 *
 * @param messageId null: nothing is loaded
 * @example
 * const history = useHistory(conversationId, hit?.id ?? null);
 */
export function useHistory(conversationId: string, messageId: number | null): HistoryView {
  const chat = useChatClient();
  const [history, setHistory] = useState<History | null>(null);
  useEffect(() => {
    if (messageId === null) return;
    const opened = new History(chat, conversationId, messageId);
    setHistory(opened);
    return () => {
      opened.close();
      setHistory(null);
    };
  }, [chat, conversationId, messageId]);
  const subscribe = useCallback((changed: () => void) => history?.subscribe(changed) ?? ignored, [history]);
  const state = useSyncExternalStore(
    subscribe,
    () => history?.state ?? IDLE,
    () => IDLE,
  );
  return {
    ...state,
    reload: () => void history?.reload(),
    loadOlder: () => void history?.loadOlder(),
    loadNewer: () => void history?.loadNewer(),
  };
}

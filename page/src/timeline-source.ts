import { useMemo } from "react";
import type { PendingMessage } from "../../client/index.ts";
import type { ChatState, HistoryView } from "../../client/react/index.ts";
import type { Message } from "../../protocol/entities.ts";

/** What a timeline shows: the newest messages, or a part of the history. */
export interface TimelineSource {
  /** Ids ascending and contiguous. */
  messages: readonly Message[];
  /** One's own messages on their way, where the newest are shown. */
  pending: readonly PendingMessage[];
  /** Whether the newest message is among them. */
  isNewest: boolean;
  hasOlder: boolean;
  hasNewer: boolean;
  loading: HistoryView["loading"];
  /** Whether the page that was asked for last did not come. */
  hasFailed: boolean;
  loadOlder: () => void;
  loadNewer: () => void;
}

/** The newest messages; or a part of the history, which goes over into them where the two meet. */
export function useTimelineSource(
  chat: Pick<ChatState, "messages" | "pending" | "has_older" | "loading_older">,
  loadOlder: { load: () => void; hasFailed: boolean },
  history: HistoryView | null,
): TimelineSource {
  const { messages, pending, has_older, loading_older } = chat;
  const first = messages[0]?.id ?? Number.POSITIVE_INFINITY;
  const older = history?.messages ?? null;
  const isMeeting = older !== null && (older.at(-1)?.id ?? 0) + 1 >= first;
  const all = useMemo(() => {
    if (older === null) return messages;
    return isMeeting ? [...older.filter(({ id }) => id < first), ...messages] : older;
  }, [older, messages, first, isMeeting]);
  if (!history)
    return {
      messages: all,
      pending,
      isNewest: true,
      hasOlder: has_older,
      hasNewer: false,
      loading: loading_older ? "older" : null,
      hasFailed: loadOlder.hasFailed,
      loadOlder: loadOlder.load,
      loadNewer: () => undefined,
    };
  return {
    messages: all,
    pending: isMeeting ? pending : [],
    isNewest: isMeeting,
    hasOlder: history.has_older,
    hasNewer: history.has_newer && !isMeeting,
    loading: history.loading,
    hasFailed: history.error !== null,
    loadOlder: history.loadOlder,
    loadNewer: history.loadNewer,
  };
}

import { useCallback } from "react";
import type { ConversationState, Presence } from "../index.ts";
import { useChatSelector } from "./use-chat.ts";
import { useUserId } from "./use-client.ts";
import { isSameInside } from "./use-selected.ts";

/** Whether one user is there. */
export interface UserPresence extends Presence {
  readonly user_id: string;
}

/** Who of a conversation is there, as far as it was told while it was last live. */
export interface PresenceState {
  /** The others, in the order of `participants`. */
  readonly participants: readonly UserPresence[];
  /** How many of them are online. */
  readonly onlineCount: number;
}

/**
 * Which other participants of a conversation are online. Follows the conversation as `useChat` does, and renders again
 * only when somebody comes or goes.
 *
 * @param conversationId null: nobody
 */
export function usePresence(conversationId: string | null): PresenceState {
  const userId = useUserId();
  const select = useCallback((state: ConversationState) => presenceOf(state, userId), [userId]);
  return useChatSelector(conversationId, select, isSamePresence);
}

function presenceOf({ participants }: ConversationState, userId: string | null): PresenceState {
  const others = participants
    .filter(({ user_id }) => user_id !== userId)
    .map(({ user_id, online, last_seen_at }) => ({ user_id, online, last_seen_at }));
  return { participants: others, onlineCount: others.filter(({ online }) => online).length };
}

function isSamePresence({ participants: a }: PresenceState, { participants: b }: PresenceState): boolean {
  return (
    a.length === b.length &&
    a.every((user, index) => {
      const other = b[index];
      return other !== undefined && isSameInside(user, other);
    })
  );
}

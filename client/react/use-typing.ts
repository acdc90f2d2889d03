import { useMemo } from "react";
import type { ConversationActions, ConversationState } from "../index.ts";
import { useChatActions, useChatSelector } from "./use-chat.ts";
import { isSameInside } from "./use-selected.ts";

/** Who is typing in a conversation. */
export interface TypingState extends Pick<ConversationActions, "setTyping"> {
  /** Ids of others who are typing now, first comers first. */
  readonly userIds: readonly string[];
}

/**
 * Who is typing, and how to say that the user is. Follows the conversation as `useChat` does, and renders again only
 * when somebody begins or ends.
 *
 * @param id null: nobody
 */
export function useTyping(id: string | null): TypingState {
  const userIds = useChatSelector(id, typingOf, isSameInside);
  const { setTyping } = useChatActions(id);
  return useMemo(() => ({ userIds, setTyping }), [userIds, setTyping]);
}

const typingOf = ({ typing }: ConversationState) => typing;

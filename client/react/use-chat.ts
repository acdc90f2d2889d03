import { useMemo, useSyncExternalStore } from "react";
import { actionsOf, type ConversationActions, type ConversationState } from "../index.ts";
import { useHub } from "./context.ts";
import type { Source } from "./joins.ts";
import { useSelected } from "./use-selected.ts";

/** A conversation and what can be done in it. */
export type ChatState = ConversationState & ConversationActions;

/**
 * Follows a conversation while the component is mounted. Any number of components share one connection. A message
 * that did not change is the same object as before, so rows made with `memo` render only when their own message changes.
 *
 * It opens again by itself when the user, having been removed, is added again, as long as anything follows the inbox:
 * `useConversations`, `useUnreadCount`, `useWebSocket`.
 *
 * @param id null: nothing is followed, and the state is empty
 * @example
 * const { messages, pending, send } = useChat(id);
 */
export function useChat(id: string | null): ChatState {
  const source = useConversation(id);
  const state = useSyncExternalStore(source.subscribe, source.getState, () => source.idle);
  const actions = useChatActions(id);
  return useMemo(() => ({ ...state, ...actions }), [state, actions]);
}

/**
 * A part of a conversation's state: the component renders again only when that part changes.
 *
 * @param select best declared outside the component, or memoised
 * @param isEqual for results that are made anew each time. Default: `Object.is`
 * @example
 * const title = useChatSelector(id, (state) => state.conversation?.title);
 */
export function useChatSelector<Value>(
  id: string | null,
  select: (state: ConversationState) => Value,
  isEqual?: (a: Value, b: Value) => boolean,
): Value {
  return useSelected(useConversation(id), select, isEqual);
}

/**
 * What can be done in a conversation, without following it: for a component that writes and shows nothing of it.
 *
 * @param id null: sending is refused, the rest does nothing
 */
export function useChatActions(id: string | null): ConversationActions {
  const { conversations } = useHub();
  return useMemo(
    () => actionsOf((call) => (id === null ? undefined : conversations.use(id, call))),
    [conversations, id],
  );
}

function useConversation(id: string | null): Source<ConversationState> {
  const hub = useHub();
  return useMemo(() => hub.conversations.source(id), [hub, id]);
}

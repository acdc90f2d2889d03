import { actionsOf, type ChatClient, type ConversationActions, type ConversationState } from "../index.ts";
import { type LiveStore, mirror } from "./mirror.ts";

/** A conversation and what can be done in it. */
export type ConversationStoreState = ConversationState & ConversationActions;

/** Made by {@link createConversationStore}. */
export type ConversationStore = LiveStore<ConversationStoreState>;

/**
 * Follows a conversation in a vanilla Zustand store until `destroy`. The client is connected by the application. After
 * the user was removed and added again, it goes on by itself, as long as anything follows the inbox.
 *
 * @example
 * const store = createConversationStore(chat, id);
 * const messages = useStore(store, (state) => state.messages);
 */
export function createConversationStore(chat: ChatClient, id: string): ConversationStore {
  const handle = chat.joinConversation(id);
  return mirror<ConversationState, ConversationActions>(
    handle,
    actionsOf((call) => call(handle)),
  );
}

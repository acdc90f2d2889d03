import type { ChatClient, ConversationHandle, ConversationState } from "../index.ts";
import { type LiveStore, mirror } from "./mirror.ts";

/** A conversation and what can be done in it. */
export type ConversationStoreState = ConversationState &
  Pick<
    ConversationHandle,
    | "send"
    | "edit"
    | "delete"
    | "addReaction"
    | "removeReaction"
    | "retry"
    | "discard"
    | "loadOlder"
    | "markRead"
    | "setTyping"
  >;

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
  return mirror<ConversationState, Omit<ConversationStoreState, keyof ConversationState>>(handle, {
    send: (body, options) => handle.send(body, options),
    edit: (messageId, body) => handle.edit(messageId, body),
    delete: (messageId) => handle.delete(messageId),
    addReaction: (messageId, emoji) => handle.addReaction(messageId, emoji),
    removeReaction: (messageId, emoji) => handle.removeReaction(messageId, emoji),
    retry: (tempId) => handle.retry(tempId),
    discard: (tempId) => handle.discard(tempId),
    loadOlder: () => handle.loadOlder(),
    markRead: (messageId) => handle.markRead(messageId),
    setTyping: (isTyping) => handle.setTyping(isTyping),
  });
}

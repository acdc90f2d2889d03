import type { ConversationHandle } from "./conversation-handle.ts";
import { ConversationNotFoundError } from "./errors.ts";
import type { Sending } from "./sender.ts";

/** What can be done in a conversation. The same functions for as long as client and conversation are the same. */
export type ConversationActions = Pick<
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

/**
 * The actions as functions that need no `this`.
 *
 * @param use calls back with the conversation's handle; or not, when none is chosen: whatever would be sent is then refused,
 *   the rest does nothing
 */
export function actionsOf(
  use: <T>(call: (handle: ConversationHandle) => T) => T | undefined,
): ConversationActions {
  const submit = <T>(call: (handle: ConversationHandle) => Sending<T>): Sending<T> => use(call) ?? nowhere();
  return {
    send: (body, options) => submit((handle) => handle.send(body, options)),
    edit: (messageId, body) => submit((handle) => handle.edit(messageId, body)),
    delete: (messageId) => submit((handle) => handle.delete(messageId)),
    addReaction: (messageId, emoji) => submit((handle) => handle.addReaction(messageId, emoji)),
    removeReaction: (messageId, emoji) => submit((handle) => handle.removeReaction(messageId, emoji)),
    retry: (tempId) => submit((handle) => handle.retry(tempId)),
    discard: (tempId) => use((handle) => handle.discard(tempId)) ?? false,
    loadOlder: () => use((handle) => handle.loadOlder()) ?? Promise.resolve(),
    markRead: (messageId) => use((handle) => handle.markRead(messageId)),
    setTyping: (isTyping) => use((handle) => handle.setTyping(isTyping)),
  };
}

function nowhere<T>(): Sending<T> {
  const error = new ConversationNotFoundError("CONVERSATION_NOT_FOUND", "No conversation is chosen.");
  const promise = Promise.reject<T>(error);
  // As with every command, a caller need not look at the promise.
  promise.catch(() => undefined);
  return Object.assign(promise, { key: "", queued: Promise.resolve(false) });
}

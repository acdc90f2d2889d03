import type { Message } from "../protocol/entities.ts";
import { Handle } from "./handle.ts";
import type { ConversationState, LiveConversation } from "./live-conversation.ts";
import type { MessageInput } from "./outbox.ts";
import type { Sending } from "./sender.ts";

/** Options of {@link ConversationHandle.send}. */
export interface SendOptions {
  /** The idempotency key, 1 to 64 characters. Default: a new one. */
  tempId?: string;
  /** Id of the message this one answers. */
  replyToId?: number;
}

/**
 * One user of a conversation: a view, a component. All handles of a conversation share one connection and one
 * state; when the last one leaves, and nothing is unsent, the connection closes.
 */
export class ConversationHandle extends Handle<ConversationState> {
  readonly id: string;
  readonly #live: LiveConversation;
  readonly #newId: () => string;

  /** Made by `ChatClient.joinConversation`. */
  constructor(live: LiveConversation, newId: () => string) {
    super(live);
    this.id = live.id;
    this.#live = live;
    this.#newId = newId;
  }

  /**
   * Sends a message: now, or as soon as there is a connection, be it after a restart of the browser. It stands in
   * `state.pending` until the service confirms it. The same `tempId` again is the same message.
   *
   * @returns the message as everybody sees it, once it is durable; its `queued` says sooner that nothing can lose it
   * @throws {ChatError} when the service refuses it for good, or when the conversation is closed. With
   *   `NETWORK_ERROR` it may have arrived: retry with the same `tempId` rather than sending anew.
   */
  send(body: MessageInput, { tempId = this.#newId(), replyToId }: SendOptions = {}): Sending<Message> {
    return this.#live.send(body, tempId, replyToId ?? null);
  }

  /** Replaces the body of one's own message. @throws {ChatError} as {@link send} does */
  edit(id: number, body: MessageInput): Sending<Message> {
    return this.#live.edit(id, body);
  }

  /** Deletes a message: one's own, or as an admin anybody's. @throws {ChatError} as {@link send} does */
  delete(id: number): Sending<Message> {
    return this.#live.delete(id);
  }

  /** Gives a message an emoji, or a name such as `:party:`. @throws {ChatError} as {@link send} does */
  addReaction(id: number, emoji: string): Sending<unknown> {
    return this.#live.react(id, emoji, true);
  }

  /** Takes one's own reaction back. @throws {ChatError} as {@link send} does */
  removeReaction(id: number, emoji: string): Sending<unknown> {
    return this.#live.react(id, emoji, false);
  }

  /** Sends a failed message again, with its `temp_id`. @throws {ChatError} as {@link send} does */
  retry(tempId: string): Sending<Message> {
    return this.#live.retry(tempId);
  }

  /**
   * Forgets a message that failed or is still queued. A queued one that was already sent once may have
   * arrived and then still appear.
   *
   * @returns false when there is no such message, or when it is on its way
   */
  discard(tempId: string): boolean {
    return this.#live.discard(tempId);
  }

  /**
   * Loads the page before the first message, once at a time. Does nothing when there is none.
   *
   * @throws ChatError as REST calls do
   */
  loadOlder(): Promise<void> {
    return this.#live.loadOlder();
  }

  /**
   * Says that the user has read everything up to this message; default: up to the newest. It is remembered until the
   * service knows it, and said at most once a second. Never moves back, nor beyond the newest message.
   */
  markRead(id?: number): void {
    this.#live.markRead(id);
  }

  /**
   * Says that the user is typing, or no longer is. May be called with each key: it is said again only as often as the
   * others need it. Sending a message ends it.
   */
  setTyping(isTyping: boolean): void {
    this.#live.setTyping(isTyping);
  }
}

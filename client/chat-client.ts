import type { Message } from "../protocol/entities.ts";
import type { InboxEvent, ServerEvent } from "../protocol/frames.ts";
import { ChatApi } from "./api.ts";
import { ConversationHandle } from "./conversation-handle.ts";
import { type ChatClientOptions, type Environment, toEnvironment } from "./environment.ts";
import type { ChatError } from "./errors.ts";
import {
  type ConnectInfo,
  type DisconnectInfo,
  type ErrorInfo,
  type EventOf,
  type InboxEventOf,
  Listeners,
  type Unsubscribe,
} from "./events.ts";
import { type ConversationObserver, LiveConversation } from "./live-conversation.ts";
import { InboxHandle, LiveInbox } from "./live-inbox.ts";
import { watchNetwork } from "./network-changes.ts";
import type { MessageInput } from "./outbox.ts";

/**
 * A user's link to the chat service.
 *
 * @example
 * const chat = new ChatClient({ url: "https://chat.example", token: () => fetchChatToken() });
 * chat.connect();
 * const conversation = chat.joinConversation(id);
 * await conversation.send({ text: "Hello" });
 */
export class ChatClient {
  /** Typed REST calls. They need no `connect`. */
  readonly api: ChatApi;
  readonly #env: Environment;
  readonly #conversations = new Map<string, LiveConversation>();
  #inbox: LiveInbox | null = null;
  readonly #messages = new Listeners<[Message]>();
  readonly #failures = new Listeners<[ChatError, ErrorInfo]>();
  readonly #connects = new Listeners<[ConnectInfo]>();
  readonly #disconnects = new Listeners<[DisconnectInfo]>();
  readonly #events = new Listeners<[ServerEvent, string]>();
  readonly #inboxEvents = new Listeners<[InboxEvent]>();
  readonly #observer: ConversationObserver;
  #unwatchNetwork: (() => void) | null = null;

  /** @throws TypeError when `url` is not a URL */
  constructor(options: ChatClientOptions) {
    this.#env = toEnvironment(options);
    this.api = new ChatApi(this.#env);
    this.#observer = {
      message: (message) => this.#messages.emit(message),
      failure: (error, id) => this.#failures.emit(error, { conversation_id: id }),
      connect: (id) => this.#connects.emit({ conversation_id: id }),
      disconnect: (id, { reason, isFinal }) =>
        this.#disconnects.emit({ conversation_id: id, reason, will_reconnect: !isFinal }),
      server: (event, id) => this.#events.emit(event, id),
      released: (id) => this.#conversations.delete(id),
    };
  }

  /** Connects every joined conversation and the inbox, and those joined later. Reopens closed ones. */
  connect(): void {
    this.#unwatchNetwork ??= watchNetwork({
      woke: () => this.#each((link) => link.wake()),
      doubted: () => this.#each((link) => link.check()),
    });
    this.#each((link) => link.enable());
  }

  /** Closes every connection. Nothing runs afterwards; what is unsent stays until `connect`. */
  disconnect(): void {
    this.#unwatchNetwork?.();
    this.#unwatchNetwork = null;
    this.#each((link) => link.disable());
  }

  /** Follows a conversation until the handle leaves. May be called before `connect`, and more than once. */
  joinConversation(id: string): ConversationHandle {
    return new ConversationHandle(this.#conversation(id), this.#env.newId);
  }

  /** Follows the list of the user's conversations until the handle leaves. Otherwise as {@link joinConversation}. */
  joinInbox(): InboxHandle {
    if (!this.#inbox) {
      const inbox = new LiveInbox(this.#env, this.api, {
        failure: (error) => this.#failures.emit(error, { conversation_id: null }),
        event: (event) => this.#inboxEvents.emit(event),
        released: () => {
          if (this.#inbox === inbox) this.#inbox = null;
        },
      });
      this.#inbox = inbox;
      if (this.#unwatchNetwork) inbox.enable();
    }
    return new InboxHandle(this.#inbox);
  }

  /**
   * Sends a message without following the conversation.
   *
   * @param tempId the idempotency key, 1 to 64 characters; default: a new one
   * @throws ChatError as `ConversationHandle.send` does
   */
  async sendMessage(id: string, body: MessageInput, tempId?: string): Promise<Message> {
    const handle = this.joinConversation(id);
    try {
      return await handle.send(body, tempId === undefined ? {} : { tempId });
    } finally {
      handle.leave();
    }
  }

  /** Each message that is new to this client, once and in order: live or missed while it was away. */
  onMessage(callback: (message: Message) => void): Unsubscribe {
    return this.#messages.add(callback);
  }

  /** Errors that the service sent or the connection met. Those of commands also reject their promises. */
  onError(callback: (error: ChatError, info: ErrorInfo) => void): Unsubscribe {
    return this.#failures.add(callback);
  }

  /** A conversation became live: for the first time or again. */
  onConnect(callback: (info: ConnectInfo) => void): Unsubscribe {
    return this.#connects.add(callback);
  }

  /** A conversation's connection ended, or an attempt failed. */
  onDisconnect(callback: (info: DisconnectInfo) => void): Unsubscribe {
    return this.#disconnects.add(callback);
  }

  /** Each event of one type in a conversation, after the state shows it. Changes come once each, in `seq` order. */
  on<Type extends ServerEvent["type"]>(
    type: Type,
    callback: (event: EventOf<Type>, conversationId: string) => void,
  ): Unsubscribe {
    return this.#events.add((event, conversationId) => {
      if (isOfType(event, type)) callback(event, conversationId);
    });
  }

  /** Each event of one type in the inbox, after the state shows it. */
  onInbox<Type extends InboxEvent["type"]>(
    type: Type,
    callback: (event: InboxEventOf<Type>) => void,
  ): Unsubscribe {
    return this.#inboxEvents.add((event) => {
      if (isOfType(event, type)) callback(event);
    });
  }

  #conversation(id: string): LiveConversation {
    let conversation = this.#conversations.get(id);
    if (!conversation) {
      conversation = new LiveConversation(id, this.#env, this.api, this.#observer);
      this.#conversations.set(id, conversation);
      if (this.#unwatchNetwork) conversation.enable();
    }
    return conversation;
  }

  #each(call: (link: LiveConversation | LiveInbox) => void): void {
    for (const link of [...this.#conversations.values(), ...(this.#inbox ? [this.#inbox] : [])]) call(link);
  }
}

function isOfType<Event extends { type: string }, Type extends Event["type"]>(
  event: Event,
  type: Type,
): event is Extract<Event, { type: Type }> {
  return event.type === type;
}

import type { Message } from "../protocol/entities.ts";
import type { InboxEvent, ServerEvent } from "../protocol/frames.ts";
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
import type { MessageInput } from "./outbox.ts";
import { makeRequest, type Request } from "./request.ts";
import { OUTBOX, type OutboxNews, outboxOf, type Sending } from "./sender.ts";
import type { StorageState } from "./store.ts";

/**
 * A user's link to the chat service.
 *
 * @example
 * const chat = new ChatClient({ url: "https://chat.example", userId, token: () => fetchChatToken() });
 * chat.connect();
 * const conversation = chat.joinConversation(id);
 * const sending = conversation.send({ text: "Hello" });
 * await sending.queued; // it will arrive, whatever happens to this page
 * const message = await sending; // it has arrived
 */
export class ChatClient {
  /** Any call of the REST API, as the user; {@link ChatApi} has them typed. It needs no `connect`. */
  readonly request: Request;
  readonly #env: Environment;
  readonly #conversations = new Map<string, LiveConversation>();
  #inbox: LiveInbox | null = null;
  readonly #messages = new Listeners<[Message]>();
  readonly #failures = new Listeners<[ChatError, ErrorInfo]>();
  readonly #connects = new Listeners<[ConnectInfo]>();
  readonly #disconnects = new Listeners<[DisconnectInfo]>();
  readonly #events = new Listeners<[ServerEvent, string]>();
  readonly #inboxEvents = new Listeners<[InboxEvent]>();
  readonly #storageChanges = new Listeners<[StorageState]>();
  readonly #observer: ConversationObserver;
  #isListening = false;
  #unwatchNetwork: (() => void) | null = null;

  /** @throws TypeError when `url` is not a URL */
  constructor(options: ChatClientOptions) {
    this.#env = toEnvironment(options, () => this.#storageChanged());
    this.request = makeRequest(this.#env);
    this.#observer = {
      message: (message) => this.#messages.emit(message),
      failure: (error, id) => this.#failures.emit(error, { conversation_id: id }),
      connect: (id) => this.#connects.emit({ conversation_id: id }),
      disconnect: (id, { reason, isFinal }) =>
        this.#disconnects.emit({ conversation_id: id, reason, will_reconnect: !isFinal }),
      server: (event, id) => this.#events.emit(event, id),
      released: (id) => this.#conversations.delete(id),
    };
    this.#listenToTabs();
  }

  /** Connects every joined conversation and the inbox, and those joined later. Reopens closed ones. */
  connect(): void {
    this.#unwatchNetwork ??= this.#env.watchNetwork({
      woke: () => this.#each((link) => link.wake()),
      doubted: () => this.#each((link) => link.check()),
    });
    // Adding it twice does nothing.
    this.#env.store.sharing?.channel.addEventListener("message", this.#hear);
    this.#each((link) => link.enable());
    void this.#sendLeftovers();
  }

  /** Closes every connection. Nothing runs afterwards; what is unsent stays until `connect`. */
  disconnect(): void {
    this.#unwatchNetwork?.();
    this.#unwatchNetwork = null;
    this.#env.store.sharing?.channel.removeEventListener("message", this.#hear);
    this.#each((link) => link.disable());
  }

  /** Follows a conversation until the handle leaves. May be called before `connect`, and more than once. */
  joinConversation(id: string): ConversationHandle {
    return new ConversationHandle(this.#conversation(id), this.#env.newId);
  }

  /** Follows the list of the user's conversations until the handle leaves. Otherwise as {@link joinConversation}. */
  joinInbox(): InboxHandle {
    if (!this.#inbox) {
      const inbox = new LiveInbox(this.#env, this.request, {
        failure: (error) => this.#failures.emit(error, { conversation_id: null }),
        event: (event) => {
          // Whoever was removed and is added again goes on in the same conversation.
          if (event.type === "conversation.added") this.#conversations.get(event.conversation.id)?.enable();
          this.#inboxEvents.emit(event);
        },
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
   * @throws {ChatError} as `ConversationHandle.send` does
   */
  sendMessage(id: string, body: MessageInput, tempId?: string): Sending<Message> {
    const handle = this.joinConversation(id);
    const sending = handle.send(body, tempId === undefined ? {} : { tempId });
    // It holds the conversation by itself until it is answered.
    handle.leave();
    return sending;
  }

  /** Whose client it is; null until it is told, or the first connection says. */
  get userId(): string | null {
    return this.#env.store.userId;
  }

  /** Whether what is unsent survives the end of this client. */
  get storage(): StorageState {
    return this.#env.store.state;
  }

  /**
   * Disconnects, and removes what is kept of this user on this device, unsent messages as well: for signing out where
   * others may sit down. The client is of no use afterwards.
   */
  async erase(): Promise<void> {
    this.disconnect();
    const { store } = this.#env;
    const kept = await store.list("");
    await store.write((kept ?? []).map(([key]) => [key, undefined]));
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

  /** What is unsent is kept elsewhere from now on, or no longer. */
  onStorage(callback: (state: StorageState) => void): Unsubscribe {
    return this.#storageChanges.add(callback);
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
      conversation = new LiveConversation(id, this.#env, this.request, this.#observer);
      this.#conversations.set(id, conversation);
      if (this.#unwatchNetwork) conversation.enable();
    }
    return conversation;
  }

  #storageChanged(): void {
    this.#listenToTabs();
    this.#storageChanges.emit(this.storage);
  }

  /** As soon as it is known whose client this is. */
  #listenToTabs(): void {
    const { store } = this.#env;
    if (this.#isListening || !store.isOpen) return;
    this.#isListening = true;
    store.sharing?.channel.addEventListener("message", this.#hear);
    // Those that were joined before.
    for (const conversation of this.#conversations.values()) void conversation.restoreUnsent();
    void this.#sendLeftovers();
  }

  readonly #hear = ({ data }: MessageEvent<OutboxNews>): void => {
    for (const [id, conversation] of this.#conversations)
      if (data.of === this.#env.store.name(outboxOf(id))) conversation.hear(data);
  };

  /** Opens the conversations in which an earlier client left something unsent, until it is sent. */
  async #sendLeftovers(): Promise<void> {
    if (!this.#unwatchNetwork) return;
    const unsent = (await this.#env.store.list(OUTBOX)) ?? [];
    for (const id of new Set(unsent.map(([key]) => key.slice(0, key.indexOf(" "))))) this.#conversation(id);
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

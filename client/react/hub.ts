import type {
  ChatClient,
  ConversationHandle,
  ConversationState,
  InboxHandle,
  InboxState,
  StorageState,
  Unsubscribe,
} from "../index.ts";
import { IDLE_CONVERSATION, IDLE_INBOX } from "./idle.ts";
import { Joins } from "./joins.ts";

/** What the components below a provider share. */
export class Hub {
  readonly conversations = new Joins<ConversationState, ConversationHandle>(
    (id) => this.chat.joinConversation(id),
    IDLE_CONVERSATION,
    (handle) => handle.setTyping(false),
  );
  readonly inbox = new Joins<InboxState, InboxHandle>(() => this.chat.joinInbox(), IDLE_INBOX);
  readonly #make: () => ChatClient;
  #chat: ChatClient | null = null;
  #userId: string | null;
  readonly #userIdChanged = new Set<() => void>();
  #holders = 0;

  /** @param make called when the client is first needed, which on a server may be never */
  constructor(make: () => ChatClient, userId: string | null = null) {
    this.#make = make;
    this.#userId = userId;
  }

  get chat(): ChatClient {
    if (this.#chat) return this.#chat;
    const chat = this.#make();
    this.#chat = chat;
    chat.on("ready", ({ user_id }) => this.#identify(user_id));
    chat.onInbox("ready", ({ user_id }) => this.#identify(user_id));
    return chat;
  }

  /** Keeps the client connected until the returned function is called. */
  hold(): () => void {
    this.#holders += 1;
    this.chat.connect();
    return () => {
      this.#holders -= 1;
      // Later, because a provider that is mounted anew lets go and holds in one go.
      queueMicrotask(() => {
        if (this.#holders === 0) this.chat.disconnect();
      });
    };
  }

  readonly connect = (): void => this.chat.connect();
  readonly disconnect = (): void => this.chat.disconnect();

  readonly onStorage = (callback: () => void): Unsubscribe => this.chat.onStorage(callback);
  readonly getStorage = (): StorageState => this.chat.storage;

  readonly onUserId = (callback: () => void): Unsubscribe => {
    this.#userIdChanged.add(callback);
    return () => this.#userIdChanged.delete(callback);
  };
  readonly getUserId = (): string | null => this.#userId;

  #identify(userId: string): void {
    if (userId === this.#userId) return;
    this.#userId = userId;
    for (const changed of this.#userIdChanged) changed();
  }
}

const hubs = new WeakMap<ChatClient, Hub>();

/** The one of a client. */
export function hubOf(chat: ChatClient): Hub {
  const hub = hubs.get(chat) ?? new Hub(() => chat, chat.userId);
  hubs.set(chat, hub);
  return hub;
}

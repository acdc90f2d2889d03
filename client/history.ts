import type { Message } from "../protocol/entities.ts";
import type { DurableEvent } from "../protocol/frames.ts";
import { ChatApi } from "./api.ts";
import type { ChatClient } from "./chat-client.ts";
import { Listeners, type Unsubscribe } from "./events.ts";
import { withReaction } from "./timeline.ts";

/** A part of a conversation at one moment. Never changed: a change makes a new one. */
export interface HistoryState {
  /** Ids ascending and contiguous. Empty until the first page has come. */
  readonly messages: readonly Message[];
  /** Whether messages before the first one exist. */
  readonly has_older: boolean;
  /** Whether messages behind the last one exist. */
  readonly has_newer: boolean;
  /** Which page is on its way: the first one, or the one before or behind those that are there. */
  readonly loading: "first" | "older" | "newer" | null;
  /** Why the page asked for last did not come: a `ChatError`. Asking again clears it. */
  readonly error: unknown;
}

const NOTHING: HistoryState = {
  messages: [],
  has_older: false,
  has_newer: false,
  loading: null,
  error: null,
};

/** Messages of a page, half of them on each side of the one that is looked for. */
const PAGE = 50;

/**
 * Messages around any message of a conversation, however old, without those between it and the newest: for jumping to what
 * a search found. It follows edits, deletions and reactions of what it shows while the conversation is joined.
 *
 * @example
 * const history = new History(chat, conversationId, hit.id);
 * history.subscribe(() => render(history.state));
 * await history.loadOlder();
 * history.close();
 */
export class History {
  readonly #api: ChatApi;
  readonly #conversationId: string;
  readonly #messageId: number;
  readonly #listeners = new Listeners<[]>();
  readonly #unsubscribes: Unsubscribe[];
  #state: HistoryState = NOTHING;
  /** What was told while a page was on its way: it may have been read before. */
  #told: DurableEvent[] = [];
  #isClosed = false;

  /** @param messageId the message to begin around; the page around it is asked for at once */
  constructor(chat: ChatClient, conversationId: string, messageId: number) {
    this.#api = new ChatApi(chat);
    this.#conversationId = conversationId;
    this.#messageId = messageId;
    const follow = (event: DurableEvent, id: string): void => {
      if (id !== conversationId) return;
      if (this.#state.loading) this.#told.push(event);
      this.#apply(event);
    };
    this.#unsubscribes = [
      chat.on("message.updated", follow),
      chat.on("message.deleted", follow),
      chat.on("reaction.updated", follow),
      // What changed while it was away may not have been told one by one.
      chat.onConnect(({ conversation_id }) => {
        if (conversation_id === conversationId) void this.#refresh();
      }),
    ];
    void this.reload();
  }

  /** What is known now. The same object until something changes. */
  get state(): HistoryState {
    return this.#state;
  }

  /** Calls back after each change of `state`. Needs no `this`. */
  readonly subscribe = (callback: () => void): Unsubscribe => this.#listeners.add(callback);

  /** The current `state`. Needs no `this`. */
  readonly getState = (): HistoryState => this.#state;

  /** Begins anew around the message, as after an error. Never rejects: `state.error` says what failed. */
  async reload(): Promise<void> {
    await this.#load("first", async () => {
      const half = PAGE / 2;
      const [older, newer] = await Promise.all([
        this.#page({ before_id: this.#messageId + 1, limit: half }),
        this.#page({ after_id: this.#messageId, limit: half }),
      ]);
      return {
        messages: [...older.data, ...newer.data],
        has_older: older.has_more,
        has_newer: newer.has_more,
      };
    });
  }

  /** Loads the page before the first message. Never rejects: `state.error` says what failed. */
  async loadOlder(): Promise<void> {
    const [first] = this.#state.messages;
    if (!first || !this.#state.has_older) return;
    await this.#load("older", async () => {
      const page = await this.#page({ before_id: first.id, limit: PAGE });
      return { messages: [...page.data, ...this.#state.messages], has_older: page.has_more };
    });
  }

  /** Loads the page behind the last message. Never rejects: `state.error` says what failed. */
  async loadNewer(): Promise<void> {
    const last = this.#state.messages.at(-1);
    if (!last || !this.#state.has_newer) return;
    await this.#load("newer", async () => {
      const page = await this.#page({ after_id: last.id, limit: PAGE });
      return { messages: [...this.#state.messages, ...page.data], has_newer: page.has_more };
    });
  }

  /** Ends it: nothing changes and nobody is called any more. */
  close(): void {
    this.#isClosed = true;
    for (const unsubscribe of this.#unsubscribes) unsubscribe();
  }

  #page(query: { before_id?: number; after_id?: number; limit: number }) {
    return this.#api.listMessages(this.#conversationId, query);
  }

  async #load(which: "first" | "older" | "newer", ask: () => Promise<Partial<HistoryState>>): Promise<void> {
    if (this.#state.loading) return;
    this.#set({ loading: which, error: null });
    try {
      this.#set({ ...(await ask()), loading: null });
    } catch (error) {
      this.#set({ loading: null, error });
    }
    for (const event of this.#told.splice(0)) this.#apply(event);
  }

  /** Fetches again what is shown. What cannot be fetched now stays as it is. */
  async #refresh(): Promise<void> {
    const [first] = this.#state.messages;
    const last = this.#state.messages.at(-1);
    if (!first || !last) return;
    for (let after = first.id - 1; after < last.id && !this.#isClosed; ) {
      const page = await this.#page({ after_id: after, limit: PAGE * 2 }).catch(() => null);
      if (!page || page.data.length === 0) return;
      this.#replace(page.data);
      after = page.data.at(-1)?.id ?? last.id;
    }
  }

  #apply(event: DurableEvent): void {
    if (event.type === "message.updated" || event.type === "message.deleted") this.#replace([event.message]);
    if (event.type !== "reaction.updated") return;
    const messages = this.#state.messages.map((message) =>
      message.id === event.message_id ? withReaction(message, event) : message,
    );
    this.#set({ messages });
  }

  /** The newer of each message that is shown. */
  #replace(changed: readonly Message[]): void {
    const byId = new Map(changed.map((message) => [message.id, message]));
    const messages = this.#state.messages.map((message) => {
      const other = byId.get(message.id);
      return other && other.seq > message.seq ? other : message;
    });
    this.#set({ messages });
  }

  #set(changes: Partial<HistoryState>): void {
    if (this.#isClosed) return;
    this.#state = Object.freeze({ ...this.#state, ...changes });
    this.#listeners.emit();
  }
}

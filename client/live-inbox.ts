import type { Conversation, UserSettings } from "../protocol/entities.ts";
import type { InboxEvent } from "../protocol/frames.ts";
import type { ReadState } from "./api.ts";
import type { Environment } from "./environment.ts";
import { type ChatError, fromWire } from "./errors.ts";
import { Handle } from "./handle.ts";
import { applyInboxEvent, applyPage, EMPTY_INBOX, type InboxList, type Presence } from "./inbox-list.ts";
import { type LinkState, LiveLink } from "./live-link.ts";
import { type Page, type Request, withQuery } from "./request.ts";

/** All of a user's conversations at one moment. Never changed: a change makes a new one. */
export interface InboxState extends LinkState {
  /** Newest activity first: those that are loaded. */
  readonly conversations: readonly Conversation[];
  /** Whether older conversations exist. */
  readonly has_more: boolean;
  readonly loading_more: boolean;
  /** Unread messages of all conversations. */
  readonly unread_total: number;
  /** Those of each, also of conversations that are not loaded, by id. */
  readonly unread: ReadonlyMap<string, ReadState>;
  /** Others of whom it was told, by their ids. Whoever is not in it is not online. */
  readonly presence: ReadonlyMap<string, Presence>;
  /** null before the first connection. */
  readonly settings: UserSettings | null;
}

/** What an inbox tells the client it belongs to. */
export interface InboxObserver {
  failure(error: ChatError): void;
  event(event: InboxEvent): void;
  /** Nobody needs it. */
  released(): void;
}

/** The user's inbox. When everybody comes back at once, it leaves the first moments to what is open on the screen. */
export class LiveInbox extends LiveLink<InboxState, InboxEvent> {
  readonly #request: Request;
  readonly #observer: InboxObserver;
  #list: InboxList = EMPTY_INBOX;
  #loading: Promise<void> | null = null;

  constructor(env: Environment, request: Request, observer: InboxObserver) {
    const { reconnect } = env;
    super("inbox", { ...env, reconnect: { ...reconnect, firstMs: reconnect.firstMs * 4 } });
    this.#request = request;
    this.#observer = observer;
  }

  loadMore(): Promise<void> {
    const { next_cursor: cursor } = this.#list;
    if (cursor === null) return Promise.resolve();
    this.#loading ??= this.#load(cursor).finally(() => {
      this.#loading = null;
      this.publish();
    });
    this.publish();
    return this.#loading;
  }

  async #load(cursor: string): Promise<void> {
    const query = { cursor, limit: this.env.pageSize };
    const page = (await this.#request("GET", withQuery("conversations", query))) as Page<Conversation>;
    // Otherwise the list began anew meanwhile, and goes on elsewhere.
    if (this.#list.next_cursor === cursor) this.#list = applyPage(this.#list, page);
  }

  protected handle(event: InboxEvent): void {
    this.#list = applyInboxEvent(this.#list, event);
    if (event.type === "synced") this.succeeded();
    if (event.type === "error") {
      const error = fromWire(event.error);
      this.news.push(() => this.failed(error));
    }
    this.news.push(() => this.#observer.event(event));
  }

  protected ended(): void {}

  protected failed(error: ChatError): void {
    this.#observer.failure(error);
  }

  protected released(): void {
    this.#observer.released();
  }

  protected get version(): unknown {
    return this.#list.conversations;
  }

  /** The first page; who is online is another matter by the time it is read. */
  protected copy(): InboxCopy {
    const { user_id, conversations, unread, unread_total, settings } = this.#list;
    const kept = conversations.slice(0, this.env.pageSize);
    return { user_id, conversations: kept, unread: [...unread], unread_total, settings };
  }

  protected restore(copy: object): void {
    const { unread, ...list } = copy as InboxCopy;
    if (this.#list === EMPTY_INBOX) this.#list = { ...EMPTY_INBOX, ...list, unread: new Map(unread) };
  }

  protected snapshot(): InboxState {
    const { next_cursor, removed: _, user_id: __, ...shown } = this.#list;
    return Object.freeze({
      status: this.status,
      reason: this.reason,
      has_more: next_cursor !== null,
      loading_more: this.#loading !== null,
      ...shown,
    });
  }
}

type InboxCopy = Pick<InboxList, "user_id" | "conversations" | "unread_total" | "settings"> & {
  unread: Array<[id: string, counts: ReadState]>;
};

/**
 * One user of the inbox: a view, a component. All handles share one connection and one state; when the last one leaves,
 * the connection closes.
 */
export class InboxHandle extends Handle<InboxState> {
  readonly #live: LiveInbox;

  /** Made by `ChatClient.joinInbox`. */
  constructor(live: LiveInbox) {
    super(live);
    this.#live = live;
  }

  /**
   * Loads the page of conversations after the last one, once at a time. Does nothing when there is none.
   *
   * @throws ChatError as REST calls do
   */
  loadMore(): Promise<void> {
    return this.#live.loadMore();
  }
}

import {
  ChatClient,
  type ChatClientOptions,
  ChatError,
  type ConversationHandle,
  type MessageInput,
} from "../../client/index.ts";
import type { Instant } from "../checker/history.ts";
import { heldOf, lookAt, type Observation, Tap } from "./tap.ts";

/** What the harness puts into the page before this script runs. */
declare global {
  /** A message with this `temp_id` is on the disk. */
  function keep(tempId: string): Promise<void>;
  function note(observations: Observation[]): Promise<void>;
  var tab: TabCalls;
}

/** A call into the page, by the name of a method of {@link Page}. */
export interface PageCall {
  method: Exclude<keyof Page, "open" | "sees">;
  args: unknown[];
  /** Where the history is now. */
  t: Instant;
}

/** What came of it: errors lose all but their message on the way out of a browser. */
export type PageAnswer = { value: unknown } | { error: { code: string; message: string } };

export interface TabCalls {
  open(who: { client: string; user: string }, options: Partial<ChatClientOptions>, t: Instant): void;
  call(call: PageCall): Promise<PageAnswer>;
}

/** The client library in a page, told what to do from outside. */
class Page {
  readonly #handles = new Map<string, ConversationHandle>();
  #observations: Observation[] = [];
  #t: Instant = 0;
  #chat: ChatClient | null = null;
  #tap: Tap | null = null;

  sees(t: Instant): void {
    this.#t = t;
  }

  open(who: { client: string; user: string }, options: Partial<ChatClientOptions>): void {
    const tap = new Tap(
      { instant: () => this.#t, observe: (observation) => this.#observe(observation) },
      who,
    );
    this.#tap = tap;
    this.#chat = new ChatClient({
      url: location.origin,
      userId: who.user,
      token: () => who.user,
      WebSocket: tap.webSocket(),
      fetch: tap.fetch(),
      ...options,
    });
    tap.announcements(this.#chat);
    this.#chat.connect();
  }

  join(conversation: string): void {
    const handle = this.#chat?.joinConversation(conversation);
    if (!handle) throw new Error("The page was not opened.");
    this.#handles.set(conversation, handle);
    this.#tap?.shows(handle);
  }

  leave(conversation: string): void {
    this.#handle(conversation).leave();
    this.#handles.delete(conversation);
  }

  send(conversation: string, tempId: string, body: MessageInput, replyToId: number | null) {
    const reply = replyToId === null ? {} : { replyToId };
    const sending = this.#handle(conversation).send(body, { tempId, ...reply });
    void sending.queued.then((isKept) => {
      if (isKept) void keep(tempId);
    });
    return sending;
  }

  edit(conversation: string, id: number, body: MessageInput) {
    return this.#handle(conversation).edit(id, body);
  }

  delete(conversation: string, id: number) {
    return this.#handle(conversation).delete(id);
  }

  status(conversation: string) {
    return this.#handle(conversation).state.status;
  }

  look(conversation: string) {
    return lookAt(this.#handle(conversation).state);
  }

  held(conversation: string) {
    return heldOf(this.#handle(conversation).state);
  }

  /** Told in batches, in order. */
  #observe(observation: Observation): void {
    this.#observations.push(observation);
    if (this.#observations.length > 1) return;
    setTimeout(() => void note(this.#observations.splice(0)), 5);
  }

  #handle(conversation: string): ConversationHandle {
    const handle = this.#handles.get(conversation);
    if (!handle) throw new Error("A page speaks of a conversation it has not joined.");
    return handle;
  }
}

const page = new Page();
globalThis.tab = {
  open(who, options, t) {
    page.sees(t);
    page.open(who, options);
  },
  async call({ method, args, t }) {
    page.sees(t);
    try {
      const call = page[method] as (...args: unknown[]) => unknown;
      return { value: await call.apply(page, args) };
    } catch (error) {
      const code = error instanceof ChatError ? error.code : "INTERNAL_ERROR";
      return { error: { code, message: String(error) } };
    }
  },
};

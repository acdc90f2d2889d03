import {
  ChatApi,
  ChatClient,
  type ChatClientOptions,
  ChatError,
  type ConversationHandle,
  type ConversationState,
  type MessageInput,
} from "../../client/index.ts";
import type { Message } from "../../protocol/entities.ts";
import { systemBody } from "../stack/system-body.ts";
import type { Invocation, OpenOperation, Recorder } from "./recorder.ts";
import { type Held, hashOf, heldOf, type Look, lookAt, Tap } from "./tap.ts";

/** The client library of one device or tab, in this process or in a browser. */
export interface Port {
  join(conversation: string): Promise<void>;
  leave(conversation: string): Promise<void>;
  send(conversation: string, tempId: string, body: MessageInput, replyToId: number | null): Promise<Message>;
  edit(conversation: string, id: number, body: MessageInput): Promise<Message>;
  delete(conversation: string, id: number): Promise<Message>;
  status(conversation: string): Promise<ConversationState["status"]>;
  look(conversation: string): Promise<Look>;
  held(conversation: string): Promise<Held>;
  /** Ends it as closing a tab does. */
  close(): Promise<void>;
}

/** Short enough that a silent connection is found out many times in a run. */
export const IMPATIENT = {
  reconnect: { firstMs: 50, maxMs: 1_000 },
  heartbeat: { everyMs: 2_000, answerMs: 1_500 },
  connectTimeoutMs: 3_000,
  requestTimeoutMs: 5_000,
} satisfies Partial<ChatClientOptions>;

/** The client library in this process. */
export class NodePort implements Port {
  readonly api: ChatApi;
  readonly #chat: ChatClient;
  readonly #tap: Tap;
  readonly #handles = new Map<string, ConversationHandle>();

  constructor(
    recorder: Recorder,
    who: { client: string; user: string },
    options: Pick<ChatClientOptions, "url"> & Partial<ChatClientOptions>,
  ) {
    this.#tap = new Tap(recorder, who);
    this.#chat = new ChatClient({
      ...IMPATIENT,
      token: () => who.user,
      WebSocket: this.#tap.webSocket(),
      fetch: this.#tap.fetch(),
      ...options,
    });
    this.api = new ChatApi(this.#chat);
    this.#tap.announcements(this.#chat);
    this.#chat.connect();
  }

  /** Everything the client told of errors and endings from now on. */
  complaints(): string[] {
    const told: string[] = [];
    this.#chat.onError(({ code, message }) => told.push(`${code}: ${message}`));
    this.#chat.onDisconnect(({ reason }) => told.push(`disconnected: ${reason}`));
    return told;
  }

  async join(conversation: string): Promise<void> {
    const handle = this.#chat.joinConversation(conversation);
    this.#handles.set(conversation, handle);
    this.#tap.shows(handle);
  }

  async leave(conversation: string): Promise<void> {
    this.#handle(conversation).leave();
    this.#handles.delete(conversation);
  }

  send(conversation: string, tempId: string, body: MessageInput, replyToId: number | null): Promise<Message> {
    return this.#handle(conversation).send(body, { tempId, ...(replyToId === null ? {} : { replyToId }) });
  }

  edit(conversation: string, id: number, body: MessageInput): Promise<Message> {
    return this.#handle(conversation).edit(id, body);
  }

  delete(conversation: string, id: number): Promise<Message> {
    return this.#handle(conversation).delete(id);
  }

  loadOlder(conversation: string): Promise<void> {
    return this.#handle(conversation).loadOlder();
  }

  async status(conversation: string): Promise<ConversationState["status"]> {
    return this.#handle(conversation).state.status;
  }

  async look(conversation: string): Promise<Look> {
    return lookAt(this.#handle(conversation).state);
  }

  async held(conversation: string): Promise<Held> {
    return heldOf(this.#handle(conversation).state);
  }

  async close(): Promise<void> {
    this.#chat.disconnect();
  }

  #handle(conversation: string): ConversationHandle {
    const handle = this.#handles.get(conversation);
    if (!handle) throw new Error("A device speaks of a conversation it has not joined.");
    return handle;
  }
}

/** A device whose operations are recorded from before they begin until after their outcome is known. */
export class Device<P extends Port = Port> {
  readonly name: string;
  readonly user: string;
  readonly port: P;
  /** Sends that were answered. */
  acknowledged = 0;
  readonly #recorder: Recorder;
  readonly #open = new Map<string, Set<OpenOperation>>();
  #sends = 0;

  constructor(recorder: Recorder, name: string, user: string, port: P) {
    this.#recorder = recorder;
    this.name = name;
    this.user = user;
    this.port = port;
  }

  /** Operations in this conversation that have no outcome yet. */
  openIn(conversation: string): number {
    return this.#open.get(conversation)?.size ?? 0;
  }

  /** @returns the message, or null when it was not acknowledged */
  async send(
    conversation: string,
    body: MessageInput,
    replyToId: number | null = null,
  ): Promise<Message | null> {
    this.#sends += 1;
    const tempId = `${this.name}-${this.#sends}`;
    const message = await this.#record(
      { op: "send", conversation, temp_id: tempId, hash: hashOf(body) },
      () => this.port.send(conversation, tempId, body, replyToId),
      ({ id, seq, edited_at, deleted_at }) =>
        edited_at === null && deleted_at === null ? { id, seq } : { id },
      isUncertain,
    );
    if (message) this.acknowledged += 1;
    return message;
  }

  edit(conversation: string, id: number, body: MessageInput): Promise<Message | null> {
    return this.#record(
      { op: "edit", conversation, id, hash: hashOf(body) },
      () => this.port.edit(conversation, id, body),
      ({ seq }) => ({ id, seq }),
      isUncertainChange,
    );
  }

  delete(conversation: string, id: number): Promise<Message | null> {
    return this.#record(
      { op: "delete", conversation, id },
      () => this.port.delete(conversation, id),
      ({ seq }) => ({ id, seq }),
      isUncertainChange,
    );
  }

  /** Records something done over REST. @returns whether it was acknowledged */
  async change(
    operation: Omit<Invocation, "client" | "user">,
    call: () => Promise<unknown>,
  ): Promise<boolean> {
    const said = systemBody(this.user, operation);
    const done = await this.#record(
      { ...operation, ...(said ? { hash: hashOf(said) } : {}) },
      async () => {
        await call();
        return true;
      },
      () => ({}),
      isUncertain,
    );
    return done === true;
  }

  /** The tab is closed: what had no outcome never gets one. */
  async close(): Promise<void> {
    for (const operations of this.#open.values())
      for (const operation of operations) operation.info("the tab was closed");
    await this.port.close();
  }

  async #record<T>(
    { conversation, ...rest }: Omit<Invocation, "client" | "user">,
    call: () => Promise<T>,
    known: (result: T) => { id?: number; seq?: number },
    isUndecided: (error: unknown) => boolean,
  ): Promise<T | null> {
    const operation = this.#recorder.begin({ client: this.name, user: this.user, conversation, ...rest });
    const open = this.#open.get(conversation) ?? new Set();
    this.#open.set(conversation, open.add(operation));
    try {
      const result = await call();
      operation.ok(known(result));
      return result;
    } catch (error) {
      const text = error instanceof ChatError ? error.code : String(error);
      if (isUndecided(error)) operation.info(text);
      else operation.fail(text);
      return null;
    } finally {
      open.delete(operation);
    }
  }
}

/** Whether it may have happened, or may still happen, although it was answered with an error. */
function isUncertain(error: unknown): boolean {
  if (!isChatError(error)) return true;
  return (
    error.code === "NETWORK_ERROR" || error.code === "SERVICE_UNAVAILABLE" || error.code === "INTERNAL_ERROR"
  );
}

/** Besides, what is repeated after a lost answer may find the message deleted meanwhile. */
function isUncertainChange(error: unknown): boolean {
  return isUncertain(error) || (isChatError(error) && error.code === "MESSAGE_NOT_FOUND");
}

/** Also of one that came out of a browser, where only its fields are left. */
function isChatError(error: unknown): error is Pick<ChatError, "code"> {
  return typeof error === "object" && error !== null && "code" in error;
}

import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import { openDatabase } from "../../db/client.ts";
import type { ConversationRpc, InboxRpc } from "../../durable-objects/rpc.ts";
import type { Conversation, Message } from "../../protocol/entities.ts";
import type { InboxEvent, InboxReady, Ready, ServerEvent } from "../../protocol/frames.ts";
import type { Env } from "../../workers/env.ts";

export const testEnv = env as unknown as Env;
export const db = openDatabase({
  url: testEnv.DATABASE_URL ?? "",
  fetchEndpoint: testEnv.NEON_FETCH_ENDPOINT,
});

const ORIGIN = "https://chat.example.com";
export const worker = (exports as unknown as { default: Fetcher }).default;

/** A development user nobody else uses. */
export const newUser = (): string => crypto.randomUUID();

export interface Reply<T> {
  status: number;
  headers: Headers;
  body: {
    data: T;
    has_more: boolean;
    next_cursor?: string;
    error: { code: string; details?: unknown[]; retryable: boolean; message: string; request_id: string };
  };
}

/** One REST call to the real Worker. `token` null sends no credential. */
export async function call<T = unknown>(
  token: string | null,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Reply<T>> {
  const response = await worker.fetch(`${ORIGIN}/api${path}`, {
    method,
    headers: {
      ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === "" ? null : JSON.parse(text) };
}

/** A group of these users; the first is its admin. */
export async function newConversation(...users: [string, ...string[]]): Promise<string> {
  const [creator, ...participant_ids] = users;
  const { body } = await call<Conversation>(creator, "POST", "/conversations", {
    type: "group",
    title: "Test",
    participant_ids,
  });
  return body.data.id;
}

export const objectOf = (id: string) => testEnv.CONVERSATIONS.get(testEnv.CONVERSATIONS.idFromName(id));

export const inboxOf = (userId: string) => testEnv.INBOXES.get(testEnv.INBOXES.idFromName(userId));

/** What an inbox knows of itself. */
export const inspectInbox = (userId: string) => (inboxOf(userId) as unknown as InboxRpc).inspect();

export async function inspect(id: string) {
  const result = await (objectOf(id) as unknown as ConversationRpc).inspect();
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

/** Waits until the condition holds; fails after a time that only a defect needs. */
export async function until<T>(
  probe: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  for (let attempt = 0; attempt < 500; attempt += 1) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("Waited in vain.");
}

export const untilDrained = (id: string) =>
  until(async () => {
    const state = await inspect(id);
    return state.drained.message_id === state.head && state;
  });

/** Rows of the conversation in Postgres, by id. */
export async function rowsOf(id: string) {
  const { rows } = await db.execute(
    sql`select id::int, seq::int, sender_id, temp_id, body, deleted_at from messages where conversation_id = ${id}::uuid order by id`,
  );
  return rows as Array<{
    id: number;
    seq: number;
    sender_id: string;
    temp_id: string;
    body: Message["body"];
    deleted_at: string | null;
  }>;
}

/** A raw socket that remembers everything it was sent. */
class RecordingSocket<Event extends { type: string }> {
  readonly events: Event[] = [];
  readonly frames: string[] = [];
  closed: { code: number; reason: string } | null = null;
  readonly response: Response;
  readonly #socket: WebSocket;

  constructor(response: Response, socket: WebSocket) {
    this.response = response;
    this.#socket = socket;
    socket.accept();
    socket.addEventListener("message", ({ data }) => {
      this.frames.push(String(data));
      if (data === "pong") return;
      const value = JSON.parse(String(data));
      this.events.push(...(Array.isArray(value) ? value : [value]));
    });
    socket.addEventListener("close", ({ code, reason }) => {
      this.closed = { code, reason };
    });
  }

  send(value: unknown): void {
    this.#socket.send(
      typeof value === "string" || value instanceof ArrayBuffer ? value : JSON.stringify(value),
    );
  }

  close(): void {
    this.#socket.close(1000, "done");
  }

  /** The first event of the type that passes, now or soon. */
  async next<Type extends Event["type"]>(
    type: Type,
    passes: (event: Extract<Event, { type: Type }>) => boolean = () => true,
  ): Promise<Extract<Event, { type: Type }>> {
    return until(() =>
      this.events.find(
        (event): event is Extract<Event, { type: Type }> => event.type === type && passes(event as never),
      ),
    );
  }

  untilClosed = () => until(() => this.closed ?? false);

  /** Events of the type, so far. */
  all<Type extends Event["type"]>(type: Type): Array<Extract<Event, { type: Type }>> {
    return this.events.filter((event): event is Extract<Event, { type: Type }> => event.type === type);
  }
}

/** A user's own feed. */
export class InboxSocket extends RecordingSocket<InboxEvent> {
  async ready(): Promise<InboxReady> {
    return (await this.next("ready")) as InboxReady;
  }

  /** The total that was told last. */
  get total(): number | undefined {
    const last = this.events.findLast(({ type }) => type === "unread.updated" || type === "ready");
    return last?.type === "ready"
      ? last.unread.total
      : last?.type === "unread.updated"
        ? last.total
        : undefined;
  }

  /** What was told last of a conversation: null once it is gone, or was never there. */
  shown(id: string): Conversation | null {
    const told = this.events.flatMap((event): Array<Conversation | null> => {
      if (event.type === "ready") return event.conversations.filter((one) => one.id === id);
      if (event.type === "conversation.added" || event.type === "conversation.updated")
        return event.conversation.id === id ? [event.conversation] : [];
      return event.type === "conversation.removed" && event.conversation_id === id ? [null] : [];
    });
    return told.at(-1) ?? null;
  }

  /** Whether somebody was said to be online, last. */
  isOnline(userId: string): boolean {
    return this.all("presence.updated").findLast((event) => event.user_id === userId)?.online ?? false;
  }
}

/** A raw protocol socket of a conversation. */
export class TestSocket extends RecordingSocket<ServerEvent> {
  async ready(): Promise<Ready> {
    return (await this.next("ready")) as Ready;
  }

  /** Sends a text and waits for its own event. */
  async say(text: string, tempId: string = crypto.randomUUID()): Promise<Message> {
    const { user_id } = await this.ready();
    this.send({ type: "message.send", temp_id: tempId, body: { text } });
    return (
      await this.next(
        "message.created",
        ({ message }) => message.temp_id === tempId && message.sender_id === user_id,
      )
    ).message as Message;
  }

  /** Seqs of the live events after `synced`, without answers to repeats. */
  liveSeqs(): number[] {
    const synced = this.events.findIndex(({ type }) => type === "synced");
    return this.events
      .slice(synced + 1)
      .flatMap((event) => ("seq" in event && !("duplicate" in event) ? [event.seq] : []));
  }
}

/** Opens a conversation's socket through the Worker. */
export async function open(
  token: string | null,
  id: string,
  query: { since?: number; epoch?: string; client_id?: string } = {},
  headers: Record<string, string> = {},
): Promise<TestSocket> {
  const search = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)]));
  const protocols = token === null ? "arcyou.v1" : `arcyou.v1, bearer.${token}`;
  return new TestSocket(...(await upgrade(`/conversations/${id}/socket?${search}`, protocols, headers)));
}

async function upgrade(
  path: string,
  protocols: string,
  headers: Record<string, string> = {},
): Promise<[Response, WebSocket]> {
  const response = await worker.fetch(`${ORIGIN}/api${path}`, {
    headers: { Upgrade: "websocket", "Sec-WebSocket-Protocol": protocols, ...headers },
  });
  if (!response.webSocket) throw new Error(`No upgrade: ${response.status} ${await response.text()}`);
  return [response, response.webSocket];
}

/** Opens a user's inbox. */
export async function openInbox(token: string | null, query = ""): Promise<InboxSocket> {
  const protocols = token === null ? "arcyou.v1" : `arcyou.v1, bearer.${token}`;
  return new InboxSocket(...(await upgrade(`/inbox/socket${query}`, protocols)));
}

/** Opens a user's inbox and waits until it knows everything. */
export async function joinInbox(token: string, query = ""): Promise<InboxSocket> {
  const socket = await openInbox(token, query);
  await socket.next("synced");
  return socket;
}

/** Opens a socket and waits for `synced`. */
export async function join(
  token: string,
  id: string,
  query: { since?: number; epoch?: string; client_id?: string } = {},
  headers: Record<string, string> = {},
): Promise<TestSocket> {
  const socket = await open(token, id, query, headers);
  await socket.next("synced");
  return socket;
}

/** What an inbox has stored. */
export const storedInbox = (userId: string): Promise<Record<string, unknown>> =>
  runInDurableObject(inboxOf(userId), (_, state) =>
    JSON.parse(state.storage.sql.exec<{ state: string }>("select state from inbox").one().state),
  );

/** Changes what an inbox has stored, and begins it anew. */
export async function restartInbox(userId: string, changes: Record<string, unknown>): Promise<void> {
  const stored = JSON.stringify({ ...(await storedInbox(userId)), ...changes });
  await runInDurableObject(inboxOf(userId), (_, state) => {
    state.storage.sql.exec("update inbox set state = ?", stored);
  });
  await evictDurableObject(inboxOf(userId));
}

/** An object that fails whenever this is asked of it. @returns what mends it */
export async function breakRpc(object: DurableObjectStub, method: string): Promise<() => Promise<void>> {
  await runInDurableObject(object, (instance) => {
    Object.assign(instance, { [method]: () => Promise.reject(new Error("away")) });
  });
  return () =>
    runInDurableObject(object, (instance) => {
      Reflect.deleteProperty(instance, method);
    });
}

import { randomUUID } from "node:crypto";
import pg from "pg";
import { expect } from "vitest";
import { ChatClient, type ChatClientOptions, type ConversationHandle } from "../../client/index.ts";
import type { Conversation, Message } from "../../protocol/entities.ts";

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until the probe holds. Only a defect needs the whole time. */
export async function until<T>(
  probe: () => Promise<T | false | undefined> | T | false | undefined,
  attempts = 1_200,
): Promise<T> {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const value = await Promise.resolve(probe()).catch(() => false as const);
    if (value !== false && value !== undefined) return value;
    await sleep(100);
  }
  throw new Error("Waited in vain.");
}

/** mulberry32: a small generator whose whole sequence follows from one number. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export async function rest<T>(
  url: string,
  user: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: { data: T; has_more: boolean; error?: { code: string } } }> {
  const response = await fetch(`${url}/api${path}`, {
    method,
    headers: {
      Authorization: `Bearer ${user}`,
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) };
}

/** One message as it was sent and confirmed. */
interface Acknowledged {
  user: string;
  tempId: string;
  /** Places in the order of everything that happened here: of the call, and of the confirmation. */
  invokedAt: number;
  acknowledgedAt: number;
  message: Message;
}

/** Users of one conversation who send, edit and delete all the time, each through a client of their own. */
export class Traffic {
  readonly users = Array.from({ length: 8 }, () => randomUUID());
  readonly acknowledged: Acknowledged[] = [];
  readonly errors: string[] = [];
  readonly handles: ConversationHandle[] = [];
  id = "";
  readonly #url: string;
  readonly #random: () => number;
  readonly #options: Partial<ChatClientOptions>;
  readonly #clients: ChatClient[] = [];
  /** Every state of a message that a socket ever brought, by any user: seq to the one thing it may say. */
  readonly #witnessed = new Map<number, string>();
  readonly #contradictions: string[] = [];
  /** Texts that confirmed edits and deletes left behind; null when deleted. */
  readonly #changed = new Map<number, string | null>();
  readonly #erased: string[] = [];
  #clock = 0;
  #isSending = true;
  #loops: Promise<void>[] = [];

  constructor(url: string, random: () => number, options: Partial<ChatClientOptions> = {}) {
    this.#url = url;
    this.#random = random;
    this.#options = options;
  }

  async start(): Promise<void> {
    const [creator = "", ...participant_ids] = this.users;
    const created = await rest<Conversation>(this.#url, creator, "POST", "/conversations", {
      type: "group",
      title: "Faults",
      participant_ids,
    });
    this.id = created.body.data.id;
    for (const user of this.users) this.#loops.push(this.#send(user, this.join(user)));
  }

  /** Another client of this user. */
  join(user: string): ConversationHandle {
    const chat = new ChatClient({
      url: this.#url,
      token: () => user,
      reconnect: { firstMs: 100, maxMs: 1_000 },
      WebSocket: this.#tapped(),
      ...this.#options,
    });
    chat.onError((error) => this.errors.push(`${error.code} ${error.message}`));
    chat.connect();
    const handle = chat.joinConversation(this.id);
    this.#clients.push(chat);
    this.handles.push(handle);
    return handle;
  }

  /** Lets everybody finish what they have begun: resolves when every send is acknowledged. */
  async finish(): Promise<void> {
    this.#isSending = false;
    await Promise.all(this.#loops);
  }

  disconnect(): void {
    for (const chat of this.#clients) chat.disconnect();
  }

  async #send(user: string, handle: ConversationHandle): Promise<void> {
    const pending: Promise<void>[] = [];
    for (let n = 0; this.#isSending; n += 1) {
      const tempId = `${user.slice(0, 8)}-${n}`;
      const invokedAt = this.#tick();
      pending.push(
        handle.send({ text: textOf(tempId) }, { tempId }).then((message) => {
          this.acknowledged.push({ user, tempId, invokedAt, acknowledgedAt: this.#tick(), message });
          return this.#change(handle, message);
        }),
      );
      await sleep(100 + this.#random() * 100);
    }
    await Promise.all(pending);
  }

  async #change(handle: ConversationHandle, { id, temp_id }: Message): Promise<void> {
    const dice = this.#random();
    if (dice >= 0.12) return;
    const edited = `edited ${temp_id}`;
    if (dice < 0.08) {
      await handle.edit(id, { text: edited });
      this.#changed.set(id, edited);
    }
    if (dice >= 0.04) {
      await handle.delete(id);
      this.#changed.set(id, null);
      this.#erased.push(textOf(temp_id ?? ""), edited);
    }
  }

  #tick(): number {
    this.#clock += 1;
    return this.#clock;
  }

  /** Sockets that note what the server says before any client code has looked at it. */
  #tapped(): typeof WebSocket {
    const witness = (message: Message) => this.#witness(message);
    return class extends WebSocket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols);
        this.addEventListener("message", ({ data }) => {
          if (data === "pong") return;
          for (const event of [JSON.parse(String(data))].flat()) {
            if (event.message) witness(event.message);
            for (const message of event.messages ?? []) witness(message);
          }
        });
      }
    };
  }

  #witness(message: Message): void {
    const text = JSON.stringify(message);
    const known = this.#witnessed.get(message.seq);
    if (known !== undefined && known !== text)
      this.#contradictions.push(`seq ${message.seq}: ${known} and ${text}`);
    this.#witnessed.set(message.seq, text);
  }

  /** Every message, page by page over REST, as the object tells it from its log. */
  async history(): Promise<Message[]> {
    const all: Message[] = [];
    for (;;) {
      const path = `/conversations/${this.id}/messages/since/${all.at(-1)?.id ?? 0}?limit=100`;
      const { body } = await rest<Message[]>(this.#url, this.users[0] ?? "", "GET", path);
      all.push(...body.data);
      if (!body.has_more) return all;
    }
  }

  /** The promises of the service, checked once everything is quiet and drained. */
  async check(databaseUrl: string): Promise<void> {
    const log = await this.history();
    expect(log.map(({ id }) => id)).toEqual(Array.from({ length: log.length }, (_, n) => n + 1));
    this.#checkAcknowledged(log);
    this.#checkOrder();
    this.#checkWitnesses(log);
    await this.#checkRepeats(log);
    await this.#checkClients(log);
    expect(await this.history()).toEqual(log);
    expect(await postgresOf(databaseUrl, this.id)).toEqual(log.map(pick));
  }

  /** Each acknowledged message is there, once, as it was left; and nothing else is. */
  #checkAcknowledged(log: Message[]): void {
    const expected = this.acknowledged
      .toSorted((a, b) => a.message.id - b.message.id)
      .map(({ user, tempId, message: { id, created_at } }) => {
        const changed = this.#changed.get(id);
        const text = changed === undefined ? textOf(tempId) : changed;
        return { id, sender_id: user, temp_id: tempId, created_at, body: text === null ? null : { text } };
      });
    expect(
      log.map(({ id, sender_id, temp_id, created_at, body }) => ({
        id,
        sender_id,
        temp_id,
        created_at,
        body,
      })),
    ).toEqual(expected);
    for (const { id, deleted_at, edited_at } of log) {
      const changed = this.#changed.get(id);
      expect(deleted_at !== null, `deletion of ${id}`).toBe(changed === null);
      if (typeof changed === "string") expect(edited_at).not.toBeNull();
    }
    const everything = JSON.stringify(log);
    for (const text of this.#erased) expect(everything).not.toContain(`"${text}"`);
  }

  /** What was acknowledged before another was sent stands before it; nobody's own messages change places. */
  #checkOrder(): void {
    const steps = this.acknowledged
      .flatMap((sent) => [
        { at: sent.invokedAt, id: sent.message.id, isCall: true },
        { at: sent.acknowledgedAt, id: sent.message.id, isCall: false },
      ])
      .sort((a, b) => a.at - b.at);
    let newest = 0;
    for (const { id, isCall } of steps) {
      if (isCall) expect(id).toBeGreaterThan(newest);
      else newest = Math.max(newest, id);
    }
    for (const user of this.users) {
      const own = this.acknowledged.filter((sent) => sent.user === user);
      const ids = own.sort((a, b) => a.invokedAt - b.invokedAt).map(({ message }) => message.id);
      expect(ids).toEqual(ids.toSorted((a, b) => a - b));
    }
  }

  /** Nobody was ever told anything else than everybody else, or anything that is not in the log now. */
  #checkWitnesses(log: Message[]): void {
    expect(this.#contradictions).toEqual([]);
    const bySeq = new Map(log.map((message) => [message.seq, JSON.stringify(message)]));
    const byId = new Map(log.map((message) => [message.id, message]));
    for (const [seq, text] of this.#witnessed) {
      const seen: Message = JSON.parse(text);
      const now = byId.get(seen.id);
      expect(now).toMatchObject({ sender_id: seen.sender_id, temp_id: seen.temp_id });
      expect(now?.seq).toBeGreaterThanOrEqual(seq);
      if (bySeq.has(seq)) expect(text).toBe(bySeq.get(seq));
    }
    expect(this.#witnessed.size).toBeGreaterThanOrEqual(log.length);
  }

  /** Sent again, a message is the one it was. */
  async #checkRepeats(log: Message[]): Promise<void> {
    for (const { user, tempId, message } of this.acknowledged.filter((_, n) => n % 25 === 0)) {
      const again = await rest<Message>(this.#url, user, "POST", `/conversations/${this.id}/messages`, {
        temp_id: tempId,
        body: { text: "again" },
      });
      expect(again.status).toBe(200);
      expect(again.body.data).toEqual(log[message.id - 1]);
    }
  }

  /** Every client that is still connected shows the end of the log, and nothing beside it. */
  async #checkClients(log: Message[]): Promise<void> {
    for (const { state: first, getState } of this.handles) {
      if (first.status === "disconnected") continue;
      await until(() => getState().status === "live" && getState().last_message_id === log.length);
      const { messages, pending } = getState();
      expect(messages.length).toBeGreaterThan(0);
      expect(messages).toEqual(log.slice(-messages.length));
      expect(pending).toEqual([]);
    }
  }
}

const textOf = (tempId: string): string => `${tempId} 안녕`;

/** Waits until Postgres has as many messages as were sent, by itself, and every change of them. */
export async function untilDrained(databaseUrl: string, traffic: Traffic, newestSeq: number): Promise<void> {
  const client = new pg.Client(databaseUrl);
  await client.connect();
  try {
    await until(async () => {
      const { rows } = await client.query(
        `select conversations.seq::int as seq, (select count(*)::int from messages where conversation_id = $1) as count
         from conversations where id = $1`,
        [traffic.id],
      );
      return rows[0].seq >= newestSeq && rows[0].count === traffic.acknowledged.length;
    });
  } finally {
    await client.end();
  }
}

type Row = Pick<
  Message,
  | "id"
  | "seq"
  | "sender_id"
  | "temp_id"
  | "type"
  | "body"
  | "reply_to_id"
  | "created_at"
  | "edited_at"
  | "deleted_at"
>;

const pick = (message: Message): Row => {
  const { id, seq, sender_id, temp_id, type, body, reply_to_id, created_at, edited_at, deleted_at } = message;
  return { id, seq, sender_id, temp_id, type, body, reply_to_id, created_at, edited_at, deleted_at };
};

async function postgresOf(databaseUrl: string, id: string): Promise<Row[]> {
  const client = new pg.Client(databaseUrl);
  await client.connect();
  try {
    const { rows } = await client.query(
      `select id::int, seq::int, sender_id, temp_id, type, body, reply_to_id::int, created_at, edited_at, deleted_at
       from messages where conversation_id = $1 order by id`,
      [id],
    );
    const iso = (time: Date | null): string | null => time?.toISOString() ?? null;
    return rows.map((row) => ({
      ...row,
      created_at: row.created_at.toISOString(),
      edited_at: iso(row.edited_at),
      deleted_at: iso(row.deleted_at),
    }));
  } finally {
    await client.end();
  }
}

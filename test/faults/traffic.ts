import { randomUUID } from "node:crypto";
import pg from "pg";
import { expect } from "vitest";
import { ChatClient, type ConversationHandle } from "../../client/index.ts";
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
): Promise<{ status: number; body: { data: T; has_more: boolean } }> {
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

interface Acknowledged {
  user: string;
  tempId: string;
  message: Message;
}

/** Users of one conversation who send, edit and delete all the time, each through a client of their own. */
export class Traffic {
  readonly users = Array.from({ length: 6 }, () => randomUUID());
  readonly acknowledged: Acknowledged[] = [];
  readonly deleted = new Map<number, string>();
  readonly errors: string[] = [];
  readonly #url: string;
  readonly #random: () => number;
  readonly #clients: ChatClient[] = [];
  readonly handles: ConversationHandle[] = [];
  id = "";
  #isSending = true;
  #loops: Promise<void>[] = [];

  constructor(url: string, random: () => number) {
    this.#url = url;
    this.#random = random;
  }

  async start(): Promise<void> {
    const [creator = "", ...participant_ids] = this.users;
    const created = await rest<Conversation>(this.#url, creator, "POST", "/conversations", {
      type: "group",
      title: "Faults",
      participant_ids,
    });
    this.id = created.body.data.id;
    for (const user of this.users) {
      const chat = new ChatClient({
        url: this.#url,
        token: () => user,
        reconnect: { firstMs: 100, maxMs: 1_000 },
      });
      chat.onError((error) => this.errors.push(`${error.code} ${error.message}`));
      chat.connect();
      const handle = chat.joinConversation(this.id);
      this.#clients.push(chat);
      this.handles.push(handle);
      this.#loops.push(this.#send(user, handle));
    }
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
      pending.push(
        handle.send({ text: `${tempId} 안녕` }, { tempId }).then((message) => {
          this.acknowledged.push({ user, tempId, message });
          return this.#change(user, handle, message);
        }),
      );
      await sleep(60 + this.#random() * 80);
    }
    await Promise.all(pending);
  }

  async #change(user: string, handle: ConversationHandle, message: Message): Promise<void> {
    const dice = this.#random();
    if (dice < 0.05) await handle.edit(message.id, { text: `edited by ${user}` });
    else if (dice < 0.1) {
      await handle.delete(message.id);
      this.deleted.set(message.id, message.body?.text ?? "");
    }
  }

  /** Every message, page by page over REST. */
  async history(): Promise<Message[]> {
    const all: Message[] = [];
    for (;;) {
      const path = `/conversations/${this.id}/messages/since/${all.at(-1)?.id ?? 0}?limit=100`;
      const { body } = await rest<Message[]>(this.#url, this.users[0] ?? "", "GET", path);
      all.push(...body.data);
      if (!body.has_more) return all;
    }
  }

  /** The promises of the service, checked once everything is quiet. */
  async check(databaseUrl: string): Promise<void> {
    const log = await this.history();
    const byId = new Map(log.map((message) => [message.id, message]));
    expect(log.map(({ id }) => id)).toEqual(Array.from({ length: log.length }, (_, n) => n + 1));
    expect(new Set(log.map(({ sender_id, temp_id }) => `${sender_id} ${temp_id}`)).size).toBe(log.length);
    expect(this.acknowledged.length).toBe(log.length);
    for (const { user, tempId, message } of this.acknowledged) {
      expect(byId.get(message.id)).toMatchObject({
        sender_id: user,
        temp_id: tempId,
        created_at: message.created_at,
      });
    }
    for (const [id, text] of this.deleted) {
      expect(byId.get(id)?.body).toBeNull();
      expect(JSON.stringify(log)).not.toContain(`"${text}"`);
    }
    for (const { user, tempId, message } of this.acknowledged.filter((_, n) => n % 25 === 0)) {
      const again = await rest<Message>(this.#url, user, "POST", `/conversations/${this.id}/messages`, {
        temp_id: tempId,
        body: { text: "again" },
      });
      expect([again.status, again.body.data.id]).toEqual([200, message.id]);
    }
    for (const handle of this.handles) {
      await until(() => handle.state.status === "live" && handle.state.last_message_id === log.length);
      const shown = handle.state.messages;
      expect(shown.length).toBeGreaterThan(0);
      expect(shown).toEqual(log.slice(-shown.length));
      expect(handle.state.pending).toEqual([]);
    }
    await this.#checkPostgres(databaseUrl, log);
  }

  async #checkPostgres(databaseUrl: string, log: Message[]): Promise<void> {
    const client = new pg.Client(databaseUrl);
    await client.connect();
    try {
      const newest = Math.max(...log.map(({ seq }) => seq));
      await until(async () => {
        const { rows } = await client.query("select seq::int from conversations where id = $1", [this.id]);
        return rows[0].seq >= newest;
      });
      const { rows } = await client.query(
        "select id::int, seq::int, sender_id, temp_id, body, edited_at, deleted_at from messages where conversation_id = $1 order by id",
        [this.id],
      );
      const time = (value: Date | null): string | null => value?.toISOString() ?? null;
      expect(
        rows.map((row) => ({ ...row, edited_at: time(row.edited_at), deleted_at: time(row.deleted_at) })),
      ).toEqual(
        log.map(({ id, seq, sender_id, temp_id, body, edited_at, deleted_at }) => ({
          id,
          seq,
          sender_id,
          temp_id,
          body,
          edited_at,
          deleted_at,
        })),
      );
    } finally {
      await client.end();
    }
  }
}

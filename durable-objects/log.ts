import type { StoredMessage } from "../db/messages.ts";
import type { Message, Reaction } from "../protocol/entities.ts";

/** What the log needs of SQLite: the platform's `SqlStorage`, or anything that behaves like it. */
export interface Sql {
  exec<T extends Record<string, string | number | null>>(
    query: string,
    ...bindings: unknown[]
  ): { toArray(): T[] } & Iterable<T>;
}

/** Position up to which Postgres has everything. `messageId` is the newest message created at or before `seq`. */
export interface DrainCursor {
  seq: number;
  messageId: number;
}

/** Ids in one binding, which may have 2 MB. */
const RECALLED_IDS = 50_000;

type MessageRow = {
  id: number;
  seq: number;
  created_seq: number;
  sender_id: string;
  temp_id: string | null;
  type: "user" | "system";
  body: string | null;
  reply_to_id: number | null;
  created_at: number;
  edited_at: number | null;
  deleted_at: number | null;
  reactions: string | null;
};

/**
 * The messages of one conversation in the object's SQLite, complete from `floor` to the head.
 *
 * A message costs two rows written: itself and its (sender, temp_id). Nothing else is indexed. New messages
 * are found by id, because ids and creation seqs rise together; only a message that was changed afterwards
 * enters the partial index on seq.
 */
export class Log {
  readonly #sql: Sql;
  readonly #conversationId: string;
  #cursor: DrainCursor | null = null;
  #storedSeq = 0;

  constructor(sql: Sql, conversationId: string) {
    this.#sql = sql;
    this.#conversationId = conversationId;
  }

  static createTables(sql: Sql): void {
    sql.exec(`create table if not exists messages (
      id integer primary key, seq integer not null, created_seq integer not null, sender_id text not null,
      temp_id text, type text not null, body text, reply_to_id integer, created_at integer not null,
      edited_at integer, deleted_at integer, reactions text)`);
    sql.exec(`create unique index if not exists messages_temp_id on messages (sender_id, temp_id)`);
    sql.exec(`create index if not exists messages_changed on messages (seq) where seq <> created_seq`);
    sql.exec(`create index if not exists messages_uncounted on messages (id)
      where deleted_at is not null or type <> 'user'`);
    // Ids below the floor that nobody has to read: of messages that only Postgres holds.
    sql.exec("create table if not exists uncounted_below (id integer primary key)");
    sql.exec(
      `create table if not exists drain (id integer primary key check (id = 1), seq integer, message_id integer)`,
    );
    sql.exec(`create table if not exists poison (message_id integer, seq integer, error text, at integer,
      primary key (message_id, seq))`);
  }

  /** Brings tables that an earlier version made to what {@link createTables} makes today. */
  static upgradeTables(sql: Sql): void {
    if (!tableText(sql).includes("reactions")) sql.exec("alter table messages add column reactions text");
    Log.createTables(sql);
  }

  /** Newest message id; 0 when there is none. */
  head(): number {
    return this.#number("select max(id) as n from messages");
  }

  /** Newest seq of any message. */
  newestSeq(): number {
    const created = this.#number("select created_seq as n from messages order by id desc limit 1");
    return Math.max(created, this.#number("select max(seq) as n from messages where seq <> created_seq"));
  }

  /** Stores a new message. False, and nothing stored, when its (sender, temp_id) already made one. */
  append(message: Message): boolean {
    return this.#insert({ message, createdSeq: message.seq });
  }

  /** Keeps a message that Postgres already has. */
  recall(stored: StoredMessage): void {
    this.#insert(stored);
  }

  /** Replaces all of a stored message that can change. */
  change(message: Message): void {
    this.#sql.exec(
      "update messages set seq = ?, body = ?, edited_at = ?, deleted_at = ?, reactions = ? where id = ?",
      message.seq,
      message.body === null ? null : JSON.stringify(message.body),
      millis(message.edited_at),
      millis(message.deleted_at),
      reactionsText(message.reactions),
      message.id,
    );
  }

  get(id: number): Message | null {
    return this.#messages("where id = ?", id)[0] ?? null;
  }

  byTempId(senderId: string, tempId: string): Message | null {
    return this.#messages("where sender_id = ? and temp_id = ?", senderId, tempId)[0] ?? null;
  }

  /** The newest messages from `floor` on and below `beforeId`, ids ascending. */
  pageBefore(beforeId: number, floor: number, limit: number): Message[] {
    return this.#messages(
      "where id < ? and id >= ? order by id desc limit ?",
      beforeId,
      floor,
      limit,
    ).reverse();
  }

  /** The messages above `afterId`, ids ascending. */
  pageAfter(afterId: number, limit: number): Message[] {
    return this.#messages("where id > ? order by id limit ?", afterId, limit);
  }

  /**
   * Messages created or changed after `since`, in their current state, by seq; null when their bodies exceed
   * `maxCharacters`.
   *
   * @param newest the conversation's newest seq; each message took one, so all created after `since` are
   *               among the last `newest - since` ids
   */
  changedSince(since: number, newest: number, maxCharacters: number): StoredMessage[] | null {
    const created = this.#storedWithin(
      maxCharacters,
      "where id > ? and created_seq > ? order by id",
      this.head() - (newest - since),
      since,
    );
    const changed = this.#storedWithin(
      maxCharacters,
      "where seq <> created_seq and seq > ? and created_seq <= ?",
      since,
      since,
    );
    if (!created.isWhole || !changed.isWhole) return null;
    return [...created.rows, ...changed.rows].sort((a, b) => a.message.seq - b.message.seq);
  }

  /**
   * The next messages to drain after the cursor, and the cursor that writing them leads to: at most `limit`,
   * and no more after their bodies exceed `maxCharacters`.
   */
  undrained(
    cursor: DrainCursor,
    limit: number,
    maxCharacters: number,
  ): { messages: StoredMessage[]; next: DrainCursor } {
    const created = this.#storedWithin(
      maxCharacters,
      "where id > ? order by id limit ?",
      cursor.messageId,
      limit,
    );
    const changed = this.#storedWithin(
      maxCharacters,
      "where seq <> created_seq and seq > ? order by seq limit ?",
      cursor.seq,
      limit,
    );
    // What one list left out may come before what the other has: only up to where both are complete is certain.
    const horizon = Math.min(
      created.isWhole ? Number.POSITIVE_INFINITY : (created.rows.at(-1)?.createdSeq ?? 0),
      changed.isWhole ? Number.POSITIVE_INFINITY : (changed.rows.at(-1)?.message.seq ?? 0),
    );
    // A message stands once under the seq it was created with and, if changed, once under its newest.
    const steps = [
      ...created.rows.map((stored) => ({ at: stored.createdSeq, stored, messageId: stored.message.id })),
      ...changed.rows.map((stored) => ({ at: stored.message.seq, stored, messageId: 0 })),
    ]
      .filter(({ at }) => at <= horizon)
      .sort((a, b) => a.at - b.at)
      .slice(0, limit);
    return {
      messages: [...new Map(steps.map(({ stored }) => [stored.message.id, stored])).values()],
      next: {
        seq: steps.at(-1)?.at ?? cursor.seq,
        messageId: Math.max(cursor.messageId, ...steps.map(({ messageId }) => messageId)),
      },
    };
  }

  /** The newest message that Postgres has in its current state; null when the log knows none. */
  newestDrained({ seq, messageId }: DrainCursor): StoredMessage | null {
    const where = `where id <= ? and seq <= ? and id not in (select message_id from poison)
                   order by id desc limit 1`;
    return this.#stored(where, messageId, seq)[0] ?? null;
  }

  /**
   * Every message that Postgres does not have in its current state: new, changed, or refused by it; null if there are more
   * than `limit`, or they exceed `maxCharacters`.
   */
  allUndrained({ seq, messageId }: DrainCursor, limit: number, maxCharacters: number): Message[] | null {
    if (this.head() - messageId > limit) return null;
    const found = [
      this.#storedWithin(maxCharacters, "where id > ? order by id", messageId),
      this.#storedWithin(
        maxCharacters,
        "where seq <> created_seq and seq > ? and id <= ? limit ?",
        seq,
        messageId,
        limit + 1,
      ),
      this.#storedWithin(maxCharacters, "where id in (select message_id from poison) limit ?", limit + 1),
    ];
    if (found.some(({ rows, isWhole }) => !isWhole || rows.length > limit)) return null;
    const messages = found.flatMap(({ rows }) => rows.map(({ message }) => message));
    return [...new Map(messages.map((message) => [message.id, message])).values()];
  }

  /** Changed messages below `floor` that Postgres does not have in this state yet. */
  undrainedBelow(floor: number, cursor: DrainCursor): Message[] {
    return this.#messages("where seq <> created_seq and seq > ? and id < ?", cursor.seq, floor);
  }

  /** How far the drain has come. */
  readCursor(): DrainCursor {
    this.#cursor ??= this.#storedCursor();
    return this.#cursor;
  }

  /** Moves the cursor, in memory. */
  moveCursor(cursor: DrainCursor): void {
    this.#cursor = cursor;
  }

  /** How many changes the stored cursor is behind: what another instance would drain once more. */
  get cursorLag(): number {
    return this.readCursor().seq - this.#storedSeq;
  }

  /** Stores the cursor. */
  saveCursor(): void {
    const { seq, messageId } = this.readCursor();
    this.#sql.exec("insert or replace into drain values (1, ?, ?)", seq, messageId);
    this.#storedSeq = seq;
  }

  #storedCursor(): DrainCursor {
    const row = this.#sql
      .exec<{ seq: number; message_id: number }>("select seq, message_id from drain")
      .toArray()[0];
    this.#storedSeq = row?.seq ?? 0;
    return { seq: this.#storedSeq, messageId: row?.message_id ?? 0 };
  }

  addPoison(message: Message, error: string, at: number): void {
    this.#sql.exec("insert or replace into poison values (?, ?, ?, ?)", message.id, message.seq, error, at);
  }

  /** Messages that Postgres refused for their content. */
  poison(): Array<{ message_id: number; seq: number; error: string; at: number }> {
    return this.#sql
      .exec<{ message_id: number; seq: number; error: string; at: number }>("select * from poison")
      .toArray();
  }

  /** The newest message of each user among those that Postgres does not have. */
  newestSentAfter({ messageId }: DrainCursor): Array<{ userId: string; id: number }> {
    return this.#sql
      .exec<{ userId: string; id: number }>(
        `select sender_id as userId, max(id) as id from messages where id > ? and type = 'user' group by sender_id`,
        messageId,
      )
      .toArray();
  }

  /** Newest id above `afterId` that the user sent; `afterId` when there is none. */
  newestSentBy(userId: string, afterId: number): number {
    // The plus keeps SQLite from the index on senders, which has no order by id.
    const query = "select max(id) as n from messages where id > ? and +sender_id = ? and type = 'user'";
    return Math.max(afterId, this.#number(query, afterId, userId));
  }

  /** Whether its tables lack what {@link createTables} makes today. */
  isOld(): boolean {
    const names = "'messages_uncounted', 'uncounted_below'";
    const found = this.#number(`select count(*) as n from sqlite_master where name in (${names})`);
    return found < 2 || !tableText(this.#sql).includes("reactions");
  }

  /** Keeps which messages below the floor nobody has to read. */
  recallUncounted(ids: readonly number[]): void {
    for (let start = 0; start < ids.length; start += RECALLED_IDS) {
      const some = JSON.stringify(ids.slice(start, start + RECALLED_IDS));
      this.#sql.exec("insert or ignore into uncounted_below select value from json_each(?)", some);
    }
  }

  /** Messages of users after `afterId` that are not deleted, up to `head`. Counts the others: they are few. */
  countFrom(afterId: number, head: number): number {
    const uncounted = this.#number(
      `select (select count(*) from messages where id > ?1 and (deleted_at is not null or type <> 'user'))
            + (select count(*) from uncounted_below where id > ?1) as n`,
      afterId,
    );
    return Math.max(0, head - afterId) - uncounted;
  }

  #insert({ message, createdSeq }: StoredMessage): boolean {
    return (
      this.#sql
        .exec(
          `insert into messages values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
           on conflict do nothing returning id`,
          message.id,
          message.seq,
          createdSeq,
          message.sender_id,
          message.temp_id,
          message.type,
          message.body === null ? null : JSON.stringify(message.body),
          message.reply_to_id,
          Date.parse(message.created_at),
          millis(message.edited_at),
          millis(message.deleted_at),
          reactionsText(message.reactions),
        )
        .toArray().length > 0
    );
  }

  /** Rows until their bodies exceed `maxCharacters`; at least one. Reads no further, so that memory is bounded. */
  #storedWithin(
    maxCharacters: number,
    where: string,
    ...bindings: unknown[]
  ): { rows: StoredMessage[]; isWhole: boolean } {
    const rows: StoredMessage[] = [];
    let characters = 0;
    for (const row of this.#sql.exec<MessageRow>(`select * from messages ${where}`, ...bindings)) {
      characters += (row.body?.length ?? 0) + (row.reactions?.length ?? 0);
      if (rows.length > 0 && characters > maxCharacters) return { rows, isWhole: false };
      rows.push({ createdSeq: row.created_seq, message: this.#toMessage(row) });
    }
    return { rows, isWhole: true };
  }

  #stored(where: string, ...bindings: unknown[]): StoredMessage[] {
    return this.#sql
      .exec<MessageRow>(`select * from messages ${where}`, ...bindings)
      .toArray()
      .map((row) => ({ createdSeq: row.created_seq, message: this.#toMessage(row) }));
  }

  #messages(where: string, ...bindings: unknown[]): Message[] {
    return this.#stored(where, ...bindings).map(({ message }) => message);
  }

  #number(query: string, ...bindings: unknown[]): number {
    return this.#sql.exec<{ n: number | null }>(query, ...bindings).toArray()[0]?.n ?? 0;
  }

  #toMessage(row: MessageRow): Message {
    return {
      id: row.id,
      conversation_id: this.#conversationId,
      sender_id: row.sender_id,
      temp_id: row.temp_id,
      type: row.type,
      body: row.body === null ? null : JSON.parse(row.body),
      reply_to_id: row.reply_to_id,
      reactions: row.reactions === null ? [] : (JSON.parse(row.reactions) as Reaction[]),
      created_at: new Date(row.created_at).toISOString(),
      edited_at: isoOrNull(row.edited_at),
      deleted_at: isoOrNull(row.deleted_at),
      seq: row.seq,
    };
  }
}

function tableText(sql: Sql): string {
  const query = "select sql from sqlite_master where name = 'messages'";
  return sql.exec<{ sql: string }>(query).toArray()[0]?.sql ?? "";
}

const reactionsText = (reactions: readonly Reaction[]): string | null =>
  reactions.length === 0 ? null : JSON.stringify(reactions);
const millis = (time: string | null): number | null => (time === null ? null : Date.parse(time));
const isoOrNull = (time: number | null): string | null =>
  time === null ? null : new Date(time).toISOString();

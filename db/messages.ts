import { and, asc, desc, eq, getTableColumns, gt, gte, inArray, lt, sql } from "drizzle-orm";
import type { Message, MessageBody } from "../protocol/entities.ts";
import { type Database, isoTime, isoTimeOrNull } from "./client.ts";
import { messages, poisonMessages } from "./schema.ts";
import { indexedBigrams, searchColumns } from "./search-index.ts";

/** What a message is made of: all but what only search needs, which is larger than the message. */
const { searchText: _, bigrams: __, ...messageColumns } = getTableColumns(messages);

/** A message with what the log keeps beside the entity: the `seq` it was created with. */
export interface StoredMessage {
  message: Message;
  createdSeq: number;
}

export interface PageRange {
  conversationId: string;
  /** Only ids below this. */
  beforeId?: number | undefined;
  /** Only ids above this. */
  afterId?: number | undefined;
  /** Only this id and what comes after it: where what the reader may see begins. */
  fromId?: number | undefined;
  limit: number;
}

/** Ids ascending after `afterId`; without it, the newest below `beforeId`, descending. */
export function messagePageQuery(
  db: Database,
  { conversationId, beforeId, afterId, fromId, limit }: PageRange,
) {
  const range = and(
    eq(messages.conversationId, conversationId),
    beforeId === undefined ? undefined : lt(messages.id, beforeId),
    afterId === undefined ? undefined : gt(messages.id, afterId),
    fromId === undefined ? undefined : gte(messages.id, fromId),
  );
  return db
    .select(messageColumns)
    .from(messages)
    .where(range)
    .orderBy(afterId === undefined ? desc(messages.id) : asc(messages.id))
    .limit(limit);
}

/** A page as entities, ids ascending. */
export async function readMessagePage(db: Database, range: PageRange): Promise<Message[]> {
  const page = (await messagePageQuery(db, range)).map((row) => toStored(row).message);
  return range.afterId === undefined ? page.reverse() : page;
}

/** The newest messages below `beforeId`, ids ascending: what an object with empty storage starts from. */
export async function readNewest(
  db: Database,
  conversationId: string,
  limit: number,
  beforeId?: number,
): Promise<StoredMessage[]> {
  return (await messagePageQuery(db, { conversationId, beforeId, limit })).map(toStored).reverse();
}

export function messagesByTempIdQuery(
  db: Database,
  conversationId: string,
  keys: ReadonlyArray<{ sender_id: string; temp_id: string }>,
) {
  return db
    .select(messageColumns)
    .from(messages)
    .where(
      and(
        eq(messages.conversationId, conversationId),
        inArray(
          sql`(${messages.senderId}, ${messages.tempId})`,
          keys.map(({ sender_id, temp_id }) => sql`(${sender_id}, ${temp_id})`),
        ),
      ),
    );
}

/** Messages that one of the given (sender, temp_id) already made. */
export async function readByTempIds(
  db: Database,
  conversationId: string,
  keys: ReadonlyArray<{ sender_id: string; temp_id: string }>,
): Promise<StoredMessage[]> {
  return (await messagesByTempIdQuery(db, conversationId, keys)).map(toStored);
}

/** Ids below `beforeId` of messages that nobody has to read: deleted ones, and those that no user wrote. */
export async function readUncounted(
  db: Database,
  conversationId: string,
  beforeId: number,
): Promise<number[]> {
  const { rows } = await db.execute<{ id: string }>(sql`
    select id from messages where conversation_id = ${conversationId}::uuid and id < ${beforeId}
      and (deleted_at is not null or type <> 'user')`);
  return rows.map(({ id }) => Number(id));
}

/** Messages by id; unknown ids are left out. */
export async function readByIds(
  db: Database,
  conversationId: string,
  ids: number[],
): Promise<StoredMessage[]> {
  const rows = await db
    .select(messageColumns)
    .from(messages)
    .where(and(eq(messages.conversationId, conversationId), inArray(messages.id, ids)));
  return rows.map(toStored);
}

/** What a drain writes: the current state of the messages that changed, and the head they lead up to. */
export interface DrainBatch {
  conversationId: string;
  messages: StoredMessage[];
  /** Newest `seq` in the batch or before it. */
  seq: number;
  /** Positions of participants that only the object knows. */
  participants: readonly DrainedParticipant[];
}

/** How far somebody has read, and from where on they may see the conversation. */
export interface DrainedParticipant {
  user_id: string;
  /** Tells this time of taking part from an earlier or a later one. */
  joined_at: string;
  last_read_id: number;
  visible_from_id: number;
}

/**
 * Writes a batch as one transaction: all of it or nothing. Repeating it changes nothing, and an older
 * state never overwrites a newer one, so a drain whose reply was lost is simply sent again.
 */
export async function writeDrainBatch(db: Database, batch: DrainBatch): Promise<void> {
  const rows = JSON.stringify(
    batch.messages.map(({ message, createdSeq }) => ({
      ...message,
      created_seq: createdSeq,
      ...searchColumns(message.body?.text),
    })),
  );
  const head = Math.max(0, ...batch.messages.map(({ message }) => message.id));
  const newest = batch.messages.find(({ message }) => message.id === head);
  const senders = JSON.stringify(
    batch.messages.map(({ message: { id, sender_id, type } }) => ({ id, sender_id, type })),
  );
  const positions = JSON.stringify(
    batch.participants.map(({ user_id, joined_at, last_read_id, visible_from_id }) => ({
      user_id,
      joined_at,
      last_read_id,
      visible_from_id,
    })),
  );
  await db.batch([
    db.execute(sql`
      update participants p
      set last_read_id = greatest(p.last_read_id, r.last_read_id),
          visible_from_id = coalesce(p.visible_from_id, r.visible_from_id)
      from jsonb_to_recordset(${positions}::jsonb) as r(user_id text, joined_at timestamptz, last_read_id bigint,
        visible_from_id bigint)
      where p.conversation_id = ${batch.conversationId}::uuid and p.user_id = r.user_id and p.joined_at = r.joined_at
        and (p.last_read_id < r.last_read_id or p.visible_from_id is null)`),
    db.execute(sql`
      insert into messages as m (conversation_id, id, seq, created_seq, sender_id, temp_id, type, body,
                                 reply_to_id, reactions, created_at, edited_at, deleted_at, search_text, bigrams)
      select ${batch.conversationId}::uuid, r.id, r.seq, r.created_seq, r.sender_id, r.temp_id, r.type,
             nullif(r.body, 'null'::jsonb), r.reply_to_id, r.reactions, r.created_at, r.edited_at, r.deleted_at,
             r.search_text,
             case when r.bigrams is not null
                  then ${indexedBigrams(sql`${batch.conversationId}::uuid`, sql`r.id`, sql`r.bigrams`)} end
      from jsonb_to_recordset(${rows}::jsonb) as r(id bigint, seq bigint, created_seq bigint, sender_id text,
        temp_id text, type text, body jsonb, reply_to_id bigint, reactions jsonb, created_at timestamptz, edited_at timestamptz,
        deleted_at timestamptz, search_text text, bigrams bigint[])
      on conflict (conversation_id, id) do update
        set seq = excluded.seq, body = excluded.body, reactions = excluded.reactions, edited_at = excluded.edited_at, deleted_at = excluded.deleted_at,
            search_text = excluded.search_text, bigrams = excluded.bigrams
        where m.seq < excluded.seq`),
    db.execute(sql`
      update participants p set last_read_id = r.id
      from (select x.sender_id, max(x.id) as id
            from jsonb_to_recordset(${senders}::jsonb) as x(sender_id text, id bigint, type text)
            where x.type = 'user' group by x.sender_id) r
      where p.conversation_id = ${batch.conversationId}::uuid and p.user_id = r.sender_id and p.last_read_id < r.id`),
    db.execute(sql`
      update conversations
      set seq = greatest(seq, ${batch.seq}),
          updated_at = case when ${head} > last_message_id
                            then greatest(updated_at, ${newest?.message.created_at ?? null}::timestamptz)
                            else updated_at end,
          last_message_id = greatest(last_message_id, ${head})
      where id = ${batch.conversationId}::uuid`),
  ]);
}

/** Records messages that Postgres refused for their content. */
export async function writePoison(
  db: Database,
  rows: ReadonlyArray<typeof poisonMessages.$inferInsert>,
): Promise<void> {
  await db
    .insert(poisonMessages)
    .values([...rows])
    .onConflictDoNothing();
}

function toStored(row: Omit<typeof messages.$inferSelect, "searchText" | "bigrams">): StoredMessage {
  return {
    createdSeq: row.createdSeq,
    message: {
      id: row.id,
      conversation_id: row.conversationId,
      sender_id: row.senderId,
      temp_id: row.tempId,
      type: row.type,
      body: row.body as MessageBody | null,
      reply_to_id: row.replyToId,
      reactions: row.reactions,
      created_at: isoTime(row.createdAt),
      edited_at: isoTimeOrNull(row.editedAt),
      deleted_at: isoTimeOrNull(row.deletedAt),
      seq: row.seq,
    },
  };
}

import { type SQL, sql } from "drizzle-orm";
import type { Message } from "../protocol/entities.ts";
import { bigrams, normaliseQuery } from "../protocol/search-text.ts";
import { type Database, isoTime, isoTimeOrNull } from "./client.ts";
import { BLOCK_IDS, blockBits } from "./search-index.ts";

/**
 * What is sought. A query in which no two characters stand together, such as a single one, has no bigrams: then messages
 * are read one by one, newest first, and only so many.
 */
export interface Sought {
  /** The query as texts are compared with it. */
  text: string;
  bigrams: number[];
}

/** Bigrams of a query that are looked up. All of them have to be there; a few say almost as much as many. */
const QUERY_BIGRAMS = 24;

export const toSought = (query: string): Sought => {
  const text = normaliseQuery(query);
  return { text, bigrams: bigrams(text).slice(0, QUERY_BIGRAMS) };
};

/** Ids of one conversation that one request looks through by index: about 10 ms of look-ups that find nothing. */
const INDEXED_IDS = 512 * BLOCK_IDS;
/** Messages that one request reads one by one, and how many of them at once. */
const READ_IDS = 4_096;
const READ_TOGETHER = 64;

/** Where in one conversation is looked. */
export interface SearchRange {
  conversationId: string;
  /** Only ids below this. */
  beforeId: number;
  /** Only this id and what comes after it: where what the reader may see begins. */
  fromId: number;
  /** Ids to pass over: what Postgres has of them is out of date. */
  superseded: readonly number[];
  limit: number;
}

/**
 * The lowest id that one request looks at. Below it, nothing is known of the conversation.
 *
 * @param conversations how many are searched together
 */
export function lowestLookedAt(
  sought: Sought,
  { beforeId, fromId }: Pick<SearchRange, "beforeId" | "fromId">,
  conversations = 1,
): number {
  const ids = sought.bigrams.length > 0 ? INDEXED_IDS : Math.ceil(READ_IDS / conversations);
  return Math.max(fromId, beforeId - ids);
}

/** Messages of one conversation that contain what is sought, newest first. */
export async function searchConversation(
  db: Database,
  sought: Sought,
  range: SearchRange,
): Promise<Message[]> {
  const [, found] = await db.batch([withoutJit(db), searchConversationQuery(db, sought, range)]);
  return found.rows.map(toMessage);
}

export function searchConversationQuery(db: Database, sought: Sought, range: SearchRange) {
  const hits = hitsIn(sought, {
    conversationId: sql`${range.conversationId}::uuid`,
    beforeId: sql`${range.beforeId}::bigint`,
    fromId: sql`${lowestLookedAt(sought, range)}::bigint`,
    superseded: sql`${arrayText(range.superseded)}::bigint[]`,
    limit: range.limit,
  });
  return db.execute<MessageRow>(sql`select h.* from (${hits}) h order by h.id desc`);
}

/** A conversation of the user, and its newest message that a search looks at. */
export interface SearchedConversation {
  id: string;
  newestId: number;
  /** null when there is none. */
  newestAt: string | null;
  /** Whether an object holds it that may know better. */
  isActivated: boolean;
  /** Whether it has just been written in, so that its object may have messages that Postgres does not. */
  isActive: boolean;
}

/** Place of a message among those of all conversations: by time, then conversation, then id. */
export interface MessagePosition {
  created_at: string;
  conversation_id: string;
  id: number;
}

/**
 * All conversations of a user, that with the newest message first.
 *
 * @param before only messages before this position are looked at; null for all
 */
export async function listSearched(
  db: Database,
  userId: string,
  before: MessagePosition | null,
): Promise<SearchedConversation[]> {
  const { rows } = await listSearchedQuery(db, userId, before);
  return rows.map((row) => ({
    id: row.id,
    newestId: Number(row.newest_id),
    newestAt: isoTimeOrNull(row.newest_at),
    isActivated: row.is_activated,
    isActive: row.is_active,
  }));
}

export function listSearchedQuery(db: Database, userId: string, before: MessagePosition | null) {
  const newest =
    before === null
      ? sql`select c.last_message_id as id, c.updated_at as at`
      : sql`
        select m.id, m.created_at as at from messages m
        where m.conversation_id = c.id and (m.created_at, m.id) < (${before.created_at}::timestamptz,
          case when c.id < ${before.conversation_id}::uuid then ${Number.MAX_SAFE_INTEGER}::bigint
               when c.id = ${before.conversation_id}::uuid then ${before.id}::bigint else 0 end)
        order by m.created_at desc, m.id desc limit 1`;
  return db.execute<{
    id: string;
    newest_id: string;
    newest_at: string | null;
    is_activated: boolean;
    is_active: boolean;
  }>(sql`
    select c.id, coalesce(newest.id, 0) as newest_id, newest.at as newest_at,
           c.activated_at is not null as is_activated,
           c.activated_at is not null and c.updated_at > now() - interval '1 minute' as is_active
    from participants p
    cross join lateral (${livingConversation(sql`p.conversation_id`)}) c
    left join lateral (${newest}) newest on true
    where p.user_id = ${userId}
    order by newest_at desc nulls last, c.id desc`);
}

/** One conversation of several that are searched together. */
export interface SearchedRange {
  conversationId: string;
  beforeId: number;
  /** The lowest id to look at; less if the reader may see less. */
  lowestId: number;
  /** Where what the reader may see begins, if the object said so; otherwise Postgres knows. */
  visibleFromId: number | null;
  superseded: readonly number[];
}

/** What a search of several conversations found. */
export interface FoundInSeveral {
  /** The newest hits of all of them, newest first. */
  messages: Message[];
  /** Where each conversation goes on that was not looked through: its newest message that was not looked at. */
  unseen: MessagePosition[];
}

/** Searches conversations of a user, as long as they take part. */
export async function searchSeveral(
  db: Database,
  sought: Sought,
  several: { userId: string; ranges: readonly SearchedRange[]; limit: number },
): Promise<FoundInSeveral> {
  const [, found, unseen] = await db.batch([
    withoutJit(db),
    searchSeveralQuery(db, sought, several),
    unseenQuery(db, several),
  ]);
  return {
    messages: found.rows.map(toMessage),
    unseen: unseen.rows.map((row) => ({
      conversation_id: row.conversation_id,
      id: Number(row.id),
      created_at: isoTime(row.created_at),
    })),
  };
}

export function searchSeveralQuery(
  db: Database,
  sought: Sought,
  { userId, ranges, limit }: Parameters<typeof searchSeveral>[2],
) {
  const hits = hitsIn(sought, {
    conversationId: sql`k.id`,
    beforeId: sql`k.before_id`,
    fromId: sql`greatest(k.lowest_id, coalesce(k.visible_from_id, p.visible_from_id))`,
    superseded: sql`k.superseded`,
    limit,
  });
  return db.execute<MessageRow>(sql`
    select h.* from ${rangeRows(ranges)}
    join participants p on p.conversation_id = k.id and p.user_id = ${userId}
    cross join lateral (${livingConversation(sql`k.id`)}) c
    cross join lateral (${hits}) h
    where coalesce(k.visible_from_id, p.visible_from_id) is not null
    order by h.created_at desc, h.conversation_id desc, h.id desc limit ${limit}`);
}

function unseenQuery(
  db: Database,
  { userId, ranges }: Pick<Parameters<typeof searchSeveral>[2], "userId" | "ranges">,
) {
  return db.execute<{ conversation_id: string; id: string; created_at: string }>(sql`
    select m.conversation_id, m.id, m.created_at from ${rangeRows(ranges.filter(({ lowestId }) => lowestId > 1))}
    join participants p on p.conversation_id = k.id and p.user_id = ${userId}
    join messages m on m.conversation_id = k.id and m.id = k.lowest_id - 1
    where m.id >= coalesce(k.visible_from_id, p.visible_from_id)`);
}

/** The messages at these positions that still contain what is sought, in their present state. */
export async function readAgain(
  db: Database,
  sought: Sought,
  positions: ReadonlyArray<Pick<MessagePosition, "conversation_id" | "id">>,
): Promise<Message[]> {
  const keys = positions.map(({ conversation_id, id }) => ({ conversation_id, id }));
  const { rows } = await db.execute<MessageRow>(sql`
    select ${COLUMNS} from jsonb_to_recordset(${JSON.stringify(keys)}::jsonb) as k(conversation_id uuid, id bigint)
    join messages m on m.conversation_id = k.conversation_id and m.id = k.id
    where strpos(m.search_text, ${sought.text}) > 0`);
  return rows.map(toMessage);
}

/**
 * Hits in one conversation, newest first, at most `limit`. Blocks of ids are looked through from the newest on until there are
 * enough, so that a frequent word costs no more than a rare one.
 */
function hitsIn(
  sought: Sought,
  range: { conversationId: SQL; beforeId: SQL; fromId: SQL; superseded: SQL; limit: number },
): SQL {
  const { conversationId, beforeId, fromId, superseded, limit } = range;
  const isIndexed = sought.bigrams.length > 0;
  const size = sql.raw(String(isIndexed ? BLOCK_IDS : READ_TOGETHER));
  const candidates = isIndexed
    ? sql`bigrams @> array(select ${blockBits(conversationId, sql`block.number`)} | g
                           from unnest(${arrayText(sought.bigrams)}::bigint[]) g)`
    : sql`conversation_id = ${conversationId} and id >= block.number * ${size} and id < (block.number + 1) * ${size}`;
  // `offset 0` keeps further conditions away from the look-up: with them, the planner would read the primary key's index for
  // the whole conversation, because it takes bigrams for more frequent than they are in their block.
  return sql`
    select b.* from generate_series((${beforeId} - 1) / ${size}, ${fromId} / ${size}, -1) as block(number)
    cross join lateral (
      select ${COLUMNS} from (select * from messages where ${candidates} offset 0) m
      where m.conversation_id = ${conversationId} and m.id < ${beforeId} and m.id >= ${fromId}
        and strpos(m.search_text, ${sought.text}) > 0 and m.id <> all(${superseded})
      order by m.id desc limit ${limit}) b
    limit ${limit}`;
}

/** The conversation of this id unless it was deleted; `offset 0` has it looked up instead of all of them read. */
const livingConversation = (id: SQL): SQL =>
  sql`select * from conversations where id = ${id} and deleted_at is null offset 0`;

/** Many cheap look-ups add up to an estimate that would have them compiled first, which takes longer than they do. */
const withoutJit = (db: Database) => db.execute(sql`select set_config('jit', 'off', true)`);

const arrayText = (numbers: readonly number[]): string => `{${numbers.join(",")}}`;

const rangeRows = (ranges: readonly SearchedRange[]): SQL => sql`
  jsonb_to_recordset(${JSON.stringify(
    ranges.map((range) => ({
      id: range.conversationId,
      before_id: range.beforeId,
      lowest_id: range.lowestId,
      visible_from_id: range.visibleFromId,
      superseded: range.superseded,
    })),
  )}::jsonb) as k(id uuid, before_id bigint, lowest_id bigint, visible_from_id bigint, superseded bigint[])`;

type MessageRow = {
  conversation_id: string;
  id: string;
  seq: string;
  sender_id: string;
  temp_id: string | null;
  type: Message["type"];
  body: Message["body"];
  reply_to_id: string | null;
  reactions: Message["reactions"];
  created_at: string;
  edited_at: string | null;
  deleted_at: string | null;
};

const COLUMNS = sql.raw(
  "m.conversation_id, m.id, m.seq, m.sender_id, m.temp_id, m.type, m.body, m.reply_to_id, m.reactions, m.created_at, m.edited_at, m.deleted_at",
);

const toMessage = (row: MessageRow): Message => ({
  id: Number(row.id),
  conversation_id: row.conversation_id,
  sender_id: row.sender_id,
  temp_id: row.temp_id,
  type: row.type,
  body: row.body,
  reply_to_id: row.reply_to_id === null ? null : Number(row.reply_to_id),
  reactions: row.reactions,
  created_at: isoTime(row.created_at),
  edited_at: isoTimeOrNull(row.edited_at),
  deleted_at: isoTimeOrNull(row.deleted_at),
  seq: Number(row.seq),
});

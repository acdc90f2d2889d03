import { type SQL, sql } from "drizzle-orm";
import { bigrams, normalise } from "../protocol/search-text.ts";
import type { Database } from "./client.ts";

/*
 * The index of `messages.bigrams` is one GIN over numbers: 32 bits for the block of ids that a message is in, 32 for two
 * UTF-16 units of its text. So a look-up finds what one block of one conversation holds and nothing else, however large
 * the table; and blocks can be tried newest first, which GIN by itself cannot. docs/decisions/0015-search.md
 */

/** Ids of a conversation that are looked up together. */
export const BLOCK_IDS = 2_048;

/**
 * A block as the upper half of a bigint: the last 32 bits of the conversation's id, which are random, and the number of
 * the block times an odd number that spreads it. Blocks that meet by chance only have more to be looked through.
 */
export const blockBits = (conversationId: SQL, blockNumber: SQL): SQL =>
  sql`((('x' || right(${conversationId}::text, 8))::bit(32)::bigint + ${blockNumber} * 2654435761) << 32)`;

/** The bigrams of a message as the index holds them. */
export const indexedBigrams = (conversationId: SQL, id: SQL, found: SQL): SQL =>
  sql`array(select ${blockBits(conversationId, sql`(${id} / ${sql.raw(String(BLOCK_IDS))})`)} | g from unnest(${found}) g)`;

/** What is written beside a message's body so that it can be found, as JSON for {@link indexedBigrams}. */
export interface SearchColumns {
  search_text: string | null;
  bigrams: number[] | null;
}

export function searchColumns(text: string | undefined): SearchColumns {
  if (text === undefined) return { search_text: null, bigrams: null };
  const normalised = normalise(text);
  return { search_text: normalised, bigrams: bigrams(normalised) };
}

const BACKFILL_ROWS = 500;
/** Of texts in one step: their bigrams take ten times as much in the request. */
const BACKFILL_CHARACTERS = 300_000;

export function unsearchableQuery(db: Database) {
  return db.execute<{ conversation_id: string; id: string; seq: string; text: string }>(sql`
    select conversation_id, id, seq, body ->> 'text' as text from messages
    where bigrams is null and body ? 'text' order by conversation_id desc, id desc limit ${BACKFILL_ROWS}`);
}

/**
 * Makes messages findable that were stored before there was a search: one bounded step. What was changed meanwhile is left
 * to whoever changed it.
 *
 * @returns how many messages it looked at; 0 when nothing is left to do
 */
export async function backfillSearch(db: Database): Promise<number> {
  const { rows } = await unsearchableQuery(db);
  let characters = 0;
  const step = rows.filter(({ text }, index) => {
    characters += text.length;
    return index === 0 || characters <= BACKFILL_CHARACTERS;
  });
  const found = step.map(({ text, ...key }) => ({ ...key, ...searchColumns(text) }));
  if (found.length > 0)
    await db.execute(sql`
      update messages m
      set search_text = r.search_text,
          bigrams = ${indexedBigrams(sql`m.conversation_id`, sql`m.id`, sql`r.bigrams`)}
      from jsonb_to_recordset(${JSON.stringify(found)}::jsonb) as r(conversation_id uuid, id bigint, seq bigint,
        search_text text, bigrams bigint[])
      where m.conversation_id = r.conversation_id and m.id = r.id and m.seq = r.seq and m.bigrams is null`);
  return found.length;
}

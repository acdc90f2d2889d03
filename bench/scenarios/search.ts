import { type SQL, sql } from "drizzle-orm";
import { PgDialect } from "drizzle-orm/pg-core";
import { openDatabase } from "../../db/client.ts";
import { searchConversationQuery, toSought } from "../../db/search.ts";
import { indexedBigrams, searchColumns } from "../../db/search-index.ts";
import { normalise } from "../../protocol/search-text.ts";
import { Random } from "../../test/simulation/random.ts";
import type { Bench, Findings, Scenario } from "../bench.ts";
import type { Ours } from "../contenders/ours.ts";
import type { Database } from "../database.ts";
import { WrongResultError } from "../load.ts";
import { makeSentences } from "../sentences.ts";
import { formatNumber, Histogram } from "../statistics.ts";

/** A database of messages that say something, and a service in front of it. */
interface Filled {
  ours: Ours;
  database: Database;
  /** What the big conversation says, as search compares it; the first is message 1. */
  texts: string[];
  indexBytes: number;
}

interface Kind {
  name: string;
  /** What is sought, each several times. */
  queries: string[];
  isEverywhere?: boolean;
}

interface Hit {
  id: number;
  conversation_id: string;
  body: { text: string };
  highlights: Array<{ start: number; end: number }>;
}

const TARGET_MS = 20;
const PAGE = 50;
const MESSAGES_EACH = 400;
const READER = "00000000-0000-4000-8000-00000000000a";
const BIG = "00000000-0000-7000-8000-000000000000";
/** Spreads sentences over messages. */
const SPREAD = 2_654_435_761n;

/** Search by substring in a long conversation of a large table, and in all conversations of a user. */
export const search: Scenario = {
  name: "search",
  async run(bench: Bench): Promise<Findings> {
    const size = bench.isQuick
      ? { messages: 20_000, bigHead: 4_000, sentences: 2_000 }
      : { messages: 5_000_000, bigHead: 100_000, sentences: 50_000 };
    const sentences = makeSentences(size.sentences, randomOf(new Random(7)));
    const filled = await fill(bench, size, sentences);
    const kinds = chooseKinds(filled.texts, bench.isQuick ? 2 : 30);

    console.log("\nSearch");
    const measured: Array<{ kind: Kind; times: Histogram; inPostgres: Histogram }> = [];
    for (const kind of kinds) {
      const [times, inPostgres] = [new Histogram(), new Histogram()];
      for (const query of kind.queries) await time(kind, query, filled);
      for (let round = 0; round < (bench.isQuick ? 2 : 10); round += 1)
        for (const query of kind.queries) {
          times.record(await time(kind, query, filled));
          if (!kind.isEverywhere) inPostgres.record(await timeInPostgres(query, filled));
        }
      measured.push({ kind, times, inPostgres });
      console.log(
        `  ${kind.name}: p50 ${formatNumber(times.quantile(0.5))}, p99 ${formatNumber(times.quantile(0.99))} ms`,
      );
    }
    const syllables = measured.filter(({ kind }) => kind.name.startsWith("two syllables"));
    const worst = Math.max(...syllables.map(({ times }) => times.quantile(0.99)));
    return {
      title: "Search",
      text: `Through the built service, one call at a time: a page of ${PAGE} hits in a conversation of ${formatNumber(size.bigHead)} messages, which lie between the ${formatNumber(size.messages)} of the table as they were sent, in Korean, Japanese, Chinese and English, and in all conversations of somebody who takes part in it and in up to 50 of ${MESSAGES_EACH} messages. Every answer is compared with a search of the texts by brute force. The index takes ${formatNumber(filled.indexBytes / size.messages)} bytes a message. ms:`,
      tables: [
        [
          ["sought", "queries", "p50", "p99", "of it in Postgres, p50", "p99"],
          ...measured.map(({ kind, times, inPostgres }) => [
            kind.name,
            String(kind.queries.length),
            formatNumber(times.quantile(0.5)),
            formatNumber(times.quantile(0.99)),
            ...(kind.isEverywhere
              ? ["", ""]
              : [formatNumber(inPostgres.quantile(0.5)), formatNumber(inPostgres.quantile(0.99))]),
          ]),
        ],
      ],
      charts: [],
      verdicts: bench.isQuick
        ? []
        : [
            {
              target: `p99 of a search for two syllables among ${formatNumber(size.bigHead)} of ${formatNumber(size.messages)} messages: ≤ ${TARGET_MS} ms`,
              measured: `${formatNumber(worst)} ms`,
              isMet: worst <= TARGET_MS,
            },
          ],
    };
  },
};

const randomOf =
  (random: Random): (() => number) =>
  () =>
    random.next();

/** Queries by how many messages of the big conversation contain them. */
function chooseKinds(texts: readonly string[], count: number): Kind[] {
  const syllables = countParts(texts, /[가-힣]{2}/u, 2);
  const latin = countParts(texts, /[a-z]{6}/u, 6);
  const single = countParts(texts, /[가-힣一-龥]/u, 1);
  const nearest = (counts: Map<string, number>, share: number): string[] =>
    [...counts]
      .map(([part, found]) => ({ part, distance: Math.abs(Math.log(found / texts.length / share)) }))
      .sort((a, b) => a.distance - b.distance)
      .slice(0, count)
      .map(({ part }) => part);
  const missing = ["쀍뙜", "뙜쀍", "쒧뿳", "뿳쒧"].filter(
    (query) => !texts.some((text) => text.includes(query)),
  );
  return [
    { name: "two syllables, in no message", queries: missing },
    { name: "two syllables, in 1 of 10,000 messages", queries: nearest(syllables, 1 / 10_000) },
    { name: "two syllables, in 1 of 1,000", queries: nearest(syllables, 1 / 1_000) },
    { name: "two syllables, in 1 of 100", queries: nearest(syllables, 1 / 100) },
    { name: "two syllables, the most frequent", queries: nearest(syllables, 1) },
    { name: "six letters of an English word", queries: nearest(latin, 1 / 10_000) },
    {
      name: "one character, in 1 of 10,000 messages, of the newest 4,096",
      queries: nearest(single, 1 / 10_000),
    },
    { name: "one character, the most frequent", queries: nearest(single, 1) },
    {
      name: "in all conversations: two syllables, in 1 of 10,000 messages",
      queries: nearest(syllables, 1 / 10_000),
      isEverywhere: true,
    },
    {
      name: "in all conversations: two syllables, the most frequent",
      queries: nearest(syllables, 1),
      isEverywhere: true,
    },
  ];
}

/** How many texts contain each part of this length that looks so. */
function countParts(texts: readonly string[], looks: RegExp, length: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (const text of texts) {
    const parts = Array.from({ length: Math.max(0, text.length - length + 1) }, (_, at) =>
      text.slice(at, at + length),
    );
    for (const part of new Set(parts)) if (looks.test(part)) counts.set(part, (counts.get(part) ?? 0) + 1);
  }
  return counts;
}

const sentenceOf = (row: number, sentences: number): number =>
  Number((BigInt(row) * SPREAD) % BigInt(sentences));

async function fill(
  bench: Bench,
  { messages, bigHead }: { messages: number; bigHead: number },
  sentences: readonly string[],
): Promise<Filled> {
  const from = Date.now();
  const database: Database = await bench.createDatabase("search");
  const { client } = database;
  const conversations = Math.ceil((messages - bigHead) / MESSAGES_EACH);
  const every = Math.floor(messages / bigHead);
  const id = (number: string) => `('00000000-0000-7000-8000-' || lpad(to_hex(${number}), 12, '0'))::uuid`;
  await client.query("set session_replication_role = replica");
  await client.query("set synchronous_commit = off");
  await client.query("set maintenance_work_mem = '512MB'");
  await client.query(
    `insert into conversations (id, type, created_by, updated_at, last_message_id, seq)
     select ${id("c")}, 'group', 'u1', now() - interval '1 hour', case c when 0 then $1::bigint else $2 end,
            case c when 0 then $1::bigint else $2 end
     from generate_series(0, $3::int) c`,
    [bigHead, MESSAGES_EACH, conversations],
  );
  await client.query(
    `insert into participants (conversation_id, user_id, role)
     select ${id("c")}, $1::text, 'member' from generate_series(0, 50) c where c <= $2::int`,
    [READER, conversations],
  );
  await client.query(
    "create table sentences (n int primary key, body jsonb, search_text text, bigrams bigint[])",
  );
  for (let at = 0; at < sentences.length; at += 2_000) {
    const rows = sentences
      .slice(at, at + 2_000)
      .map((text, index) => ({ n: at + index, body: { text }, ...searchColumns(text) }));
    await client.query(
      `insert into sentences select * from jsonb_to_recordset($1::jsonb)
       as r(n int, body jsonb, search_text text, bigrams bigint[])`,
      [JSON.stringify(rows)],
    );
  }
  // An index is built faster than it grows.
  const { rows } = await client.query<{ indexdef: string }>(
    "select indexdef from pg_indexes where indexname = 'messages_bigrams'",
  );
  await client.query("drop index messages_bigrams");
  const bigrams = new PgDialect().sqlToQuery(indexedBigrams(sql`c.id`, sql`m.id`, sql`s.bigrams`)).sql;
  // Conversations lie among each other, as they do when people write at the same time.
  await client.query(
    `insert into messages (conversation_id, id, seq, created_seq, sender_id, temp_id, type, body, created_at,
                           search_text, bigrams)
     select c.id, m.id, m.id, m.id, 'u' || (row % 10), 't' || row, 'user', s.body,
            now() - interval '2 hours' - (($1::bigint - row) || ' milliseconds')::interval, s.search_text, ${bigrams}
     from generate_series(0, $1::bigint - 1) row
     cross join lateral (
       select case when row % $2 = 0 and row / $2 < $3 then 0 else 1 + row % $4 end as number) which
     cross join lateral (
       select case number when 0 then row / $2 + 1 else 1 + row / $4 end as id) m
     cross join lateral (select ${id("number")} as id) c
     join sentences s on s.n = (row * ${SPREAD})::numeric % $5
     order by row`,
    [messages, every, bigHead, conversations, sentences.length],
  );
  await client.query(
    `update conversations c set last_message_id = m.head, seq = m.head
     from (select conversation_id, max(id) as head from messages group by 1) m where m.conversation_id = c.id`,
  );
  await client.query("reset session_replication_role");
  await client.query(rows[0]?.indexdef ?? "");
  await client.query("vacuum analyze");
  await client.query("checkpoint");
  const size = await client.query<{ bytes: string }>("select pg_relation_size('messages_bigrams') as bytes");
  const ours = await bench.startOurs({
    name: "search",
    modules: { "index.js": bench.service },
    database,
  });
  console.log(`\n${formatNumber(messages)} messages written in ${Math.round((Date.now() - from) / 1000)} s`);
  const texts = Array.from({ length: bigHead }, (_, index) =>
    normalise(sentences[sentenceOf(index * every, sentences.length)] ?? ""),
  );
  return { ours, database, texts, indexBytes: Number(size.rows[0]?.bytes) };
}

/** @returns milliseconds until the answer is read */
async function time(kind: Kind, query: string, { ours, texts }: Filled): Promise<number> {
  const route = kind.isEverywhere ? "/api/search" : `/api/conversations/${BIG}/messages/search`;
  const path = `${route}?${new URLSearchParams({ q: query, limit: String(PAGE) })}`;
  const from = performance.now();
  const response = await fetch(new URL(path, ours.url), { headers: { Authorization: `Bearer ${READER}` } });
  const text = await response.text();
  const elapsedMs = performance.now() - from;
  const hits = response.ok ? (JSON.parse(text) as { data: Hit[] }).data : [];
  const found = hits.filter(({ conversation_id }) => conversation_id === BIG).map(({ id }) => id);
  // Everywhere, hits of other conversations may fill the page first.
  const expected = newestWith(texts, query).slice(0, kind.isEverywhere ? found.length : PAGE);
  const isWrong = hits.some(
    ({ body, highlights }) =>
      !highlights.every(({ start, end }) => normalise(body.text.slice(start, end)) === query),
  );
  if (!response.ok || isWrong || found.join() !== expected.join())
    throw new WrongResultError(`GET ${path}: ${response.status} ${text.slice(0, 300)}`);
  return elapsedMs;
}

/** @returns milliseconds of the same query over a connection of its own: without the service, its object and the proxy */
async function timeInPostgres(query: string, { database, texts }: Filled): Promise<number> {
  const range = {
    conversationId: BIG,
    beforeId: texts.length + 1,
    fromId: 1,
    superseded: [],
    limit: PAGE + 1,
  };
  const statement = searchConversationQuery(openDatabase(database), toSought(query), range);
  const { sql: text, params } = new PgDialect().sqlToQuery(
    (statement as unknown as { getSQL(): SQL }).getSQL(),
  );
  const from = performance.now();
  await database.client.query(text, params);
  return performance.now() - from;
}

/** By brute force, among as many of the newest as one request reads for a query of one character. */
function newestWith(texts: readonly string[], query: string): number[] {
  const found: number[] = [];
  const lowest = query.length > 1 ? 0 : texts.length - 4_096;
  for (let at = texts.length - 1; at >= Math.max(0, lowest) && found.length < PAGE; at -= 1)
    if (texts[at]?.includes(query)) found.push(at + 1);
  return found;
}

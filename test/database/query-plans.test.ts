import { sql } from "drizzle-orm";
import { PgDialect } from "drizzle-orm/pg-core";
import pg from "pg";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { openDatabase } from "../../db/client.ts";
import {
  changesQuery,
  getConversationQuery,
  listConversationsQuery,
  listUnreadQuery,
  participantsQuery,
} from "../../db/conversations.ts";
import { messagePageQuery, messagesByTempIdQuery } from "../../db/messages.ts";
import { markTold, untoldChangesQuery } from "../../db/outbox.ts";
import { revocationsQuery } from "../../db/revocations.ts";
import { listSearchedQuery, searchConversationQuery, searchSeveralQuery, toSought } from "../../db/search.ts";
import { indexedBigrams, unsearchableQuery } from "../../db/search-index.ts";
import { migrate } from "../../dev/migrate.ts";
import { startNeonProxy } from "../../dev/neon-proxy.ts";

const CONVERSATIONS = 20_000;
const MESSAGES = 200_000;

/** A database of its own, filled until a wrong plan would be a slow one. */
const name = `plans_${Date.now()}`;
const url = new URL(inject("databaseUrl"));
url.pathname = `/${name}`;
let client: pg.Client;
let db: ReturnType<typeof openDatabase>;
let stopProxy: () => Promise<void>;
const conversation = "00000000-0000-7000-8000-000000000001";

beforeAll(async () => {
  const admin = new pg.Client(inject("databaseUrl"));
  await admin.connect();
  await admin.query(`create database ${name}`);
  await admin.end();
  await migrate(url.href);
  const proxy = await startNeonProxy({ databaseUrl: url.href });
  stopProxy = () => proxy.stop();
  db = openDatabase({ url: url.href, fetchEndpoint: proxy.url });
  client = new pg.Client(url.href);
  await client.connect();
  const id = (n: string) => `('00000000-0000-7000-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;
  await client.query(`insert into conversations (id, type, created_by, updated_at, last_message_id)
    select ${id("n")}, 'group', 'u1', now() - n * interval '1 second', 10 from generate_series(1, ${CONVERSATIONS}) n`);
  await client.query(`insert into participants (conversation_id, user_id, role)
    select ${id("n")}, 'u' || ((n * 7 + k) % 5000), 'member' from generate_series(1, ${CONVERSATIONS}) n, generate_series(1, 10) k on conflict do nothing`);
  await client.query(`insert into participants (conversation_id, user_id, role)
    select ${id("n")}, 'busy', 'member' from generate_series(1, 1000) n`);
  await client.query(`insert into messages (conversation_id, id, seq, created_seq, sender_id, temp_id, type, body, created_at)
    select ${id(`n % ${CONVERSATIONS} + 1`)}, n / ${CONVERSATIONS} + 1, n, n, 'u' || (n % 500), 't' || n, 'user', '{"text":"hello"}', now()
    from generate_series(1, ${MESSAGES}) n where n % ${CONVERSATIONS} > 0`);
  await client.query(`insert into messages (conversation_id, id, seq, created_seq, sender_id, temp_id, type, body, created_at)
    select '${conversation}', n, n, n, 'u' || (n % 500), 't' || n, 'user', '{"text":"hello"}', now() - (50000 - n) * interval '1 minute'
    from generate_series(1, 50000) n`);
  await client.query(`insert into outbox (conversation_id, version, processed, created_at)
    select ${id("1")}, n, n < 49990, now() - interval '1 minute' from generate_series(1, 50000) n`);
  const found = indexedBigrams(sql`conversation_id`, sql`id`, sql`array[id % 5000, 6000 + id % 7]`);
  const { sql: update } = textOf({
    getSQL: () => sql`update messages set search_text = 'hello', bigrams = ${found} where id % 1000 > 0`,
  });
  await client.query(update);
  await client.query(`insert into revocations (kind, value, revoked_at, expires_at)
    select 'user', 'r' || n, now(), now() + interval '1 day' from generate_series(1, 20000) n`);
  await client.query(`insert into presence (user_id, online_until)
    select 'u' || n, now() + interval '1 hour' from generate_series(1, 20000) n`);
  await client.query(`insert into user_settings (user_id) select 'u' || n from generate_series(1, 20000) n`);
  await client.query("vacuum analyze");
});

afterAll(async () => {
  await client?.end();
  await stopProxy?.();
});

type Plan = { "Node Type": string; "Relation Name"?: string; "Index Name"?: string; Plans?: Plan[] };

const flatten = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(flatten)];

async function planOf(query: { sql: string; params: unknown[] }): Promise<Plan[]> {
  const { rows } = await client.query(`explain (format json) ${query.sql}`, query.params);
  return flatten(rows[0]["QUERY PLAN"][0].Plan);
}

/** Text and parameters of a query as the driver sends them. */
function textOf(query: { toSQL(): unknown } | { getSQL(): ReturnType<typeof sql> }): {
  sql: string;
  params: unknown[];
} {
  if ("toSQL" in query) return query.toSQL() as { sql: string; params: unknown[] };
  return new PgDialect().sqlToQuery(query.getSQL());
}

const searched = {
  conversationId: conversation,
  beforeId: 40_000,
  fromId: 1,
  superseded: [39_000],
  limit: 51,
};
const position = { created_at: "2026-01-01T00:00:00.000Z", conversation_id: conversation, id: 5 };
const several = {
  userId: "busy",
  ranges: Array.from({ length: 500 }, (_, index) => ({
    conversationId: `00000000-0000-7000-8000-${(index + 1).toString(16).padStart(12, "0")}`,
    beforeId: 11,
    lowestId: 1,
    visibleFromId: null,
    superseded: [],
  })),
  limit: 51,
};

const queries: Array<[string, () => Parameters<typeof textOf>[0], string[]]> = [
  [
    "the latest page of messages",
    () => messagePageQuery(db, { conversationId: conversation, limit: 51 }),
    ["messages_conversation_id_id_pk"],
  ],
  [
    "the page before an id",
    () => messagePageQuery(db, { conversationId: conversation, beforeId: 40_000, limit: 51 }),
    ["messages_conversation_id_id_pk"],
  ],
  [
    "the page after an id",
    () => messagePageQuery(db, { conversationId: conversation, afterId: 40_000, limit: 51 }),
    ["messages_conversation_id_id_pk"],
  ],
  [
    "messages by temp_id",
    () => messagesByTempIdQuery(db, conversation, [{ sender_id: "u1", temp_id: "t20001" }]),
    ["messages_temp_id"],
  ],
  [
    "my conversations",
    () => listConversationsQuery(db, { userId: "u5", limit: 51 }) as never,
    ["participants_user"],
  ],
  [
    "one conversation",
    () => getConversationQuery(db, conversation, "u8") as never,
    ["conversations_pkey", "participants_conversation_id_user_id_pk"],
  ],
  [
    "participants of a conversation",
    () => participantsQuery(db, conversation),
    ["participants_conversation_id_user_id_pk"],
  ],
  [
    "unread counts of a user with a thousand conversations",
    () => listUnreadQuery(db, "busy") as never,
    ["participants_user", "messages_uncounted"],
  ],
  [
    "system messages to write",
    () => changesQuery(db, conversation, 49_990) as never,
    ["outbox_conversation"],
  ],
  [
    "whether a credential was revoked",
    () => revocationsQuery(db, [{ userId: "u1", jti: "j1", issuedAtMs: 0 }]) as never,
    ["revocations_kind_value_pk"],
  ],
  [
    "changes to tell",
    () => untoldChangesQuery(db, { olderThanSeconds: 5, limit: 200 }),
    ["outbox_processed"],
  ],
  [
    "marking changes told",
    () => markTold(db, { conversationId: conversation, version: 3 }),
    ["outbox_processed"],
  ],
  [
    "a search of a conversation",
    () => searchConversationQuery(db, toSought("김밥"), searched) as never,
    ["messages_bigrams"],
  ],
  [
    "a search for one character",
    () => searchConversationQuery(db, toSought("밥"), searched) as never,
    ["messages_conversation_id_id_pk"],
  ],
  [
    "conversations to search",
    () => listSearchedQuery(db, "busy", position) as never,
    ["participants_user", "messages_created_at"],
  ],
  [
    "a search of several conversations",
    () => searchSeveralQuery(db, toSought("김밥"), several) as never,
    ["messages_bigrams", "conversations_pkey"],
  ],
  [
    "a search of several conversations for one character",
    () => searchSeveralQuery(db, toSought("밥"), several) as never,
    ["messages_conversation_id_id_pk", "conversations_pkey"],
  ],
  ["messages to be made searchable", () => unsearchableQuery(db) as never, ["messages_unsearchable"]],
  [
    "messages by time",
    () => ({
      getSQL: () =>
        sql`select id from messages where conversation_id = ${conversation}::uuid and created_at > now() - interval '1 day' order by created_at limit 50`,
    }),
    ["messages_created_at"],
  ],
];

test.each(queries)("%s: goes by index", async (_, query, indexes) => {
  const nodes = await planOf(textOf(query()));
  expect(nodes.flatMap((node) => node["Index Name"] ?? [])).toEqual(expect.arrayContaining(indexes));
  const scanned = nodes.flatMap((node) =>
    node["Node Type"] === "Seq Scan" ? (node["Relation Name"] ?? []) : [],
  );
  // `users` is empty here and small beside what it is joined to.
  expect(scanned.filter((relation) => relation !== "users")).toEqual([]);
});

import { randomInt } from "node:crypto";
import type { Bench, Findings, Scenario, Verdict } from "../bench.ts";
import type { Ours } from "../contenders/ours.ts";
import type { Database } from "../database.ts";
import { WrongResultError } from "../load.ts";
import { formatNumber, formatRatio, Histogram } from "../statistics.ts";

/** A database of some size, and a service that has no conversation of it in memory. */
interface Filled {
  messages: number;
  database: Database;
  ours: Ours;
  /** Messages of the one big conversation. */
  bigHead: number;
  smallConversations: number;
}

interface Call {
  name: string;
  /** What is asked for, and by whom. */
  request(filled: Filled): { path: string; userId: string };
  /** How many entries the answer must have. */
  entries(filled: Filled): number;
  isOk?(body: Body, filled: Filled): boolean;
}

interface Body {
  data: Array<{ id: number | string; me?: { unread_count: number } }> & { me?: { unread_count: number } };
}

const MAX_GROWTH = 2;
/** A call that is slow is made less often. */
const MAX_CALLS_MS = 30_000;
const MESSAGES_EACH = 400;
const PARTICIPANTS = 10;
const PAGE = 50;
/** Messages the reader has not read in each conversation. */
const UNREAD = 20;
/** Takes part in the big conversation and some small ones, and reads. */
const READER = "00000000-0000-4000-8000-00000000000a";
/** Takes part in the big conversation and has never read it. */
const STRANGER = "00000000-0000-4000-8000-00000000000b";
const BIG = "00000000-0000-7000-8000-000000000000";

/** The service's own queries through its REST routes, on databases of growing size. */
const CALLS: Call[] = [
  {
    name: "a page of the middle of a long history",
    request: ({ bigHead }) => ({
      path: `/api/conversations/${BIG}/messages?limit=${PAGE}&before_id=${randomInt(PAGE + 1, Math.max(PAGE + 2, bigHead - 1_500))}`,
      userId: READER,
    }),
    entries: () => PAGE,
  },
  {
    name: "all since a message of it",
    request: ({ bigHead }) => ({
      path: `/api/conversations/${BIG}/messages/since/${randomInt(1, Math.max(2, bigHead - 1_500))}?limit=100`,
      userId: READER,
    }),
    entries: () => 100,
  },
  {
    name: "the list of conversations, with unread counts",
    request: () => ({ path: "/api/conversations?limit=20", userId: READER }),
    entries: ({ smallConversations }) => Math.min(20, smallConversations + 1),
    isOk: ({ data }) => data.every(({ me }) => me?.unread_count === UNREAD),
  },
  {
    name: "one conversation, with its unread count",
    request: ({ smallConversations }) => ({
      path: `/api/conversations/${conversationId(randomInt(1, Math.min(50, smallConversations) + 1))}`,
      userId: READER,
    }),
    entries: () => 1,
    isOk: ({ data }) => data.me?.unread_count === UNREAD,
  },
  {
    name: "the big conversation, never read",
    request: () => ({ path: "/api/conversations?limit=1", userId: STRANGER }),
    entries: () => 1,
  },
];

/** How the calls that end in Postgres grow with what is stored. */
export const database: Scenario = {
  name: "database",
  async run(bench: Bench): Promise<Findings> {
    const sizes = bench.isQuick ? [1_000, 10_000] : [1_000, 100_000, 5_000_000];
    const calls = bench.isQuick ? 20 : 300;
    const filled: Filled[] = [];
    for (const messages of sizes) filled.push(await fill(bench, messages));

    console.log("\nREST calls that end in Postgres");
    const times = new Map<Call, Histogram[]>();
    for (const call of CALLS) {
      const histograms = filled.map(() => new Histogram());
      times.set(call, histograms);
      for (const each of filled) for (let count = 0; count < 5; count += 1) await time(call, each);
      // In turn, so that a slow moment of the machine meets all of them.
      const until = Date.now() + MAX_CALLS_MS;
      for (let count = 0; count < calls && Date.now() < until; count += 1)
        for (const [index, each] of filled.entries()) histograms[index]?.record(await time(call, each));
      console.log(
        `  ${call.name}: p99 ${histograms.map((histogram) => formatNumber(histogram.quantile(0.99))).join(", ")} ms`,
      );
    }

    const growth = (call: Call): number => {
      const [before, after] = (times.get(call) ?? []).slice(-2);
      return (after?.quantile(0.99) ?? Number.NaN) / (before?.quantile(0.99) ?? Number.NaN);
    };
    const worst = Math.max(...CALLS.map(growth));
    const verdicts: Verdict[] = bench.isQuick
      ? []
      : [
          {
            target: `p99 of REST calls from 100 thousand to 5 million messages, the one that grows most: ≤ ${MAX_GROWTH}×`,
            measured: formatRatio(worst),
            isMet: worst <= MAX_GROWTH,
          },
        ];
    return {
      title: "REST calls as the database grows",
      text: `Through the built service, one call at a time, on databases of ${sizes.map(formatNumber).join(", ")} messages: a fifth of them in one conversation, the rest in conversations of ${MESSAGES_EACH}. The calls are those that end in Postgres; what an object holds is answered from there. p50 / p99 in ms of ${calls} calls, or as many as there were in ${MAX_CALLS_MS / 1000} s.`,
      tables: [
        [
          ["", ...sizes.map((size) => `${formatNumber(size)} messages`), "growth of p99, last step"],
          ...CALLS.map((call) => [
            call.name,
            ...(times.get(call) ?? []).map(
              (histogram) =>
                `${formatNumber(histogram.quantile(0.5))} / ${formatNumber(histogram.quantile(0.99))}`,
            ),
            formatRatio(growth(call)),
          ]),
        ],
      ],
      charts: [
        {
          file: "database",
          title: "p99 of REST calls by messages stored",
          kind: "lines",
          labels: sizes.map(formatNumber),
          labelTitle: "messages stored",
          unit: "ms",
          isLogarithmic: true,
          series: CALLS.map((call) => ({
            title: call.name,
            values: (times.get(call) ?? []).map((histogram) => histogram.quantile(0.99)),
          })),
        },
      ],
      verdicts,
    };
  },
};

const conversationId = (number: number): string =>
  `00000000-0000-7000-8000-${number.toString(16).padStart(12, "0")}`;

async function fill(bench: Bench, messages: number): Promise<Filled> {
  const from = Date.now();
  const database = await bench.createDatabase(`filled_${messages}`);
  // The smallest still has more of a history than the object keeps or a page asks for.
  const bigHead = Math.max(200, messages / 5);
  const smallConversations = Math.max(2, Math.floor((messages - bigHead) / MESSAGES_EACH));
  const { client } = database;
  const id = "('00000000-0000-7000-8000-' || lpad(to_hex(c), 12, '0'))::uuid";
  // What follows is consistent by itself; checking each foreign key would take longer than writing it.
  await client.query("set session_replication_role = replica");
  await client.query("set synchronous_commit = off");
  await client.query(
    `insert into conversations (id, type, title, created_by, updated_at, last_message_id, seq)
     select ${id}, 'group', 'conversation ' || c, 'u1', now() - (c || ' seconds')::interval,
            case c when 0 then $1::bigint else $2 end, case c when 0 then $1::bigint else $2 end
     from generate_series(0, $3::int) c`,
    [bigHead, MESSAGES_EACH, smallConversations],
  );
  await client.query(
    `insert into participants (conversation_id, user_id, role, last_read_id)
     select ${id}, 'u' || ((c * 7 + k) % 5000), 'member', 0
     from generate_series(0, $1::int) c, generate_series(1, $2::int) k on conflict do nothing`,
    [smallConversations, PARTICIPANTS],
  );
  await client.query(
    `insert into participants (conversation_id, user_id, role, last_read_id)
     select ${id}, $1::text, 'member', $2::bigint from generate_series(1, $3::int) c
     union all select $4::uuid, $1, 'member', $5::bigint union all select $4::uuid, $6::text, 'member', 0`,
    [READER, MESSAGES_EACH - UNREAD, Math.min(50, smallConversations), BIG, bigHead - UNREAD, STRANGER],
  );
  await client.query("update conversations set updated_at = now() - interval '1 year' where id = $1", [BIG]);
  const rows = `n, n, n, 'u' || (n % 10), 't' || n, 'user', jsonb_build_object('text',
    'Shall we meet at the station at half past seven? I will book the table. ' || n)`;
  await client.query(
    `insert into messages (conversation_id, id, seq, created_seq, sender_id, temp_id, type, body, created_at)
     select $1::uuid, ${rows}, now() - (($2::bigint - n) || ' seconds')::interval
     from generate_series(1, $2::bigint) n`,
    [BIG, bigHead],
  );
  await client.query(
    `insert into messages (conversation_id, id, seq, created_seq, sender_id, temp_id, type, body, created_at)
     select ${id}, ${rows}, now() - (($1::bigint - n) || ' seconds')::interval
     from generate_series(1, $2::int) c, generate_series(1, $1::bigint) n`,
    [MESSAGES_EACH, smallConversations],
  );
  await client.query("reset session_replication_role");
  await client.query("vacuum analyze");
  await client.query("checkpoint");
  const ours = await bench.startOurs({
    name: `filled-${messages}`,
    modules: { "index.js": bench.service },
    database,
  });
  console.log(`\n${formatNumber(messages)} messages written in ${Math.round((Date.now() - from) / 1000)} s`);
  return { messages, database, ours, bigHead, smallConversations };
}

/** @returns milliseconds until the answer is read */
async function time(call: Call, filled: Filled): Promise<number> {
  const { path, userId } = call.request(filled);
  const from = performance.now();
  const response = await fetch(new URL(path, filled.ours.url), {
    headers: { Authorization: `Bearer ${userId}` },
  });
  const text = await response.text();
  const elapsedMs = performance.now() - from;
  const body = response.ok ? (JSON.parse(text) as Body) : null;
  const entries = body && (Array.isArray(body.data) ? body.data.length : 1);
  if (!body || entries !== call.entries(filled) || call.isOk?.(body, filled) === false)
    throw new WrongResultError(`GET ${path}: ${response.status} ${text.slice(0, 300)}`);
  return elapsedMs;
}

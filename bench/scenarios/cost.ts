import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Bench, Findings, Scenario } from "../bench.ts";
import type { Ours } from "../contenders/ours.ts";
import {
  ablyDollarsPerMillion,
  type Bill,
  billOf,
  CLASSIC_DOLLARS_A_MONTH,
  CLASSIC_MACHINES,
  NEON_DOLLARS_A_MONTH,
  storageDollarsPerMillion,
  totalOf,
  type Usage,
  usageBetween,
  usageOfMillion,
} from "../cost.ts";
import type { Load } from "../load.ts";
import { PRICES } from "../prices.ts";
import { connectAll } from "../turns.ts";

interface Meter extends Usage {
  postgresRequests: number;
  storedBytes: number;
}

/** How much people say. */
interface Pace {
  title: string;
  secondsBetweenMessages: number;
  /** How long it is watched. */
  seconds: number;
}

interface Case {
  online: number;
  pace: Pace;
  messages: number;
  usage: Usage;
  bill: Bill;
  postgresRequests: number;
  objectBytes: number;
}

/** A connection lasts this long: people close a laptop, lose a network, are deployed upon. */
const SESSION_MINUTES = 30;
/** The service sets its alarm this far ahead: one that a message asked for comes after the last message. */
const ALARM_MS = 32_000;
const TARGET_DOLLARS = 3;

/** What Cloudflare would bill, counted in an instance that measures nothing else. */
export const cost: Scenario = {
  name: "cost",
  async run(bench: Bench): Promise<Findings> {
    const paces: Pace[] = [
      { title: "lively", secondsBetweenMessages: 5, seconds: bench.isQuick ? 2 : 30 },
      { title: "quiet", secondsBetweenMessages: 60, seconds: bench.isQuick ? 6 : 60 },
    ];
    const groups = bench.isQuick
      ? [
          { online: 2, conversations: 10 },
          { online: 20, conversations: 2 },
        ]
      : [
          { online: 2, conversations: 40 },
          { online: 20, conversations: 8 },
          { online: 200, conversations: 1 },
        ];
    console.log("\nwhat is billed");
    const counter = await readFile(new URL("../counting-worker.js", import.meta.url), "utf8");
    // Side by side, each in an instance of its own: they mostly wait.
    const cases = (
      await Promise.all(
        groups.map(async ({ online, conversations }) => {
          const counting = await bench.startOurs({
            name: `counting-${online}`,
            modules: { "index.js": counter, "service.js": bench.service },
            database: bench.database,
          });
          return measure(bench, counting, paces, online, conversations);
        }),
      )
    ).flat();
    for (const { online, pace, bill, messages } of cases)
      console.log(
        `  ${online} online, ${pace.title}: $${totalOf(bill).toFixed(2)} a million (${messages} counted)`,
      );
    return report(bench, cases, await postgresBytes(bench));
  },
};

async function measure(
  bench: Bench,
  counting: Ours,
  paces: Pace[],
  online: number,
  conversations: number,
): Promise<Case[]> {
  const read = async (): Promise<Meter> => {
    const response = await fetch(new URL("/meter", counting.url));
    return (await response.json()) as Meter;
  };
  const users = Array.from({ length: conversations }, () => ({ members: online, senders: online }));
  const [load] = await connectAll([counting], users);
  if (!load) throw new Error("Nobody connected.");
  // Everybody once more, so that creating and first loading are not counted.
  load.cut("everybody");
  const beforeConnects = await read();
  await load.reconnect();
  const connects = {
    usage: usageBetween(beforeConnects, await read()),
    connections: online * conversations,
  };
  const cases: Case[] = [];
  for (const pace of paces)
    cases.push(await measurePace(bench, { load, read, connects, pace, online, conversations }));
  load.close();
  return cases;
}

async function measurePace(
  bench: Bench,
  {
    load,
    read,
    connects,
    pace,
    online,
    conversations,
  }: {
    load: Load;
    read: () => Promise<Meter>;
    connects: { usage: Usage; connections: number };
    pace: Pace;
    online: number;
    conversations: number;
  },
): Promise<Case> {
  const before = await read();
  const sentBefore = load.sent;
  await load.openLoop({
    perSecond: (online * conversations) / pace.secondsBetweenMessages,
    seconds: pace.seconds,
  });
  await load.stored();
  if (!bench.isQuick) await sleep(ALARM_MS);
  const after = await read();
  const messages = load.sent - sentBefore;
  const perMessage = pace.secondsBetweenMessages / 60 / SESSION_MINUTES;
  const usage = usageOfMillion({ usage: usageBetween(before, after), messages }, connects, perMessage);
  return {
    online,
    pace,
    messages,
    usage,
    bill: billOf(usage),
    postgresRequests: (after.postgresRequests - before.postgresRequests) / messages,
    objectBytes: (after.storedBytes - before.storedBytes) / messages,
  };
}

async function postgresBytes({ database }: Bench): Promise<number> {
  await database.client.query("analyze messages");
  const { rows } = await database.client.query<{ bytes: number }>(
    "select (pg_total_relation_size('messages') / greatest(count(*), 1))::int as bytes from messages",
  );
  return rows[0]?.bytes ?? Number.NaN;
}

function report(bench: Bench, cases: Case[], storedPostgresBytes: number): Findings {
  const dollars = (value: number): string => `$${value.toFixed(2)}`;
  const perMessage = (count: number): string => (count / 1e6).toFixed(2);
  // The most lively one has the most messages to share what a database takes in pages.
  const bytes = cases.filter(({ pace }) => pace.title === "lively").at(-1)?.objectBytes ?? Number.NaN;
  const volumes = [1, 10, 100];
  const twenty = cases.filter(({ online }) => online === 20);
  const dearest = Math.max(...twenty.map(({ bill }) => totalOf(bill)));
  return {
    title: "What a million messages cost",
    text: `Counted by an instance that is not measured: rows as SQLite's cursors tell them, requests, alarms, and the time in which an object had something under way (a handler, a timer, a request to Postgres), which is only approximated here, where disk and Postgres are near: 10 ms more a message would be $0.016 more a million. In a lively conversation everybody says something every 5 s, in a quiet one once a minute. A connection lasts ${SESSION_MINUTES} minutes. Nothing that a plan includes is deducted. There are no queues.`,
    tables: [
      [
        [
          "online, pace",
          "rows written",
          "rows read",
          "WebSocket messages",
          "requests and alarms",
          "active ms",
          "requests to Postgres",
        ],
        ...cases.map(({ online, pace, usage, postgresRequests }) => [
          `${online}, ${pace.title}: a message`,
          perMessage(usage.rowsWritten),
          perMessage(usage.rowsRead),
          perMessage(usage.socketMessages),
          perMessage(usage.objectRequests + usage.workerRequests + usage.alarms),
          perMessage(usage.activeMs),
          postgresRequests.toFixed(2),
        ]),
      ],
      [
        ["online, pace", "rows written", "rows read", "requests", "duration", "**ArcYou Chat**", "Ably"],
        ...cases.map(({ online, pace, bill }) => [
          `${online}, ${pace.title}: a million`,
          dollars(bill.rowsWritten),
          dollars(bill.rowsRead),
          dollars(bill.requests),
          dollars(bill.duration),
          `**${dollars(totalOf(bill))}**`,
          dollars(ablyDollarsPerMillion(online, (online * 60) / pace.secondsBetweenMessages)),
        ]),
      ],
      [
        ["a month, 20 online, lively", ...volumes.map((volume) => `${volume} million messages`)],
        [
          "ArcYou Chat: Cloudflare and the smallest Neon",
          ...volumes.map((volume) =>
            dollars(NEON_DOLLARS_A_MONTH + volume * totalOf(twenty[0]?.bill ?? NO_BILL)),
          ),
        ],
        [
          `Classic stack: ${CLASSIC_MACHINES} machines, whatever they carry`,
          ...volumes.map(() => dollars(CLASSIC_DOLLARS_A_MONTH)),
        ],
        ["Ably", ...volumes.map((volume) => dollars(volume * ablyDollarsPerMillion(20, 240)))],
        [
          "to keep them a month longer, in object and Neon",
          ...volumes.map((volume) => dollars(volume * storageDollarsPerMillion(bytes, storedPostgresBytes))),
        ],
      ],
      [
        ["price", "for a", "source", "seen"],
        ...Object.values(PRICES).map((price) => [
          `$${price.dollars}`,
          price.per,
          `<${price.source}>`,
          price.seen,
        ]),
      ],
    ],
    charts: [
      {
        file: "cost",
        title: "Dollars per million messages",
        kind: "bars",
        labels: cases.map(({ online, pace }) => `${online}, ${pace.title}`),
        labelTitle: "participants online, pace",
        unit: "$",
        isLogarithmic: true,
        series: [
          { title: "ArcYou Chat", values: cases.map(({ bill }) => totalOf(bill)) },
          {
            title: "Ably",
            values: cases.map(({ online, pace }) =>
              ablyDollarsPerMillion(online, (online * 60) / pace.secondsBetweenMessages),
            ),
          },
        ],
      },
    ],
    verdicts: bench.isQuick
      ? []
      : [
          {
            target: `A million messages to 20 online, lively or quiet, at most $${TARGET_DOLLARS}:`,
            measured: dollars(dearest),
            isMet: dearest <= TARGET_DOLLARS,
          },
        ],
  };
}

const NO_BILL: Bill = { requests: 0, duration: 0, rowsRead: 0, rowsWritten: 0 };

import { randomUUID } from "node:crypto";
import { mkdtemp, rm, statfs } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import pg from "pg";
import { buildService, startWorkerd, WORKERD_VERSION } from "../dev/workerd.ts";
import { BEARER_SUBPROTOCOL_PREFIX, SUBPROTOCOL } from "../protocol/version.ts";
import { type Address, Load, type Round } from "./load.ts";
import { buildBaseline, type Cleanup, type Database, readRowCounter, startDatabase } from "./service.ts";

/*
 * `npm run bench`: the service against an object that does one write and N sends a message. docs/benchmarks.md
 *
 *   --quick        small and short, to see that it works and counts right; targets are not looked at
 *   --no-targets   exit code 0 also when a target is missed
 *   --only <name>  one scenario: fan-out, everybody or alone
 *   --rounds <n>   rounds of each side, 7 by default
 *
 * TMPDIR must be on a disk.
 */

interface Scenario {
  name: "fan-out" | "everybody" | "alone";
  title: string;
  members: number;
  senders: number;
  unit: string;
  measure(round: Round): number;
  /** What the ratio of ours to the baseline must be. */
  target: { atLeast: number } | { atMost: number };
}

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    "no-targets": { type: "boolean", default: false },
    only: { type: "string" },
    rounds: { type: "string" },
  },
});
const isQuick = options.quick;
const rounds = Number(options.rounds ?? (isQuick ? 1 : 7));
const seconds = isQuick ? 1 : 2;
const warmupSeconds = isQuick ? 0.3 : 0.7;

const SCENARIOS: Scenario[] = [
  {
    name: "fan-out",
    title: `${isQuick ? "50 members, 10" : "1,000 members, 100"} sending: events delivered/s`,
    members: isQuick ? 50 : 1_000,
    senders: isQuick ? 10 : 100,
    unit: "/s",
    measure: ({ delivered, seconds: elapsed }) => delivered / elapsed,
    target: { atLeast: 10 },
  },
  {
    name: "everybody",
    title: `${isQuick ? "20" : "100"} members, all sending: durable acks/s`,
    members: isQuick ? 20 : 100,
    senders: isQuick ? 20 : 100,
    unit: "/s",
    measure: ({ acks, seconds: elapsed }) => acks / elapsed,
    target: { atLeast: 8 },
  },
  {
    name: "alone",
    title: "2 members, one message in flight: ack median",
    members: 2,
    senders: 1,
    unit: " ms",
    measure: ({ latencies }) => median(latencies),
    target: { atMost: 1.3 },
  },
];

const cleanup: Cleanup = [];
let exitCode = 1;
try {
  exitCode = await main();
} catch (error) {
  console.error(error);
} finally {
  for (const stop of cleanup.reverse()) await stop().catch((error: unknown) => console.error(error));
}
process.exit(exitCode);

async function main(): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), "arcyou-bench-"));
  cleanup.push(() => rm(directory, { recursive: true, force: true }));
  await printMachine(directory);
  const database = await startDatabase(cleanup);
  const postgres = new pg.Client({ connectionString: database.url });
  await postgres.connect();
  cleanup.push(() => postgres.end());
  const workers = await startWorkers(directory, database);

  let isMissed = false;
  const lines: string[] = [];
  for (const scenario of SCENARIOS) {
    if (options.only !== undefined && options.only !== scenario.name) continue;
    const { line, ratio } = await runScenario(scenario, workers, postgres);
    lines.push(line);
    if ("atLeast" in scenario.target ? ratio < scenario.target.atLeast : ratio > scenario.target.atMost)
      isMissed = true;
  }
  if (options.only === undefined) await printCosts(workers.counting, postgres);
  console.log(["", "| | baseline | ours | ratio | target |", "|---|---|---|---|---|", ...lines].join("\n"));
  return isMissed && !isQuick && !options["no-targets"] ? 1 : 0;
}

interface Workers {
  baseline: URL;
  ours: URL;
  /** Ours, counting rows. */
  counting: URL;
}

async function startWorkers(directory: string, database: Database): Promise<Workers> {
  const [service, baseline, counter] = await Promise.all([
    buildService(directory),
    buildBaseline(),
    readRowCounter(),
  ]);
  const ours = {
    className: "Conversation",
    binding: "CONVERSATIONS",
    variables: {
      ENVIRONMENT: "development",
      DATABASE_URL: database.url,
      NEON_FETCH_ENDPOINT: database.fetchEndpoint,
      COMMANDS_PER_SECOND: "1000000",
      COMMAND_BURST: "1000000",
    },
  };
  const plain = { className: "Baseline", binding: "BASELINE", variables: {} };
  const start = async (
    name: string,
    modules: Record<string, string>,
    worker: typeof ours | typeof plain,
  ): Promise<URL> => {
    const { url, kill } = await startWorkerd({ home: join(directory, name), modules, ...worker });
    cleanup.push(kill);
    return url;
  };
  return {
    baseline: await start("baseline", { "index.js": baseline }, plain),
    ours: await start("ours", { "index.js": service }, ours),
    counting: await start("counting", { "index.js": counter, "service.js": service }, ours),
  };
}

async function runScenario(
  scenario: Scenario,
  workers: Workers,
  postgres: pg.Client,
): Promise<{ line: string; ratio: number }> {
  console.log(`\n${scenario.title}`);
  const { members, senders, unit, measure, target } = scenario;
  const { conversationId, load: ours } = await connectOurs(workers.ours, members, senders);
  const baseline = await Load.connect(
    (member) => ({
      url: new URL(
        `/api/conversations/${conversationId}/socket?user=${randomUUID()}-${member}`,
        workers.baseline,
      ),
      protocols: [],
    }),
    members,
    senders,
  );

  const pairs: Array<{ baseline: number; ours: number }> = [];
  for (let round = 0; round < rounds; round += 1) {
    const plain = await baseline.run(seconds, warmupSeconds);
    printRound("baseline", plain);
    const mine = await ours.run(seconds, warmupSeconds);
    const catchUpMs = await drained(postgres, conversationId, ours.acks);
    printRound("ours", mine, `, in Postgres ${catchUpMs} ms after the round`);
    pairs.push({ baseline: measure(plain), ours: measure(mine) });
  }
  baseline.close();
  ours.close();

  // The machine's mood changes within a run, so each round is compared with the one before it.
  const ratio = median(pairs.map((pair) => pair.ours / pair.baseline));
  const columns = [
    scenario.title,
    format(median(pairs.map((pair) => pair.baseline))) + unit,
    format(median(pairs.map((pair) => pair.ours))) + unit,
    `${ratio.toFixed(ratio < 10 ? 2 : 1)}×`,
    "atLeast" in target ? `≥ ${target.atLeast}×` : `≤ ${target.atMost}×`,
  ];
  return { ratio, line: `| ${columns.join(" | ")} |` };
}

function printRound(side: string, round: Round, rest = ""): void {
  const { latencies } = round;
  const at = (share: number) => (latencies[Math.floor(latencies.length * share)] ?? Number.NaN).toFixed(2);
  console.log(
    `  ${side.padEnd(8)} ${format(round.delivered / round.seconds)} events/s, ${format(round.acks / round.seconds)} acks/s, ` +
      `ack p50 ${at(0.5)} p90 ${at(0.9)} p99 ${at(0.99)} ms, ${(round.delivered / round.frames).toFixed(1)} events a frame, ` +
      `generator busy ${Math.round(round.generatorBusy * 100)} %${rest}`,
  );
}

/** What is billed, counted by an instance that is not measured. */
async function printCosts(counting: URL, postgres: pg.Client): Promise<void> {
  console.log("\nSQLite rows written a message, alarms included");
  for (const [members, senders] of [
    [2, 1],
    [20, 20],
  ] as const) {
    const { conversationId, load } = await connectOurs(counting, members, senders);
    const rows = async () => {
      const response = await fetch(new URL(`/rows/${conversationId}`, counting));
      return ((await response.json()) as { rows: number }).rows;
    };
    const before = await rows();
    await load.run(seconds, 0);
    await drained(postgres, conversationId, load.acks);
    const written = (await rows()) - before;
    console.log(`  ${members} members, ${senders} sending: ${(written / load.acks).toFixed(2)}`);
    load.close();
  }
}

async function connectOurs(
  base: URL,
  members: number,
  senders: number,
): Promise<{ conversationId: string; load: Load }> {
  const users = Array.from({ length: members }, () => randomUUID());
  const conversationId = await createConversation(base, users);
  const address: Address = (member) => ({
    url: new URL(`/api/conversations/${conversationId}/socket`, base),
    protocols: [SUBPROTOCOL, `${BEARER_SUBPROTOCOL_PREFIX}${users[member]}`],
  });
  return { conversationId, load: await Load.connect(address, members, senders) };
}

async function createConversation(base: URL, users: string[]): Promise<string> {
  const [creator, ...others] = users;
  const response = await fetch(new URL("/api/conversations", base), {
    method: "POST",
    headers: { Authorization: `Bearer ${creator}`, "Content-Type": "application/json" },
    body: JSON.stringify({ type: "group", participant_ids: others }),
  });
  const body = (await response.json()) as { data?: { id: string } };
  if (!body.data) throw new Error(`POST /api/conversations: ${response.status} ${JSON.stringify(body)}`);
  return body.data.id;
}

/**
 * Waits until Postgres holds every message, so that one side's rest does not burden the other's round.
 *
 * @returns milliseconds it took
 * @throws {Error} when it never does, or holds more
 */
async function drained(postgres: pg.Client, conversationId: string, messages: number): Promise<number> {
  const from = Date.now();
  for (;;) {
    const { rows } = await postgres.query<{ n: number }>(
      "select count(*)::int as n from messages where conversation_id = $1",
      [conversationId],
    );
    const stored = rows[0]?.n ?? 0;
    if (stored === messages) return Date.now() - from;
    if (stored > messages || Date.now() - from > 120_000)
      throw new Error(`Postgres holds ${stored} messages of ${messages}.`);
    await sleep(50);
  }
}

async function printMachine(directory: string): Promise<void> {
  const TMPFS = 0x0102_1994;
  const { type } = await statfs(directory);
  console.log(`${new Date().toISOString()}  ${availableParallelism()} cores (${cpus()[0]?.model})`);
  console.log(`Node ${process.version}, workerd ${WORKERD_VERSION}, PostgreSQL on the same machine`);
  if (type === TMPFS) console.log(`${tmpdir()} is memory: commits cost nothing there. Set TMPDIR to a disk.`);
}

function median(values: readonly number[]): number {
  const ascending = values.toSorted((a, b) => a - b);
  const middle = (ascending.length - 1) / 2;
  const below = ascending[Math.floor(middle)] ?? Number.NaN;
  return (below + (ascending[Math.ceil(middle)] ?? Number.NaN)) / 2;
}

function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(2);
}

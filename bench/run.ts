import { mkdtemp, readFile, rm, statfs } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildService, WORKERD_VERSION } from "../dev/workerd.ts";
import type { Bench, Findings, Scenario } from "./bench.ts";
import { startClassic } from "./contenders/classic.ts";
import { startObject } from "./contenders/object.ts";
import { startOurs } from "./contenders/ours.ts";
import { startSocketIo } from "./contenders/socket-io.ts";
import { type Cleanup, createDatabase, startServer } from "./database.ts";
import { WrongResultError } from "./load.ts";
import { HOW_TO_GET_REDIS, startRedis } from "./redis.ts";
import { formatFindings, formatTable, verdictTable, writeReport } from "./report.ts";
import { coldStart } from "./scenarios/cold-start.ts";
import { cost } from "./scenarios/cost.ts";
import { database } from "./scenarios/database.ts";
import { deploy } from "./scenarios/deploy.ts";
import { fanOut } from "./scenarios/fan-out.ts";
import { idleMemory } from "./scenarios/idle-memory.ts";
import { inboxes } from "./scenarios/inboxes.ts";
import { manyConversations } from "./scenarios/many-conversations.ts";
import { offeredRates } from "./scenarios/offered-rates.ts";
import { oneSender } from "./scenarios/one-sender.ts";
import { pair } from "./scenarios/pair.ts";
import { reconnectStorm } from "./scenarios/reconnect-storm.ts";
import { search } from "./scenarios/search.ts";

/*
 * `npm run bench`: the service beside what people use today. docs/performance.md
 *
 *   --quick        small and short, to see that it works and counts right; targets are not looked at
 *   --no-targets   exit code 0 also when a target is missed
 *   --no-report    docs/performance.md stays as it is
 *   --only <name>  one scenario; the report stays as it is
 *   --rounds <n>   rounds of each contender, 4 by default
 *
 * A wrong result ends it with exit code 1, whatever the flags. TMPDIR must be on a disk.
 */

const SCENARIOS: Scenario[] = [
  offeredRates,
  pair,
  fanOut,
  oneSender,
  manyConversations,
  reconnectStorm,
  deploy,
  inboxes,
  coldStart,
  idleMemory,
  database,
  search,
  cost,
];

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    "no-targets": { type: "boolean", default: false },
    "no-report": { type: "boolean", default: false },
    only: { type: "string" },
    rounds: { type: "string" },
  },
});

const cleanup: Cleanup = [];
let exitCode = 1;
try {
  exitCode = await main();
} catch (error) {
  console.error(error instanceof WrongResultError ? `\nA wrong result. ${error.message}` : error);
} finally {
  for (const stop of cleanup.reverse()) await stop().catch((error: unknown) => console.error(error));
}
process.exit(exitCode);

async function main(): Promise<number> {
  const scenarios = SCENARIOS.filter(({ name }) => options.only === undefined || options.only === name);
  if (scenarios.length === 0) {
    console.error(`--only takes one of ${SCENARIOS.map(({ name }) => name).join(", ")}.`);
    return 1;
  }
  const from = Date.now();
  const { bench, machine } = await prepare();
  console.log(machine.join("\n"));
  const findings: Findings[] = [];
  for (const scenario of scenarios) {
    findings.push(await scenario.run(bench));
    console.log(`  (${scenario.name}: ${Math.round((Date.now() - from) / 1000)} s since the beginning)`);
  }

  console.log(`\n${findings.map(formatFindings).join("\n\n")}`);
  if (options.quick) {
    console.log("\nEverything arrived as it should.");
    return 0;
  }
  const verdicts = findings.flatMap((each) => each.verdicts);
  if (verdicts.length > 0) console.log(`\n${formatTable(verdictTable(verdicts))}`);
  if (options.only === undefined && !options["no-report"]) {
    machine.push(`The run took ${Math.round((Date.now() - from) / 60_000)} minutes.`);
    console.log(`\nWritten: ${await writeReport(machine, findings)}`);
  }
  return verdicts.every(({ isMet }) => isMet) || options["no-targets"] ? 0 : 1;
}

async function prepare(): Promise<{ bench: Bench; machine: string[] }> {
  const directory = await mkdtemp(join(tmpdir(), "arcyou-bench-"));
  cleanup.push(() => rm(directory, { recursive: true, force: true }));
  const server = await startServer(cleanup);
  const redis = await startRedis(cleanup);
  const shared = await createDatabase(server.url, "bench", cleanup);
  const schema = new URL("./contenders/classic-schema.sql", import.meta.url);
  await shared.client.query(await readFile(schema, "utf8"));
  const service = await buildService(directory);
  const ours = await startOurs(
    { home: join(directory, "ours"), modules: { "index.js": service }, database: shared },
    cleanup,
  );
  const object = await startObject({ home: join(directory, "object") }, cleanup);
  const onRedis = redis && { database: shared, redisUrl: redis.url };
  const bench: Bench = {
    isQuick: options.quick,
    rounds: Number(options.rounds ?? (options.quick ? 1 : 4)),
    contenders: onRedis
      ? [
          ours,
          await startClassic({ ...onRedis, isOneStatement: false }, cleanup),
          await startSocketIo(onRedis, cleanup),
          object,
        ]
      : [ours, object],
    ours,
    classicInOneStatement: onRedis ? [await startClassic({ ...onRedis, isOneStatement: true }, cleanup)] : [],
    service,
    startOurs: ({ name, ...rest }) => startOurs({ home: join(directory, name), ...rest }, cleanup),
    database: shared,
    createDatabase: (name) => createDatabase(server.url, name, cleanup),
  };
  return { bench, machine: await describeMachine(directory, server.version, redis?.version ?? null) };
}

async function describeMachine(
  directory: string,
  postgresVersion: string,
  redisVersion: string | null,
): Promise<string[]> {
  const TMPFS = 0x0102_1994;
  const { type } = await statfs(directory);
  return [
    `${new Date().toISOString().slice(0, 10)}, ${availableParallelism()} cores (${cpus()[0]?.model}), ${process.platform}.`,
    `Node ${process.version}, workerd ${WORKERD_VERSION}, PostgreSQL ${postgresVersion}, ${redisVersion === null ? HOW_TO_GET_REDIS : `Redis ${redisVersion}.`}`,
    ...(type === TMPFS ? [`${tmpdir()} is memory: commits cost nothing there. Set TMPDIR to a disk.`] : []),
  ];
}

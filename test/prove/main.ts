import { randomInt } from "node:crypto";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { check } from "../checker/check.ts";
import { runFaults } from "../faults/run.ts";
import { explore } from "../simulation/explore.ts";
import { drawPlan, type Plan } from "../simulation/plan.ts";
import { runPlan } from "../simulation/run.ts";
import { shrink } from "../simulation/shrink.ts";
import { writeEvidence } from "./evidence.ts";
import { appendLine, countViolations, currentCommit } from "./ledger.ts";

/*
 * `npm run prove`: tries to break the promises of docs/protocol.md. docs/evidence.md
 *
 *   --only simulation | real   one of the two
 *   --minutes <n>              each of them for so long; otherwise a fixed amount of a few minutes
 *   --seed <n>                 the first seed; otherwise one at random
 *   --replay <n>               runs one schedule of the simulation again, shrinks it if it fails, and writes no line
 */

const SCHEDULES = 20_000;
const ROUNDS = 40;
/** More than 50,000, because one of the conversations is deleted on the way and is not judged to its end. */
const MIN_SENDS = 58_000;
const MIN_KILLS = 30;
const ROUNDS_A_MINUTE = 12;

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    minutes: { type: "string" },
    seed: { type: "string" },
    replay: { type: "string" },
  },
});

const commit = currentCommit();
const minutes = options.minutes === undefined ? null : Number(options.minutes);
// Seeds are 32 bits wide.
const seed = options.seed === undefined ? randomInt(2 ** 32 - 2 ** 28) : Number(options.seed);

process.exitCode = options.replay === undefined ? await prove() : await replay(Number(options.replay));

async function prove(): Promise<number> {
  let isSound = true;
  if (options.only !== "real") isSound = (await proveBySimulation()) && isSound;
  if (options.only !== "simulation") isSound = (await proveByRealRuns()) && isSound;
  writeEvidence();
  return isSound ? 0 : 1;
}

async function proveBySimulation(): Promise<boolean> {
  const startedAt = Date.now();
  const endAt = minutes === null ? Number.POSITIVE_INFINITY : startedAt + minutes * 60_000;
  console.log(`Simulation from seed ${seed} at ${commit}`);
  const sum = await explore({
    from: seed,
    count: minutes === null ? SCHEDULES : Number.MAX_SAFE_INTEGER - seed,
    isOver: () => Date.now() >= endAt,
    progress: ({ schedules, failures }) => {
      if (schedules % 1_000 === 0) console.log(`  ${schedules} schedules, ${failures.length} failed`);
    },
  });
  appendLine({
    date: new Date().toISOString(),
    commit,
    layer: "simulation",
    seed: `${seed} to ${seed + sum.schedules - 1}`,
    runs: sum.schedules,
    operations: sum.operations,
    acknowledged: sum.acknowledged,
    seen: sum.seen,
    faults: sum.faultsByName,
    violations: countViolations(sum.failures.flatMap(({ violations }) => violations)),
    void: sum.voids.length,
    seconds: Math.round((Date.now() - startedAt) / 1_000),
  });
  for (const failure of sum.failures.slice(0, 10)) {
    console.log(`Seed ${failure.seed} at ${commit}: npm run prove -- --replay ${failure.seed}`);
    for (const { invariant, message } of failure.violations.slice(0, 5))
      console.log(`  ${invariant} ${message}`);
  }
  console.log(
    `${sum.schedules} schedules, ${sum.failures.length} failed, ${sum.voids.length} proved nothing.`,
  );
  return sum.failures.length === 0 && sum.voids.length < sum.schedules / 100;
}

async function proveByRealRuns(): Promise<boolean> {
  const startedAt = Date.now();
  console.log(`Real runs from seed ${seed} at ${commit}`);
  const {
    verdict,
    historyFile,
    counts: run,
  } = await runFaults({
    seed,
    rounds: minutes === null ? ROUNDS : Math.max(1, Math.round(minutes * ROUNDS_A_MINUTE)),
    minSends: minutes === null ? MIN_SENDS : 0,
    historyFile: join(mkdtempSync(join(tmpdir(), "arcyou-prove-")), `real-${seed}.jsonl`),
    print: console.log,
  });
  const { counts, violations, isVoid } = verdict;
  appendLine({
    date: new Date().toISOString(),
    commit,
    layer: "real",
    seed: String(seed),
    runs: 1,
    operations: counts.operations,
    acknowledged: counts.acknowledged,
    seen: counts.seen,
    faults: counts.faultsByName,
    violations: countViolations(violations),
    void: isVoid.length > 0 ? 1 : 0,
    seconds: Math.round((Date.now() - startedAt) / 1_000),
  });
  for (const { invariant, message } of violations.slice(0, 20)) console.log(`  ${invariant} ${message}`);
  for (const reason of isVoid) console.log(`  void: ${reason}`);
  console.log(`${counts.acknowledged} sends acknowledged, ${violations.length} violations. ${historyFile}`);
  const isEnough = minutes !== null || run.kills >= MIN_KILLS;
  if (!isEnough) console.log(`  only ${run.kills} kills`);
  return violations.length === 0 && isVoid.length === 0 && isEnough;
}

/** One schedule again, and the smallest part of it that fails in the same way. */
async function replay(replayed: number): Promise<number> {
  const plan = drawPlan(replayed);
  const history = await runPlan(plan);
  const { violations, isVoid } = check(history);
  const directory = join(tmpdir(), `arcyou-replay-${replayed}`);
  mkdirSync(directory, { recursive: true });
  writeFileSync(
    join(directory, "history.jsonl"),
    history.map((entry) => `${JSON.stringify(entry)}\n`).join(""),
  );
  for (const { invariant, message } of violations) console.log(`${invariant} ${message}`);
  for (const reason of isVoid) console.log(`void: ${reason}`);
  console.log(`Seed ${replayed} at ${commit}: ${violations.length} violations. ${directory}/history.jsonl`);
  const [first] = violations;
  if (!first) return 0;
  const fails = async (candidate: Plan): Promise<boolean> => {
    const verdict = check(await runPlan(candidate));
    return verdict.violations.some(({ invariant }) => invariant === first.invariant);
  };
  const smallest = await shrink(plan, fails);
  console.log(
    `${smallest.steps.length} of ${plan.steps.length} steps are enough to break ${first.invariant}:`,
  );
  console.log(JSON.stringify({ ...smallest, steps: [] }));
  for (const step of smallest.steps) console.log(JSON.stringify(step));
  writeFileSync(join(directory, "plan.json"), JSON.stringify(smallest, null, 2));
  return 1;
}

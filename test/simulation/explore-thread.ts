import { parentPort } from "node:worker_threads";
import { check } from "../checker/check.ts";
import type { Exploration, Task } from "./explore.ts";
import { drawPlan } from "./plan.ts";
import { runPlan } from "./run.ts";

/** What nobody waited for and nobody caught, in the schedule that runs. */
const uncaught: unknown[] = [];
process.on("unhandledRejection", (error) => uncaught.push(error));

/** Runs and judges schedules for {@link explore}. */
async function exploreSeeds(seeds: readonly number[]): Promise<Exploration> {
  const sum: Exploration = {
    schedules: 0,
    operations: 0,
    acknowledged: 0,
    seen: 0,
    faults: 0,
    faultsByName: {},
    failures: [],
    voids: [],
  };
  for (const seed of seeds) {
    sum.schedules += 1;
    try {
      const history = await runPlan(drawPlan(seed));
      for (const error of uncaught.splice(0)) throw error;
      const { violations, isVoid, counts } = check(history);
      sum.operations += counts.operations;
      sum.acknowledged += counts.acknowledged;
      sum.seen += counts.seen;
      for (const entry of history) {
        if (entry.kind !== "fault" || entry.phase !== "fired") continue;
        sum.faults += 1;
        sum.faultsByName[entry.name] = (sum.faultsByName[entry.name] ?? 0) + 1;
      }
      if (violations.length > 0) sum.failures.push({ seed, violations });
      else if (isVoid.length > 0) sum.voids.push({ seed, reasons: isVoid });
    } catch (error) {
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      sum.failures.push({ seed, violations: [{ invariant: "crash", message }] });
    }
  }
  return sum;
}

parentPort?.on("message", ({ seeds }: Task) => {
  void exploreSeeds(seeds).then((result) => parentPort?.postMessage(result));
});

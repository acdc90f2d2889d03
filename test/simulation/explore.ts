import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Invariant } from "../checker/check.ts";

/** What a range of seeds came to. */
export interface Exploration {
  schedules: number;
  operations: number;
  acknowledged: number;
  seen: number;
  faults: number;
  /** How often each fault happened. */
  faultsByName: Record<string, number>;
  failures: Failure[];
  voids: Array<{ seed: number; reasons: string[] }>;
}

export interface Failure {
  seed: number;
  violations: Array<{ invariant: Invariant | "crash"; message: string }>;
}

/** What a thread is given. */
export interface Task {
  seeds: number[];
}

const TASK_SEEDS = 100;

/**
 * Runs the schedules of consecutive seeds on all cores.
 *
 * @param options.count schedules that prove something
 * @param options.isOver asked between tasks, for an earlier end
 */
export async function explore(options: {
  from: number;
  count: number;
  threads?: number;
  isOver?: () => boolean;
  progress?: (sum: Exploration) => void;
}): Promise<Exploration> {
  const { from, count, threads = availableParallelism(), isOver = () => false, progress } = options;
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
  let next = from;
  const runThread = async (): Promise<void> => {
    const thread = new Worker(new URL("./explore-thread.ts", import.meta.url), {
      // node:sqlite says with every start that it is experimental.
      execArgv: ["--no-warnings"],
    });
    try {
      for (;;) {
        // A schedule that proves nothing does not count.
        const left = from + count + sum.voids.length - next;
        if (left <= 0 || isOver()) break;
        const seeds = Array.from({ length: Math.min(TASK_SEEDS, left) }, (_, n) => next + n);
        next += seeds.length;
        add(sum, await ask(thread, { seeds }));
        progress?.(sum);
      }
    } finally {
      await thread.terminate();
    }
  };
  await Promise.all(Array.from({ length: threads }, runThread));
  sum.failures.sort((a, b) => a.seed - b.seed);
  return sum;
}

function ask(thread: Worker, task: Task): Promise<Exploration> {
  return new Promise((resolve, reject) => {
    thread.once("error", reject);
    thread.once("message", (result: Exploration) => {
      thread.off("error", reject);
      resolve(result);
    });
    thread.postMessage(task);
  });
}

/** Adds a part to a sum. */
export function add(sum: Exploration, part: Exploration): void {
  sum.schedules += part.schedules;
  sum.operations += part.operations;
  sum.acknowledged += part.acknowledged;
  sum.seen += part.seen;
  sum.faults += part.faults;
  for (const [name, times] of Object.entries(part.faultsByName))
    sum.faultsByName[name] = (sum.faultsByName[name] ?? 0) + times;
  sum.failures.push(...part.failures);
  sum.voids.push(...part.voids);
}

import { execFileSync } from "node:child_process";
import { closeSync, openSync, readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { check, type Verdict } from "../checker/check.ts";
import type { Entry } from "../checker/history.ts";
import { Random } from "../simulation/random.ts";
import { BareService } from "../stack/bare-service.ts";
import { Service } from "../stack/service.ts";
import type { Stack } from "../stack/stack.ts";
import { Battle } from "./battle.ts";
import { Crowd } from "./crowd.ts";
import { prepareFailures } from "./database.ts";
import { planRounds } from "./plan.ts";
import { awaitQuiet, type Cast, dumpEverything } from "./quiet.ts";
import { Recorder } from "./recorder.ts";

export interface FaultRunOptions {
  seed: number;
  /** Each has a kill or a deploy and one to four other faults, and takes about five seconds. */
  rounds: number;
  /** Goes on without faults until so many sends are acknowledged. */
  minSends?: number;
  /** Where the history is written. */
  historyFile: string;
  /** What runs: workerd and PostgreSQL alone (default), or all of `npm run dev`. */
  runs?: "workerd" | "dev";
  /** Changes the built service, where workerd runs alone: to see that a defect is found. */
  rewrite?: (bundle: string) => string;
  /** Within this time after the healing everything finishes (I13). Default: 60 s. */
  quietLimitMs?: number;
  /** One line about where the run stands. */
  print?: (line: string) => void;
}

export interface FaultRun {
  historyFile: string;
  verdict: Verdict;
  counts: { sends: number; kills: number; faults: Record<string, number>; seconds: number };
}

const QUIET_LIMIT_MS = 60_000;

/** Runs the service and its clients under faults, and has the history judged. */
export async function runFaults(options: FaultRunOptions): Promise<FaultRun> {
  const { seed, historyFile, runs = "workerd", print = () => {} } = options;
  const beganMs = Date.now();
  const random = new Random(seed);
  const isBare = runs === "workerd";
  const rounds = planRounds(new Random(random.fork()), options.rounds, { isBare });
  const recorder = beginHistory(historyFile, seed, rounds.flat());
  const service = isBare ? await startBare(options.rewrite) : await startWhole();
  const crowd = new Crowd({
    recorder,
    random: new Random(random.fork()),
    port: service.port,
    ...(isBare ? FAST : SLOW),
  });
  try {
    await crowd.start();
    const proxies = crowd.seats.map(({ proxy }) => proxy);
    const battle = new Battle(service, crowd, recorder, new Random(random.fork()), proxies);
    for (const [index, round] of rounds.entries()) {
      await battle.fight(round);
      if (index + 1 === Math.ceil(rounds.length / 2)) await endOne(crowd);
      const names = round.map(({ name }) => name).join(", ");
      print(`round ${index + 1} of ${rounds.length}: ${names}; ${crowd.acknowledged} sends`);
    }
    while (crowd.acknowledged < (options.minSends ?? 0)) await sleep(100);
    const restless = await finish(recorder, service, crowd, random, options);
    if (restless !== null) print(`not at rest: ${restless}`);
    const seconds = (Date.now() - beganMs) / 1_000;
    print(`judging the history after ${Math.round(seconds)} s`);
    const verdict = check(readHistory(historyFile));
    return { historyFile, verdict, counts: { sends: crowd.acknowledged, ...battle.counts, seconds } };
  } finally {
    await crowd.close();
    await service.stop();
  }
}

/** One of several conversations is deleted in the middle of everything. */
async function endOne(crowd: Crowd): Promise<void> {
  const talk = crowd.talks.at(-1);
  if (talk) await crowd.end(talk);
}

/** Many more commands than the service allows by default, which would be too slow for a run of minutes. */
export const HURRY = {
  variables: { COMMANDS_PER_SECOND: "1000", COMMAND_BURST: "2000" },
  pace: { perSecond: 900, burst: 900 },
};
const FAST = {
  conversations: 6,
  users: 8,
  participants: 4,
  pauseMs: 220,
  pace: HURRY.pace,
  isPoisonous: true,
};
/** Within the limits of the service as it is. */
const SLOW = { conversations: 3, users: 4, participants: 3, pauseMs: 400 };

/** Workerd alone, with a Postgres that can be made to fail. */
export async function startBare(rewrite?: (bundle: string) => string): Promise<BareService> {
  const service = await BareService.create({ variables: HURRY.variables, ...(rewrite ? { rewrite } : {}) });
  await prepareFailures(await service.databaseUrl());
  await service.start();
  return service;
}

async function startWhole(): Promise<Service> {
  const service = await Service.create();
  await service.start();
  return service;
}

/** Begins a history whose run has these faults ahead. */
export function beginHistory(path: string, seed: number, faults: readonly { id: string }[]): Recorder {
  const recorder = new Recorder(path);
  recorder.write({
    kind: "run",
    run: `real-${seed}`,
    layer: "real",
    commit: commitOf(),
    seed,
    faults: faults.map(({ id }) => id),
  });
  return recorder;
}

/**
 * Ends a run: nobody begins anything more, it is settled who takes part, everything comes to rest, and what everybody
 * holds is written.
 *
 * @param options `others` are devices beside those of the crowd
 * @returns what did not come to rest; null if everything did
 */
export async function finish(
  recorder: Recorder,
  service: Stack,
  crowd: Crowd,
  random: Random,
  { quietLimitMs = QUIET_LIMIT_MS, others = [] }: { quietLimitMs?: number; others?: Cast["devices"] } = {},
): Promise<string | null> {
  await crowd.hush();
  for (const talk of crowd.talks) if (!talk.isEnded) await crowd.settleGuest(talk, random.chance(0.5));
  const cast: Cast = {
    conversations: crowd.talks.map(({ id, users, guest, hasGuest, isEnded }) => ({
      id,
      users,
      members: isEnded ? [] : users.filter((user) => user !== guest || hasGuest),
    })),
    devices: [
      ...crowd.seats.map((seat) => ({
        device: seat.device,
        conversations: crowd.talksOf(seat).map(({ id }) => id),
      })),
      ...others,
    ],
  };
  const restless = await awaitQuiet(recorder, service, cast, quietLimitMs);
  await dumpEverything(recorder, service, cast);
  recorder.close();
  return restless;
}

/** The entries of a history, read as they are asked for. */
export function* readHistory(path: string): Generator<Entry> {
  const file = openSync(path, "r");
  const chunk = Buffer.alloc(1024 * 1024);
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const bytes = readSync(file, chunk);
      if (bytes === 0) return;
      const lines = (rest + decoder.decode(chunk.subarray(0, bytes), { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield JSON.parse(line);
    }
  } finally {
    closeSync(file);
  }
}

function commitOf(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}

import { randomUUID } from "node:crypto";
import type { Bench } from "./bench.ts";
import type { Contender, ContenderName } from "./contenders/contender.ts";
import { Load, type Round } from "./load.ts";
import { formatNumber, formatRatio, median } from "./statistics.ts";

/** What each contender did in each round. */
export type Rounds<T> = Map<ContenderName, T[]>;

/** Connects the same groups of users to each contender, in conversations of its own. */
export async function connectAll(
  contenders: Contender[],
  groups: Array<{ members: number; senders: number }>,
): Promise<Load[]> {
  const loads: Load[] = [];
  for (const contender of contenders) {
    const connected = [];
    for (const { members, senders } of groups) {
      const users = Array.from({ length: members }, () => randomUUID());
      connected.push({ conversationId: await contender.createConversation(users), users, senders });
    }
    loads.push(await Load.connect(contender, connected));
  }
  return loads;
}

/** Lets each run once a round, one after the other; the next one begins when Postgres has caught up. */
export async function takeTurns(
  bench: Bench,
  loads: Load[],
  run: (load: Load) => Promise<Round>,
): Promise<Rounds<Round>> {
  const rounds: Rounds<Round> = new Map();
  for (let count = 0; count < bench.rounds; count += 1) {
    for (const load of loads) {
      const round = await run(load);
      const storedMs = await load.stored();
      printRound(load.contender, round, storedMs);
      rounds.set(load.contender.name, [...(rounds.get(load.contender.name) ?? []), round]);
    }
  }
  return rounds;
}

/** Of what was offered: whoever delivered less is not offered more. */
const LEFT_BEHIND = 0.6;

/** @returns those to go on with: ours, the classic stack it is compared with, and whoever keeps up with the offer */
export function closeLeftBehind(
  loads: Load[],
  rounds: Rounds<Round>,
  offeredEventsPerSecond: number,
): Load[] {
  return loads.filter((load) => {
    const { name } = load.contender;
    const delivered = median(valuesOf(rounds, name, eventsPerSecond));
    if (name === "ours" || name === "classic" || delivered > LEFT_BEHIND * offeredEventsPerSecond)
      return true;
    load.close();
    return false;
  });
}

export const valuesOf = <T>(
  rounds: Rounds<T>,
  name: ContenderName,
  measure: (round: T) => number,
): number[] => (rounds.get(name) ?? []).map(measure);

/**
 * Ours by the other's. The machine's mood changes within a run, so each round is compared with its neighbour, and the
 * median of these ratios is taken. NaN when the other one is missing.
 */
export function ratioOf<T>(rounds: Rounds<T>, other: ContenderName, measure: (round: T) => number): number {
  const others = valuesOf(rounds, other, measure);
  return median(
    valuesOf(rounds, "ours", measure)
      .slice(0, others.length)
      .map((value, index) => value / (others[index] ?? Number.NaN)),
  );
}

/** A last row of a table: ratios to the classic stack. None where it could not be started. */
export const comparison = (ratios: number[]): string[][] =>
  ratios.every(Number.isNaN)
    ? []
    : [["ours by classic", ...ratios.map((ratio) => (Number.isNaN(ratio) ? "" : formatRatio(ratio)))]];

export const eventsPerSecond = ({ delivered, seconds }: Round): number => delivered / seconds;
export const acksPerSecond = ({ acks, seconds }: Round): number => acks / seconds;

export function printRound({ name }: Contender, round: Round, storedMs: number | null): void {
  const { ack } = round;
  console.log(
    `  ${name.padEnd(9)} ${formatNumber(eventsPerSecond(round))} events/s, ${formatNumber(acksPerSecond(round))} acks/s, ` +
      `ack p50 ${formatNumber(ack.quantile(0.5))} p99 ${formatNumber(ack.quantile(0.99))} ms, ` +
      `${(round.delivered / round.frames).toFixed(1)} events a frame, ` +
      `generator busy ${Math.round(round.generatorBusy * 100)} %` +
      `${storedMs === null ? "" : `, in Postgres ${storedMs} ms later`}` +
      `${round.overtaken === 0 ? "" : `, ${round.overtaken} events overtaken`}`,
  );
}

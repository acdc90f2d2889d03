import type { Random } from "../simulation/random.ts";
import { NETWORK_FAULTS, POSTGRES_FAULTS, PROCESS_FAULTS } from "./fault-kinds.ts";

/** One fault that is to happen. */
export interface PlannedFault {
  /** Unique in the run. */
  id: string;
  name: string;
  /** How long after the beginning of its round. */
  afterMs: number;
  /** How long it lasts once it has happened. */
  lastsMs: number;
  /** Of the network: how many of the seats it strikes. */
  share: number;
}

/** Two to five faults at once. */
export type Round = PlannedFault[];

/** Of so many rounds, one has a deploy instead of a kill. */
const DEPLOY_EVERY = 6;
/** Of so many rounds, one has what is said on old connections arrive late: too seldom by chance for what it finds. */
const LATE_EVERY = 6;

/**
 * What is to happen, drawn from the seed: in each round a kill or a deploy, and one to four other faults.
 *
 * @param options `isBare`: whether workerd runs alone, so that it can be deployed anew and its Postgres be struck;
 *   `networks`: faults of the network at once, at most; there have to be as many ways to strike
 */
export function planRounds(
  random: Random,
  rounds: number,
  { isBare = true, networks: most = 3 }: { isBare?: boolean; networks?: number } = {},
): Round[] {
  return Array.from({ length: rounds }, (_, index) => {
    const isDeploy = isBare && index % DEPLOY_EVERY === DEPLOY_EVERY - 1;
    const names: string[] = [isDeploy ? "deploy" : "kill"];
    if (isBare && random.chance(0.5)) names.push(random.pick(Object.keys(POSTGRES_FAULTS)));
    if (index % LATE_EVERY === 2) names.push("late");
    const networks = random.integer(names.length === 1 ? 1 : 0, names.includes("late") ? most - 1 : most);
    for (let n = 0; n < networks; n += 1) names.push(random.pick(Object.keys(NETWORK_FAULTS)));
    return names.map((name, n) => {
      // What comes late has to find the service alive, and takes its time by itself.
      const isLate = name === "late";
      return {
        id: `f${index + 1}.${n + 1}`,
        name,
        afterMs: isLate ? random.integer(2_000, 2_500) : random.integer(0, 800),
        lastsMs: isLate || name in PROCESS_FAULTS ? 0 : random.integer(300, 3_000),
        share: random.pick([0.15, 0.4, 1]),
      };
    });
  });
}

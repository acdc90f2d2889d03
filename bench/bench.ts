import type { Contender } from "./contenders/contender.ts";
import type { Ours, OursOptions } from "./contenders/ours.ts";
import type { Database } from "./database.ts";

/** What scenarios have in common. */
export interface Bench {
  /** Small and short: it shows that everything works and counts right, not how fast it is. */
  isQuick: boolean;
  /** Rounds of each contender where they take turns. */
  rounds: number;
  /** Whoever could be started, the service first. */
  contenders: Contender[];
  ours: Ours;
  /** The classic stack with a transaction in one statement, where there is Redis. */
  classicInOneStatement: Contender[];
  /** The built service. */
  service: string;
  /** Starts another instance of the service, with objects of its own. */
  startOurs(options: Omit<OursOptions, "home"> & { name: string }): Promise<Ours>;
  database: Database;
  /** Creates another database on the same server. */
  createDatabase(name: string): Promise<Database>;
}

export interface Scenario {
  name: string;
  run(bench: Bench): Promise<Findings>;
}

/** A chapter of the report. */
export interface Findings {
  title: string;
  /** What was done, in a sentence or two of Markdown. */
  text: string;
  tables: Table[];
  charts: Chart[];
  verdicts: Verdict[];
}

/** Cells are Markdown; the first row is the head. */
export type Table = string[][];

/** A target and what was measured. */
export interface Verdict {
  target: string;
  measured: string;
  isMet: boolean;
}

export interface Chart {
  /** Name of the file, without its ending. */
  file: string;
  title: string;
  kind: "bars" | "lines";
  /** Below the groups of bars, or the points of the lines. */
  labels: string[];
  /** What `labels` are. */
  labelTitle: string;
  /** Unit of the values. */
  unit: string;
  isLogarithmic: boolean;
  series: Array<{ title: string; values: number[] }>;
}

/** A verdict on a ratio: `atLeast` or `atMost` times. NaN, where there was nobody to compare with, is no verdict. */
export function ratioVerdict(
  target: string,
  ratio: number,
  bound: { atLeast: number } | { atMost: number },
): Verdict[] {
  if (Number.isNaN(ratio)) return [];
  const isMet = "atLeast" in bound ? ratio >= bound.atLeast : ratio <= bound.atMost;
  const limit = "atLeast" in bound ? `≥ ${bound.atLeast}×` : `≤ ${bound.atMost}×`;
  return [{ target: `${target} ${limit}`, measured: `${ratio.toFixed(ratio < 10 ? 2 : 1)}×`, isMet }];
}

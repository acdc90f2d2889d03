import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import type { Verdict } from "../checker/check.ts";

/** As many violations as tell what is wrong. */
const SHOWN_VIOLATIONS = 20;

/** Of the random choices of a run; another one each time unless FAULT_SEED repeats one. */
export const SEED = Number(process.env.FAULT_SEED ?? Date.now() % 1_000_000);

/**
 * Gives a run a file for its history, and removes it if all was well.
 *
 * @throws what the run throws, with the seed and where the history is kept
 */
export async function keepHistory(name: string, run: (historyFile: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "arcyou-faults-"));
  const historyFile = join(directory, `${name}-${SEED}.jsonl`);
  try {
    await run(historyFile);
  } catch (error) {
    throw new Error(`FAULT_SEED=${SEED} fails; its history is ${historyFile}.`, { cause: error });
  }
  await rm(directory, { recursive: true, force: true });
}

/** Nothing was violated, and that proves something. */
export function expectSound({ violations, isVoid }: Verdict): void {
  expect(violations.slice(0, SHOWN_VIOLATIONS)).toEqual([]);
  expect(isVoid).toEqual([]);
}

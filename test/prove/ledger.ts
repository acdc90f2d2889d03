import { execFileSync } from "node:child_process";
import { appendFileSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");
export const LEDGER = join(ROOT, "docs/evidence/ledger.jsonl");

/** One run that set out to break a promise, and what came of it. Lines are only ever added. */
export interface LedgerLine {
  /** ISO 8601, of the end of the run. */
  date: string;
  /** Of the code that ran; a `+` behind it says that the tree held more than the commit. */
  commit: string;
  layer: "simulation" | "real";
  /** The seed, or the first and last of many. */
  seed: string;
  /** Histories judged. */
  runs: number;
  operations: number;
  acknowledged: number;
  /** Messages seen on their way to somebody. */
  seen: number;
  /** How often each fault happened. */
  faults: Record<string, number>;
  /** `I1` to `I15`, each as often as it was broken. */
  violations: Record<string, number>;
  /** Runs that proved nothing. */
  void: number;
  seconds: number;
}

/** The commit that is checked out; with a `+` where files differ from it. */
export function currentCommit(): string {
  const git = (...args: string[]): string =>
    execFileSync("git", args, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    // What these runs write themselves is no other code.
    const changed = git("status", "--porcelain", "--", ".", ":!docs/evidence", ":!docs/evidence.md");
    return git("rev-parse", "--short=10", "HEAD") + (changed === "" ? "" : "+");
  } catch {
    return "unknown";
  }
}

export function appendLine(line: LedgerLine): void {
  appendFileSync(LEDGER, `${JSON.stringify(line)}\n`);
}

export function readLedger(): LedgerLine[] {
  return readFileSync(LEDGER, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as LedgerLine);
}

/** How often each invariant was broken. */
export function countViolations(violations: ReadonlyArray<{ invariant: string }>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { invariant } of violations) counts[invariant] = (counts[invariant] ?? 0) + 1;
  return counts;
}

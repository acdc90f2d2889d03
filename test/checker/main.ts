import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { Judge, type Verdict } from "./check.ts";
import { parseEntry } from "./parse.ts";

/*
 * `node test/checker/main.ts history.jsonl`: judges a history. Ends with 1 if anything was violated or the run proves
 * nothing, with 2 if the file is no history.
 */

const SHOWN = 50;

const { positionals } = parseArgs({ allowPositionals: true });
const [file] = positionals;
if (file === undefined || positionals.length > 1) {
  console.error("Usage: node test/checker/main.ts history.jsonl");
  process.exitCode = 2;
} else {
  try {
    const verdict = await judge(file);
    print(verdict);
    process.exitCode = verdict.violations.length > 0 || verdict.isVoid.length > 0 ? 1 : 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 2;
  }
}

async function judge(path: string): Promise<Verdict> {
  const judge = new Judge();
  let number = 0;
  for await (const line of createInterface({
    input: createReadStream(path),
    crlfDelay: Number.POSITIVE_INFINITY,
  })) {
    number += 1;
    if (line !== "") judge.take(parseEntry(line, `${path}:${number}`));
  }
  return judge.verdict();
}

function print({ violations, isVoid, counts }: Verdict): void {
  for (const { invariant, message, t } of violations.slice(0, SHOWN))
    console.log(`${invariant} ${t === undefined ? "in the end" : `at ${t}`}: ${message}`);
  if (violations.length > SHOWN) console.log(`… and ${violations.length - SHOWN} more.`);
  for (const reason of isVoid) console.log(`void: ${reason}`);
  const { violations: byInvariant, faultsByName, ...sums } = counts;
  for (const [name, count] of Object.entries({ ...sums, ...faultsByName })) console.log(`${name}: ${count}`);
  const broken = Object.entries(byInvariant).map(([invariant, count]) => `${invariant} ${count} times`);
  console.log(broken.length > 0 ? `Broken: ${broken.join(", ")}.` : "I1 to I15 hold.");
}

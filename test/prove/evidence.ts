import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type LedgerLine, readLedger } from "./ledger.ts";

const DOCS = resolve(import.meta.dirname, "../../docs");
export const EVIDENCE = join(DOCS, "evidence.md");
const LATEST = 20;

/** `docs/evidence.md`: what is written about the method and the findings, and the ledger as tables. */
export function evidenceText(ledger: readonly LedgerLine[]): string {
  const read = (file: string): string => readFileSync(join(DOCS, "evidence", file), "utf8").trim();
  return `${[
    "# Evidence",
    "<!-- Made by `npm run prove` from docs/evidence/. Change those files. -->",
    read("method.md"),
    "## The ledger",
    totals(ledger),
    `The latest ${LATEST} runs; all of them, line by line, are in [evidence/ledger.jsonl](evidence/ledger.jsonl).`,
    latest(ledger.slice(-LATEST)),
    read("findings.md"),
  ].join("\n\n")}\n`;
}

export function writeEvidence(): void {
  writeFileSync(EVIDENCE, evidenceText(readLedger()));
}

function totals(ledger: readonly LedgerLine[]): string {
  const rows = (["simulation", "real"] as const).map((layer) => {
    const lines = ledger.filter((line) => line.layer === layer);
    const sum = (of: (line: LedgerLine) => number): number =>
      lines.reduce((total, line) => total + of(line), 0);
    return [
      layer,
      count(sum(({ runs }) => runs)),
      count(sum(({ operations }) => operations)),
      count(sum(({ acknowledged }) => acknowledged)),
      count(sum(({ faults }) => total(faults))),
      count(sum(({ violations }) => total(violations))),
      count(sum((line) => line.void)),
    ];
  });
  return table(
    ["all time", "histories", "operations", "sends acknowledged", "faults", "violations", "void"],
    rows,
  );
}

function latest(lines: readonly LedgerLine[]): string {
  return table(
    ["date", "commit", "layer", "seed", "histories", "acknowledged", "faults", "violations", "void"],
    lines
      .toReversed()
      .map((line) => [
        line.date.slice(0, 16).replace("T", " "),
        line.commit,
        line.layer,
        line.seed,
        count(line.runs),
        count(line.acknowledged),
        list(line.faults),
        list(line.violations) || "none",
        count(line.void),
      ]),
  );
}

const total = (counts: Record<string, number>): number =>
  Object.values(counts).reduce((sum, times) => sum + times, 0);

const list = (counts: Record<string, number>): string =>
  Object.entries(counts)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, times]) => `${count(times)} ${name}`)
    .join(", ");

const count = (value: number): string => value.toLocaleString("en");

/** A table with padded columns, as the formatter would leave it. */
function table(head: string[], rows: string[][]): string {
  const widths = head.map((cell, column) =>
    Math.max(3, cell.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (cells: string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

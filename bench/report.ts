import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Findings, Table, Verdict } from "./bench.ts";
import { drawChart } from "./svg.ts";

const TEMPLATE = new URL("./report.template.md", import.meta.url);
const REPORT = new URL("../docs/performance.md", import.meta.url);
const IMAGES = new URL("../docs/images/performance/", import.meta.url);

/** Writes `docs/performance.md` and its charts anew. */
export async function writeReport(machine: string[], findings: Findings[]): Promise<string> {
  const template = await readFile(TEMPLATE, "utf8");
  await rm(IMAGES, { recursive: true, force: true });
  await mkdir(IMAGES, { recursive: true });
  for (const chart of findings.flatMap(({ charts }) => charts))
    await writeFile(new URL(`${chart.file}.svg`, IMAGES), drawChart(chart));
  const verdicts = findings.flatMap((each) => each.verdicts);
  const report = template
    .replace("{{machine}}", () => machine.join(" "))
    .replace("{{targets}}", () => formatTable(verdictTable(verdicts)))
    .replace("{{findings}}", () => findings.map(formatFindings).join("\n\n"));
  await writeFile(REPORT, report);
  return fileURLToPath(REPORT);
}

/** What was aimed at, what came of it. */
export function verdictTable(verdicts: Verdict[]): Table {
  return [
    ["target", "measured", ""],
    ...verdicts.map(({ target, measured, isMet }) => [target, measured, isMet ? "met" : "**missed**"]),
  ];
}

/** A chapter as Markdown. */
export function formatFindings({ title, text, tables, charts }: Findings): string {
  return [
    `### ${title}`,
    text,
    ...charts.map((chart) => `![${chart.title}](images/performance/${chart.file}.svg)`),
    ...tables.map(formatTable),
  ].join("\n\n");
}

/** A table as Markdown whose columns line up in a terminal too. */
export function formatTable(table: Table): string {
  const [head = [], ...rows] = table;
  const widths = head.map((_, column) => Math.max(3, ...table.map((row) => (row[column] ?? "").length)));
  const line = (cells: string[]): string =>
    `| ${widths.map((width, column) => (cells[column] ?? "").padEnd(width)).join(" | ")} |`;
  return [line(head), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rows.map(line)].join(
    "\n",
  );
}

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { Specimen } from "./damage.ts";
import { exampleHistory } from "./example.ts";
import type { Entry } from "./history.ts";
import { randomOf } from "./random.ts";

const directory = mkdtempSync(join(tmpdir(), "checker-"));
afterAll(() => rmSync(directory, { recursive: true }));

const textOf = (entries: readonly Entry[]): string =>
  entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");

/** Runs the program on a file of this text. */
async function run(text: string): Promise<{ code: number; out: string; err: string }> {
  const file = join(directory, "history.jsonl");
  writeFileSync(file, text);
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [
      join(import.meta.dirname, "main.ts"),
      file,
    ]);
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, err: stderr };
  }
}

test("a right history ends with 0", async () => {
  const { code, out } = await run(textOf(exampleHistory(1)));
  expect({ code, out }).toEqual({ code: 0, out: expect.stringContaining("I1 to I15 hold.") });
});

test("a violation ends with 1, and is told", async () => {
  const specimen = new Specimen(exampleHistory(1), randomOf(1));
  specimen.postgres("c1").head += 1;
  const { code, out } = await run(textOf(specimen.entries));
  expect({ code, out }).toEqual({ code: 1, out: expect.stringContaining("Broken: I4 1 times.") });
});

test("a void run ends with 1, and the reason is told", async () => {
  const specimen = new Specimen(exampleHistory(1), randomOf(1));
  specimen.all("run")[0]?.faults.push("flood");
  const { code, out } = await run(textOf(specimen.entries));
  expect({ code, out }).toEqual({
    code: 1,
    out: expect.stringContaining("void: The fault flood never happened."),
  });
});

test.each([
  ["no JSON", "{", /history\.jsonl:2: This is not JSON/],
  ["no object", "[]", /:2: This is not an object/],
  ["an unknown kind", '{"kind":"gossip"}', /:2: There is no kind "gossip"/],
  ["a missing field", '{"kind":"crash"}', /:2: A "crash" has no right "t": undefined/],
  ["a wrong type", '{"kind":"crash","t":"1"}', /:2: A "crash" has no right "t": "1"/],
  [
    "a wrong row",
    '{"kind":"log","t":1,"conversation":"c","epoch":"e","head":1,"seq":1,"floor":1,"rows":[{"id":1}]}',
    /no right "rows"/,
  ],
  [
    "an unknown word",
    '{"kind":"fault","t":1,"phase":"begun","fault":"f","name":"n"}',
    /unknown "phase" "begun"/,
  ],
  [
    "a send without a temp_id",
    '{"kind":"operation","t":1,"phase":"invoke","operation":"o","op":"send","client":"c","user":"u","conversation":"c","hash":"h"}',
    /no right "temp_id"/,
  ],
])("%s ends with 2, and the line is named", async (_name, line, message) => {
  const [first] = exampleHistory(1);
  const { code, err } = await run(`${JSON.stringify(first)}\n${line}\n`);
  expect({ code, err }).toEqual({ code: 2, err: expect.stringMatching(message) });
});

import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
let copy: string;

beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), "protocol-"));
  await symlink(join(ROOT, "node_modules"), join(copy, "node_modules"));
  const config = {
    extends: join(ROOT, "tsconfig.json"),
    compilerOptions: { lib: ["ES2024", "DOM"], types: [] },
    include: ["protocol"],
    exclude: ["**/*.test.ts"],
  };
  await writeFile(join(copy, "tsconfig.json"), JSON.stringify(config));
});

afterAll(() => rm(copy, { recursive: true, force: true }));

/** What the compiler says of the protocol with one line after another. */
async function compile(file: string, line: string, added: string): Promise<string> {
  await cp(join(ROOT, "protocol"), join(copy, "protocol"), { recursive: true, force: true });
  const path = join(copy, "protocol", file);
  const text = await readFile(path, "utf8");
  expect(text.split(line)).toHaveLength(2);
  await writeFile(path, text.replace(line, `${line}${added}`));
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  return promisify(execFile)(process.execPath, [tsc, "-p", copy]).then(
    () => "",
    ({ stdout }: { stdout: string }) => stdout,
  );
}

it.each([
  ["a comment", "entities.ts", "preview_url?: string;", " // the same", null],
  ["a field of a type alone", "entities.ts", "preview_url?: string;", " extra?: string;", "Attachment"],
  [
    "a field of a schema alone",
    "entities.ts",
    "preview_url: z.string().optional(),",
    " extra: z.string().optional(),",
    "Attachment",
  ],
  ["an event of a type alone", "frames.ts", "\n  | SettingsUpdated", '\n  | { type: "other" }', "InboxEvent"],
  [
    "a field of a request alone",
    "rest.ts",
    "location_hint: locationHint.optional(),",
    " x: z.int().optional(),",
    "CreateConversation",
  ],
])("the compiler minds %s as it should", async (_what, file, line, added, name) => {
  const said = await compile(file, line, added);
  if (name === null) expect(said).toBe("");
  else expect(said).toContain(`Property '${name}' is incompatible`);
});

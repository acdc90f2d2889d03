import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { CLOSE } from "../protocol/close-codes.ts";
import { durableEvent } from "../protocol/frames.ts";
import { EVIDENCE, evidenceText } from "./prove/evidence.ts";
import { readLedger } from "./prove/ledger.ts";

const ROOT = resolve(import.meta.dirname, "..");
const read = (name: string): string => readFileSync(join(ROOT, name), "utf8");

const rules = new Set(
  [...read("docs/protocol.md").matchAll(/^- \*\*([A-Z]\d+)\*\*/gm)].map((match) => match[1] ?? ""),
);

const titles = ["client", "db", "dev", "durable-objects", "page", "protocol", "test", "workers"]
  .flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)),
  )
  .filter((name) => name.endsWith(".test.ts"))
  .flatMap((name) => [...read(name).matchAll(/^\s*(?:["`]|(?:test|it)\(["`])((?:[A-Z]\d+ ?)+):/gm)])
  .flatMap((match) => (match[1] ?? "").trim().split(" "));
// `test.each(…)("title", …)` has its title on a line that ends the table.
const tabled = readdirSync(join(ROOT, "test/workerd"))
  .flatMap((name) => [...read(join("test/workerd", name)).matchAll(/\)\(\s*"((?:[A-Z]\d+ ?)+):/g)])
  .flatMap((match) => (match[1] ?? "").trim().split(" "));
const cited = new Set([...titles, ...tabled]);

test("every rule of the protocol is held by a test, and tests cite rules that exist", () => {
  expect([...rules].filter((rule) => !cited.has(rule))).toEqual([]);
  expect([...cited].filter((rule) => !rules.has(rule))).toEqual([]);
});

test("the protocol names every close code of its own", () => {
  const text = read("docs/protocol.md");
  for (const code of Object.values(CLOSE).filter((code) => code !== CLOSE.done))
    expect(text).toContain(String(code));
});

test("both READMEs have the same headings, commands and links", () => {
  const parts = (name: string) => {
    const text = read(name);
    return {
      headings: text.match(/^#+ /gm),
      code: [...text.matchAll(/```\w+\n([\s\S]*?)```/g)].map((match) =>
        (match[1] ?? "").replace(/(#|\/\/).*$/gm, "").trim(),
      ),
      links: [...text.matchAll(/\]\(([^)]+)\)/g)]
        .map((match) => match[1])
        .filter((link) => !link?.startsWith("README"))
        .map((link) => link?.replace(/\.ko\.md$/, ".md")),
      settings: [...text.matchAll(/^\| `([A-Z_]+)`/gm)].map((match) => match[1]),
    };
  };
  expect(parts("README.ko.md")).toEqual(parts("README.md"));
});

test("events are named area.past_tense", () => {
  for (const { shape } of durableEvent.options)
    expect(shape.type.value).toMatch(/^(message|reaction|conversation)\.[a-z_]+ed$/);
});

test("files that documents name exist", () => {
  const documents = [
    "SECURITY.md",
    "README.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/auth.md",
    "docs/deploy.md",
  ];
  for (const document of documents) {
    const paths = [...read(document).matchAll(/`((?:\w[\w-]*\/)+[\w.-]*)`/g)].map(([, path]) => path ?? "");
    // Not what is somebody else's, such as an application's `app/`.
    const own = paths.filter((path) => existsSync(join(ROOT, path.split("/")[0] ?? "")));
    expect([document, own.filter((path) => !existsSync(join(ROOT, path)))]).toEqual([document, []]);
  }
});

test("every setting of the Worker stands in the table of the README", () => {
  const settings = [...read("workers/env.ts").matchAll(/^ {2}([A-Z][A-Z0-9_]+)\?: string;/gm)].map(
    ([, name]) => name,
  );
  expect(settings.length).toBeGreaterThan(10);
  const table = read("README.md");
  expect(settings.filter((name) => !table.includes(`\`${name}\``) && !/_2$/.test(name ?? ""))).toEqual([]);
});

test("docs/evidence.md is what `npm run prove` makes of the ledger", () => {
  expect(readFileSync(EVIDENCE, "utf8")).toBe(evidenceText(readLedger()));
});

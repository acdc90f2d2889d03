import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");

/** What each layer may import of the project, and of packages where that is limited. */
const LAYERS: Record<string, { layers: string[]; packages?: RegExp }> = {
  protocol: { layers: ["protocol"], packages: /^zod$/ },
  db: { layers: ["db", "protocol"], packages: /^(drizzle-orm|@neondatabase\/serverless)(\/|$)/ },
  "durable-objects": { layers: ["durable-objects", "db", "protocol"], packages: /^cloudflare:workers$/ },
  workers: { layers: ["workers", "db", "protocol", "durable-objects"] },
  // The service's types, and Hono's client that reads them, are for `client/server.ts` alone.
  client: {
    layers: ["client", "protocol", "workers"],
    packages: /^(partysocket(\/|$)|hono\/client$|react$|@tanstack\/react-query$|zustand\/vanilla$)/,
  },
  page: { layers: ["page", "client", "protocol", "dev"] },
};

/** Modules of another layer that may be imported as values: everything else crosses as types. */
const VALUES_ACROSS: Record<string, RegExp> = {
  "workers>durable-objects": /durable-objects\/(rpc|conversation|inbox|in-parallel)\.ts$/,
  "client>workers": /^$/,
  "client>protocol": /protocol\/(errors|close-codes|limits|version)\.ts$/,
  "page>dev": /dev\/demo-users\.ts$/,
};

interface Import {
  file: string;
  specifier: string;
  isType: boolean;
}

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter(
      (name) =>
        /\.tsx?$/.test(name) && !/\.test\.tsx?$|(^|\/)dist\/|^build\.ts$|^package\/|(^|\/)fake-/.test(name),
    )
    .map((name) => join(ROOT, folder, name));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/^(?:import|export)\s+(type\s)?([^;]*?)\s*from\s+"([^"]+)"/gm)].map((match) => {
    const names = (match[2] ?? "")
      .replace(/[{}]/g, "")
      .split(",")
      .map((name) => name.trim())
      .filter(Boolean);
    return {
      file,
      specifier: match[3] ?? "",
      isType: match[1] !== undefined || names.every((name) => name.startsWith("type ")),
    };
  });
}

const offences: string[] = [];
let checked = 0;
for (const [layer, rule] of Object.entries(LAYERS)) {
  for (const found of sources(layer).flatMap(importsOf)) {
    checked += 1;
    const from = relative(ROOT, found.file);
    if (!found.specifier.startsWith(".")) {
      if (rule.packages && !rule.packages.test(found.specifier))
        offences.push(`${from} imports ${found.specifier}`);
      continue;
    }
    const target = relative(ROOT, resolve(dirname(found.file), found.specifier));
    const targetLayer = target.split("/")[0] ?? "";
    if (!rule.layers.includes(targetLayer)) offences.push(`${from} imports ${target}`);
    const values = VALUES_ACROSS[`${layer}>${targetLayer}`];
    if (values && !found.isType && !values.test(target)) offences.push(`${from} imports values of ${target}`);
  }
}

test("the browser's client knows nothing of the service's code, not even its types", () => {
  const offenders = sources("client")
    .flatMap(importsOf)
    .filter(({ specifier }) => specifier.includes("workers/") || specifier.startsWith("hono"))
    .map(({ file }) => relative(ROOT, file));
  expect([...new Set(offenders)]).toEqual(["client/server.ts"]);
});

test("what binds the client to a framework uses its public module alone, and the client knows nothing of it", () => {
  const binding = /^client\/(react|query|zustand)\//;
  const packages = { react: /^react$/, query: /^@tanstack\/react-query$/, zustand: /^zustand\/vanilla$/ };
  const wrong = sources("client")
    .flatMap(importsOf)
    .filter(({ file, specifier }) => {
      const from = relative(ROOT, file);
      const target = specifier.startsWith(".") ? relative(ROOT, resolve(dirname(file), specifier)) : null;
      const name = binding.exec(from)?.[1] as keyof typeof packages | undefined;
      if (name === undefined)
        return target
          ? binding.test(target)
          : Object.values(packages).some((allowed) => allowed.test(specifier));
      return target
        ? target !== "client/index.ts" && !target.startsWith(`client/${name}/`)
        : !packages[name].test(specifier);
    });
  expect(wrong.map(({ file, specifier }) => `${relative(ROOT, file)} imports ${specifier}`)).toEqual([]);
});

test("layers import only what lies below them", () => {
  expect(checked).toBeGreaterThan(50);
  expect(offences).toEqual([]);
});

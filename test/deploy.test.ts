import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");

test("`wrangler deploy --dry-run` bundles the Worker with its bindings", () => {
  const outdir = mkdtempSync(join(tmpdir(), "arcyou-dry-run-"));
  const run = spawnSync(process.execPath, ["dev/deploy.ts", "--dry-run", "--outdir", outdir], {
    cwd: ROOT,
    encoding: "utf8",
  });
  expect(run.stdout + run.stderr).toContain("CONVERSATIONS");
  expect(run.status).toBe(0);
  expect(readdirSync(outdir)).toContain("index.js");
});

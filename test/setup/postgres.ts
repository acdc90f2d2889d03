import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { migrate } from "../../dev/migrate.ts";
import { startNeonProxy } from "../../dev/neon-proxy.ts";
import { startPostgres } from "../../dev/postgres.ts";

/** One PostgreSQL for the whole run. Tests keep apart by the ids they make. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), "arcyou-test-"));
  const postgres = await startPostgres({ dataDir: directory, settings: ["fsync=off"] });
  await migrate(postgres.url);
  const proxy = await startNeonProxy({ databaseUrl: postgres.url });
  project.provide("databaseUrl", postgres.url);
  project.provide("neonFetchEndpoint", proxy.url);
  return async () => {
    await proxy.stop();
    await postgres.stop();
    await rm(directory, { recursive: true, force: true });
  };
}

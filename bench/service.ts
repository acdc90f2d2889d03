import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { transform } from "esbuild";
import { migrate } from "../dev/migrate.ts";
import { startPostgres } from "../dev/postgres.ts";

/** Stops what was started, in reverse. */
export type Cleanup = Array<() => Promise<unknown>>;

export interface Database {
  url: string;
  fetchEndpoint: string;
}

/** A migrated PostgreSQL, and Neon's protocol in front of it on a thread of its own. */
export async function startDatabase(cleanup: Cleanup): Promise<Database> {
  // Of its own: PostgreSQL may have to run as another user, who cannot enter the other's.
  const dataDir = await mkdtemp(join(tmpdir(), "arcyou-bench-"));
  cleanup.push(() => rm(dataDir, { recursive: true, force: true }));
  // Where the service runs, Postgres stands on another machine: here its disk must not be the objects' disk.
  const postgres = await startPostgres({ dataDir, settings: ["fsync=off"] });
  cleanup.push(() => postgres.stop());
  await migrate(postgres.url);
  const thread = new Worker(new URL("./neon-proxy-thread.ts", import.meta.url), {
    workerData: { databaseUrl: postgres.url },
  });
  const fetchEndpoint = await new Promise<string>((resolve, reject) => {
    thread.once("message", resolve);
    thread.once("error", reject);
  });
  cleanup.push(() => thread.terminate());
  return { url: postgres.url, fetchEndpoint };
}

/** The entry that counts rows, beside the service as `service.js`. */
export function readRowCounter(): Promise<string> {
  return readFile(new URL("./count-rows.js", import.meta.url), "utf8");
}

/** The object it is measured against. */
export async function buildBaseline(): Promise<string> {
  const source = await readFile(new URL("./baseline-worker.ts", import.meta.url), "utf8");
  return (await transform(source, { loader: "ts", target: "es2024" })).code;
}

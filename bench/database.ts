import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import pg from "pg";
import { migrate } from "../dev/migrate.ts";
import { startPostgres } from "../dev/postgres.ts";

/** Stops what was started, in reverse. */
export type Cleanup = Array<() => Promise<unknown>>;

export interface Database {
  url: string;
  /** Neon's protocol in front of it. */
  fetchEndpoint: string;
  client: pg.Client;
}

/** A PostgreSQL with its defaults: a commit is on disk before it is answered. */
export async function startServer(cleanup: Cleanup): Promise<{ url: string; version: string }> {
  // Of its own: PostgreSQL may have to run as another user, who cannot enter the other's.
  const dataDir = await mkdtemp(join(tmpdir(), "arcyou-bench-"));
  cleanup.push(() => rm(dataDir, { recursive: true, force: true }));
  const postgres = await startPostgres({ dataDir, settings: ["max_wal_size=8GB", "jit=off"] });
  cleanup.push(() => postgres.stop());
  return { url: postgres.url, version: postgres.version };
}

/** Creates and migrates a database of this name; Neon's protocol is spoken on a thread of its own. */
export async function createDatabase(serverUrl: string, name: string, cleanup: Cleanup): Promise<Database> {
  const admin = new pg.Client({ connectionString: serverUrl });
  await admin.connect();
  await admin.query(`create database ${name}`);
  await admin.end();
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  await migrate(url.href);
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  cleanup.push(() => client.end());
  const thread = new Worker(new URL("./neon-proxy-thread.ts", import.meta.url), {
    workerData: { databaseUrl: url.href },
  });
  const fetchEndpoint = await new Promise<string>((resolve, reject) => {
    thread.once("message", resolve);
    thread.once("error", reject);
  });
  cleanup.push(() => thread.terminate());
  return { url: url.href, fetchEndpoint, client };
}

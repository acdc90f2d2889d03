import { execFile } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { transform } from "esbuild";
import { migrate } from "../dev/migrate.ts";
import { freePort, startPostgres } from "../dev/postgres.ts";
import { spawnTied } from "../dev/tied-process.ts";
import { PROJECT, QUIET, WRANGLER } from "../dev/wrangler.ts";

/** workerd as wrangler brings it: its binary and its version. */
const workerd: { default: string; version: string } = createRequire(WRANGLER)("workerd");
export const WORKERD_VERSION = workerd.version;

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

export interface WorkerUnderTest {
  name: string;
  /** ES modules by file name, the entry first. */
  modules: Record<string, string>;
  className: string;
  /** Name of the binding of the object. */
  binding: string;
  variables: Record<string, string>;
}

/** The service as `wrangler deploy` would upload it. */
export async function buildService(directory: string): Promise<string> {
  const output = join(directory, "build");
  await promisify(execFile)(process.execPath, [WRANGLER, "deploy", "--dry-run", "--outdir", output], {
    cwd: PROJECT,
    env: { ...process.env, ...QUIET, WRANGLER_LOG_PATH: directory },
  });
  return readFile(join(output, "index.js"), "utf8");
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

/**
 * Runs a Worker in a workerd of its own, with its objects on disk and nothing in front.
 *
 * @returns where it listens
 */
export async function startWorkerd(
  directory: string,
  worker: WorkerUnderTest,
  cleanup: Cleanup,
): Promise<URL> {
  const home = join(directory, worker.name);
  await mkdir(join(home, "objects"), { recursive: true });
  for (const [file, source] of Object.entries(worker.modules)) await writeFile(join(home, file), source);
  const port = await freePort();
  const compatibility = await readCompatibility();
  await writeFile(
    join(home, "config.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "worker", worker = .worker),
    (name = "internet", network = (allow = ["public", "private"])),
    (name = "objects", disk = (path = ${quote(join(home, "objects"))}, writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "worker")],
);
const worker :Workerd.Worker = (
  modules = [${Object.keys(worker.modules)
    .map((file) => `(name = ${quote(file)}, esModule = embed ${quote(file)})`)
    .join(", ")}],
  compatibilityDate = ${quote(compatibility.date)},
  compatibilityFlags = [${compatibility.flags.map(quote).join(", ")}],
  durableObjectNamespaces = [(className = ${quote(worker.className)}, uniqueKey = "bench", enableSql = true)],
  durableObjectStorage = (localDisk = "objects"),
  bindings = [
    (name = ${quote(worker.binding)}, durableObjectNamespace = ${quote(worker.className)}),
${Object.keys(worker.variables)
  .map((name) => `    (name = ${quote(name)}, fromEnvironment = ${quote(name)}),\n`)
  .join("")}  ],
);
`,
  );
  const server = spawnTied(workerd.default, ["serve", join(home, "config.capnp")], {
    orphanSignal: "KILL",
    env: { ...worker.variables },
  });
  cleanup.push(async () => {
    server.kill();
    await server.exited;
  });
  const log = createWriteStream(join(home, "workerd.log"));
  server.stdout.pipe(log);
  server.stderr.pipe(log);
  let ended = false;
  void server.exited.then(() => {
    ended = true;
  });

  const url = new URL(`http://127.0.0.1:${port}`);
  for (const deadline = Date.now() + 20_000; ; await sleep(50)) {
    if (ended || Date.now() > deadline) {
      throw new Error(`workerd did not start:\n${await readFile(join(home, "workerd.log"), "utf8")}`);
    }
    // Any answer will do.
    const answers = await fetch(new URL("/", url)).then(
      () => true,
      () => false,
    );
    if (answers) return url;
  }
}

async function readCompatibility(): Promise<{ date: string; flags: string[] }> {
  const config = await readFile(join(PROJECT, "wrangler.toml"), "utf8");
  const date = /^compatibility_date = "(.+)"$/m.exec(config)?.[1];
  const flags = /^compatibility_flags = (\[.*\])$/m.exec(config)?.[1];
  if (date === undefined || flags === undefined) throw new Error("wrangler.toml names no compatibility.");
  return { date, flags: JSON.parse(flags) };
}

const quote = (text: string): string => JSON.stringify(text);

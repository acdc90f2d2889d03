import { execFile } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { freePort } from "./postgres.ts";
import { spawnTied } from "./tied-process.ts";
import { PROJECT, QUIET, WRANGLER } from "./wrangler.ts";

/** The service's own objects, as `wrangler.toml` binds them. */
export const SERVICE_OBJECTS = { CONVERSATIONS: "Conversation", INBOXES: "Inbox" };

/** workerd as wrangler brings it: its binary and its version. */
const workerd: { default: string; version: string } = createRequire(WRANGLER)("workerd");
export const WORKERD_VERSION = workerd.version;

export interface BareWorker {
  /** Where configuration, log and objects go; what an earlier run left there is taken up again. */
  home: string;
  /** A free one by default. */
  port?: number;
  /** ES modules by file name, the entry first. */
  modules: Record<string, string>;
  /** Classes of objects by the names of their bindings. */
  objects: Record<string, string>;
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

export interface RunningWorkerd {
  url: URL;
  /** Resolves when the process has ended, for whatever reason. */
  exited: Promise<unknown>;
  /** SIGKILL; resolves when it has ended. Idempotent. */
  kill(): Promise<void>;
  /** SIGTERM, then SIGKILL if it has not ended after `graceMs`: a deploy. Resolves when it has ended. Idempotent. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Runs a Worker in a workerd of its own, with its objects on disk and nothing in front: no wrangler, no Miniflare.
 * Resolves when it answers.
 */
export async function startWorkerd({ home, ...worker }: BareWorker): Promise<RunningWorkerd> {
  await mkdir(join(home, "objects"), { recursive: true });
  for (const [file, source] of Object.entries(worker.modules)) await writeFile(join(home, file), source);
  const port = worker.port ?? (await freePort());
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
  durableObjectNamespaces = [${Object.values(worker.objects)
    .map(
      (className) => `(className = ${quote(className)}, uniqueKey = ${quote(className)}, enableSql = true)`,
    )
    .join(", ")}],
  durableObjectStorage = (localDisk = "objects"),
  bindings = [
${Object.entries(worker.objects)
  .map(
    ([binding, className]) =>
      `    (name = ${quote(binding)}, durableObjectNamespace = ${quote(className)}),\n`,
  )
  .join("")}${Object.keys(worker.variables)
  .map((name) => `    (name = ${quote(name)}, fromEnvironment = ${quote(name)}),\n`)
  .join("")}  ],
);
`,
  );
  const server = spawnTied(workerd.default, ["serve", join(home, "config.capnp")], {
    orphanSignal: "KILL",
    env: { ...worker.variables },
  });
  const kill = async () => {
    server.kill();
    await server.exited;
  };
  const log = createWriteStream(join(home, "workerd.log"), { flags: "a" });
  // Neither may end it for the other.
  for (const output of [server.stdout, server.stderr]) output.pipe(log, { end: false });
  void Promise.allSettled([finished(server.stdout), finished(server.stderr)]).then(() => log.end());
  let ended = false;
  void server.exited.then(() => {
    ended = true;
  });

  const url = new URL(`http://127.0.0.1:${port}`);
  for (const deadline = Date.now() + 20_000; ; await sleep(50)) {
    if (ended || Date.now() > deadline) {
      await kill();
      throw new Error(`workerd did not start:\n${await readFile(join(home, "workerd.log"), "utf8")}`);
    }
    // Any answer will do.
    const answers = await fetch(new URL("/", url)).then(
      () => true,
      () => false,
    );
    if (answers) return { url, exited: server.exited, kill, stop: (graceMs) => server.stop("TERM", graceMs) };
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

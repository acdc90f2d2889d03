import { randomBytes } from "node:crypto";
import { createWriteStream, existsSync, type WriteStream } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { parseEnv, stripVTControlCharacters } from "node:util";
import { seedDemo } from "./demo.ts";
import { DirectoryInUseError, lockDirectory } from "./directory-lock.ts";
import { migrate } from "./migrate.ts";
import { startNeonProxy } from "./neon-proxy.ts";
import { startPostgres } from "./postgres.ts";
import { spawnTied, type TiedProcess } from "./tied-process.ts";
import { PROJECT, QUIET, WRANGLER } from "./wrangler.ts";

/*
 * `npm run dev`: the whole service on this machine, with nothing installed but npm packages.
 *
 *   PORT          of the service, 8787 by default
 *   DATA_DIR      all state and logs, `.data/` by default; delete it to begin anew
 *   EXAMPLE_PORT  of `npm run example`, 3000 by default: its pages may call the service
 *   DATABASE_URL  a Postgres of your own instead of the embedded one; it is migrated and gets the demo's data
 *
 * Copies with different PORT and DATA_DIR run side by side. Settings of the Worker go to `.dev.vars`.
 */

const READY_TIMEOUT_MS = 60_000;
const CRON_INTERVAL_MS = 60_000;
const OWN_VARIABLES = join(PROJECT, ".dev.vars");

/** Told to the user as it is, without a stack. */
class StartError extends Error {
  override name = "StartError";
}

/** What runs, to be stopped in reverse. */
const running: (() => Promise<void>)[] = [];
let isStopping = false;
let stoppingSince = 0;

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => void stopAll(0));
}
try {
  await start();
} catch (error) {
  // While stopping, whatever is torn down fails.
  if (!isStopping) {
    console.error(
      error instanceof StartError || error instanceof DirectoryInUseError ? error.message : error,
    );
    await stopAll(1);
  }
}

async function start(): Promise<void> {
  const port = readPort(process.env.PORT);
  const dataDir = resolve(PROJECT, process.env.DATA_DIR || ".data");
  const logs = join(dataDir, "logs");

  const lock = await lockDirectory(dataDir).catch((error: unknown) => {
    if (!(error instanceof DirectoryInUseError)) throw error;
    throw new StartError(`${dataDir} is in use by another dev server: stop it, or set DATA_DIR and PORT.`);
  });
  running.push(() => lock.release());
  await requireFree(port);
  await mkdir(logs, { recursive: true });

  const database = await openDatabase(process.env.DATABASE_URL, dataDir, logs);
  await migrate(database.directUrl);
  console.log("Migrations ✓");
  await seedDemo(database.directUrl);
  console.log("Demo data ✓");

  await startWorker(port, dataDir, logs, {
    ENVIRONMENT: "development",
    DATABASE_URL: database.url,
    CHAT_TOKEN_SECRET: await keptSecret(dataDir, "chat-token-secret"),
    ...(await exampleSettings(dataDir)),
    ...(database.fetchEndpoint === null ? {} : { NEON_FETCH_ENDPOINT: database.fetchEndpoint }),
  });
  console.log("Worker ✓");
  console.log(`Ready on http://localhost:${port}`);

  // At once as well: it makes the demo's messages searchable, which were not written by the service.
  void runCron(port);
  const cron = setInterval(() => void runCron(port), CRON_INTERVAL_MS);
  running.push(async () => clearInterval(cron));
}

interface Database {
  /** For the Worker. */
  url: string;
  /** For migrations. */
  directUrl: string;
  /** null where the driver finds Neon by itself. */
  fetchEndpoint: string | null;
}

async function openDatabase(givenUrl: string | undefined, dataDir: string, logs: string): Promise<Database> {
  if (givenUrl && !URL.canParse(givenUrl)) {
    throw new StartError(
      "DATABASE_URL is not a connection string such as postgresql://user:password@host/database.",
    );
  }
  const url = givenUrl || (await openEmbedded(dataDir, logs));
  const { hostname } = new URL(url);
  if (/\.neon\.(tech|build)$/.test(hostname)) {
    console.log(`Neon at ${hostname} ✓`);
    // A pooler loses the lock that migrations take.
    const directUrl = process.env.DATABASE_URL_DIRECT || url.replace("-pooler.", ".");
    return { url, directUrl, fetchEndpoint: null };
  }
  if (givenUrl) console.log(`PostgreSQL at ${hostname} ✓`);
  const proxy = await startNeonProxy({ databaseUrl: url });
  running.push(() => proxy.stop());
  console.log("SQL over HTTP ✓");
  return { url, directUrl: url, fetchEndpoint: proxy.url };
}

async function openEmbedded(dataDir: string, logs: string): Promise<string> {
  const postgres = await startPostgres({
    dataDir: join(dataDir, "postgres"),
    logFile: join(logs, "postgres.log"),
  }).catch((error: unknown) => {
    throw new StartError(error instanceof Error ? error.message : String(error));
  });
  running.push(() => postgres.stop());
  void postgres.exited.then(() => fail(`PostgreSQL ended unexpectedly; its log is in ${logs}.`));
  console.log(`PostgreSQL ${postgres.version} on 127.0.0.1:${postgres.port} ✓`);
  return postgres.url;
}

/** What `npm run example` needs, unless `.dev.vars` decides it. */
async function exampleSettings(dataDir: string): Promise<Record<string, string>> {
  const given = existsSync(OWN_VARIABLES) ? parseEnv(await readFile(OWN_VARIABLES, "utf8")) : {};
  const port = process.env.EXAMPLE_PORT || "3000";
  return {
    ...(given.AUTH_SECRET ? {} : { AUTH_SECRET: await keptSecret(dataDir, "auth-secret") }),
    ...(given.ALLOWED_ORIGINS ? {} : { ALLOWED_ORIGINS: `http://localhost:${port}` }),
  };
}

/** A secret of this data directory's own, so that what was made with it outlives a restart. */
async function keptSecret(dataDir: string, name: string): Promise<string> {
  const file = join(dataDir, name);
  if (!existsSync(file)) await writeFile(file, randomBytes(32).toString("base64url"), { mode: 0o600 });
  return readFile(file, "utf8");
}

async function startWorker(
  port: number,
  dataDir: string,
  logs: string,
  variables: Record<string, string>,
): Promise<void> {
  // A file, because other users of the machine can read arguments. Values of later files win.
  const variablesFile = join(dataDir, "wrangler.env");
  await writeFile(variablesFile, toEnvFile(variables), { mode: 0o600 });
  const envFiles = [...(existsSync(OWN_VARIABLES) ? [OWN_VARIABLES] : []), variablesFile];

  const args = ["dev", "--port", String(port), "--ip", "127.0.0.1", "--inspector-port", "0"];
  args.push("--persist-to", join(dataDir, "wrangler"), "--show-interactive-dev-session=false");
  for (const file of envFiles) args.push("--env-file", file);
  const wrangler = spawnTied(process.execPath, [WRANGLER, ...args], {
    // Nothing is lost, since objects live in SQLite, and the port is free at once.
    orphanSignal: "KILL",
    cwd: PROJECT,
    env: {
      ...process.env,
      ...QUIET,
      FORCE_COLOR: "0",
      WRANGLER_LOG_PATH: logs,
      WRANGLER_REGISTRY_PATH: join(dataDir, "registry"),
    },
  });
  running.push(() => wrangler.stop("TERM", 5_000));
  const ended = wrangler.exited.then(() => {
    throw new StartError(`wrangler ended unexpectedly; its log is in ${logs}.`);
  });
  ended.catch((error: Error) => fail(error.message));
  relayOutput(wrangler, createWriteStream(join(logs, "wrangler.log")), () => void checkAfterCrash(port));
  await Promise.race([waitUntilReady(port), ended]);
}

function toEnvFile(variables: Record<string, string>): string {
  // Wrangler expands dollars even within quotes; in URLs, where passwords are, both have another spelling.
  const respell = (value: string) => value.replaceAll("$", "%24").replaceAll("'", "%27");
  return Object.entries(variables)
    .map(([name, value]) => `${name}='${respell(value)}'\n`)
    .join("");
}

/** Writes all to the log, and to the terminal what the Worker says, warnings and errors. */
function relayOutput(wrangler: TiedProcess, log: WriteStream, onCrash: () => void): void {
  const noise = /^(\[wrangler:info\]|\[custom build\]|⎔|🪵|\s*$)/u;
  let hasStarted = false;
  createInterface({ input: wrangler.stdout }).on("line", (line) => {
    log.write(`${line}\n`);
    if (line.includes("The Workers runtime crashed")) onCrash();
    if (hasStarted && !noise.test(line)) console.log(line);
    // Before it stand the bindings.
    if (line.startsWith("[wrangler:info] Ready on")) hasStarted = true;
  });
  let isShown = true;
  createInterface({ input: wrangler.stderr }).on("line", (coloured) => {
    const line = stripVTControlCharacters(coloured);
    log.write(`${line}\n`);
    // A block begins with its title. Crons are triggered here.
    if (/^(▲|✘)/u.test(line)) isShown = !line.includes("Scheduled Workers are not automatically triggered");
    if (line.includes("The Workers runtime crashed")) onCrash();
    if (isShown && !noise.test(line)) console.error(line);
  });
}

async function waitUntilReady(port: number): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  let last = "no answer";
  while (Date.now() < deadline) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/api/ready`, {
        signal: AbortSignal.timeout(10_000),
      });
      if (response.status === 200) return;
      last = `${response.status} ${(await response.text()).slice(0, 300)}`;
    } catch {
      // Not listening yet.
    }
    await sleep(200);
  }
  throw new StartError(
    `The Worker was not ready within ${READY_TIMEOUT_MS / 1000} s; GET /api/ready: ${last}`,
  );
}

/** wrangler restarts workerd, but when it was the one in front, every request hangs from then on. */
async function checkAfterCrash(port: number): Promise<void> {
  try {
    await fetch(`http://127.0.0.1:${port}/api/ready`, { signal: AbortSignal.timeout(15_000) });
  } catch {
    fail("workerd crashed and did not recover.");
  }
}

/** wrangler dev does not run crons by itself. */
async function runCron(port: number): Promise<void> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/cdn-cgi/handler/scheduled`, {
      signal: AbortSignal.timeout(CRON_INTERVAL_MS),
    });
    if (!response.ok) console.error(`The cron failed: ${response.status}`);
  } catch (error) {
    if (!isStopping)
      console.error(`The cron failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function readPort(value: string | undefined): number {
  const port = Number(value || 8787);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new StartError(`PORT must be a number from 1 to 65535, not ${value}.`);
}

/** After a crash, the port of the run before is free within a moment. */
async function requireFree(port: number): Promise<void> {
  for (let tries = 0; tries < 10; tries += 1) {
    const answers = await Promise.all(["127.0.0.1", "::1"].map((host) => isListening(host, port)));
    if (!answers.includes(true)) return;
    await sleep(200);
  }
  throw new StartError(`Port ${port} is in use by another program: stop it, or set PORT.`);
}

function isListening(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function fail(sentence: string): void {
  if (isStopping) return;
  console.error(sentence);
  void stopAll(1);
}

async function stopAll(exitCode: number): Promise<void> {
  if (isStopping) {
    // A second Ctrl-C: what is tied to this process ends with it. npm passes the first one on twice.
    if (Date.now() - stoppingSince > 500) process.exit(1);
    return;
  }
  isStopping = true;
  stoppingSince = Date.now();
  for (const stop of running.reverse()) {
    await stop().catch((error: unknown) => console.error(error));
  }
  process.exit(exitCode);
}

import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { spawnTied, type TiedProcess } from "../../dev/tied-process.ts";

/*
 * `npm run example`, beside `npm run dev`: this Next.js application on http://localhost:3000.
 *
 *   --production  builds it and serves what was built, instead of `next dev`
 *
 *   EXAMPLE_PORT  of the application, 3000 by default
 *   CHAT_URL      where the service is, http://localhost:8787 by default
 *   DATA_DIR      that of `npm run dev`, `.data/` by default: its secret of sessions is read from there
 */

const HERE = import.meta.dirname;
const ROOT = resolve(HERE, "../..");
const MODULES = join(HERE, "node_modules");
const PACKAGE = join(ROOT, "client/package/dist");
const CHAT_URL = process.env.CHAT_URL || "http://localhost:8787";

/** Told to the user as it is, without a stack. */
class StartError extends Error {
  override name = "StartError";
}

let current: TiedProcess | null = null;
let isStopping = false;

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    if (isStopping) return;
    isStopping = true;
    void (current?.stop("TERM", 5_000) ?? Promise.resolve()).then(() => process.exit(0));
  });
}
try {
  await start();
} catch (error) {
  if (!isStopping) {
    console.error(error instanceof StartError ? error.message : error);
    process.exit(1);
  }
}

async function start(): Promise<void> {
  const port = readPort(process.env.EXAMPLE_PORT);
  await requireService();
  const env = {
    AUTH_SECRET: readAuthSecret(),
    AUTH_URL: `http://localhost:${port}`,
    CHAT_URL,
    NEXT_TELEMETRY_DISABLED: "1",
  };
  await install();
  const next = join(MODULES, "next/dist/bin/next");
  const address = ["--port", String(port), "--hostname", "localhost"];
  if (process.argv.includes("--production")) {
    await run("next build", [next, "build"], { ...env, NODE_ENV: "production" });
    await run("next start", [next, "start", ...address], { ...env, NODE_ENV: "production" });
  } else {
    await run("next dev", [next, "dev", ...address], { ...env, NODE_ENV: "development" });
  }
}

/** The client package is built, and the dependencies are installed, where that was not done or is out of date. */
async function install(): Promise<void> {
  const built = timeOf(join(PACKAGE, "package.json"));
  if (built < newestSource(join(ROOT, "client"))) {
    console.log("Building the client package …");
    await run("The build of the client package", [join(ROOT, "client/package/build.ts")]);
  }
  if (timeOf(join(MODULES, ".package-lock.json")) < timeOf(join(HERE, "package-lock.json"))) {
    console.log("Installing the example's dependencies …");
    await run("npm ci", ["npm", "ci", "--no-audit", "--no-fund"]);
  }
  // What npm copied may be an older one.
  const copy = join(MODULES, "@arcyou/chat-client");
  rmSync(copy, { recursive: true, force: true });
  cpSync(PACKAGE, copy, { recursive: true });
}

function timeOf(file: string): number {
  return existsSync(file) ? statSync(file).mtimeMs : 0;
}

function newestSource(folder: string): number {
  const sources = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
    (name) => /\.tsx?$/.test(name) && !/\.test\.|^package\/dist\//.test(name),
  );
  return Math.max(...sources.map((name) => timeOf(join(folder, name))));
}

async function requireService(): Promise<void> {
  try {
    const { ok } = await fetch(`${CHAT_URL}/api/ready`, { signal: AbortSignal.timeout(10_000) });
    if (ok) return;
  } catch {
    // Said below.
  }
  throw new StartError(`There is no chat service at ${CHAT_URL}: start \`npm run dev\` first.`);
}

/** The secret that the service of `npm run dev` has as well. */
function readAuthSecret(): string {
  const own = join(ROOT, ".dev.vars");
  const kept = join(resolve(ROOT, process.env.DATA_DIR || ".data"), "auth-secret");
  const given = existsSync(own) ? parseEnv(readFileSync(own, "utf8")).AUTH_SECRET : undefined;
  if (given) return given;
  if (existsSync(kept)) return readFileSync(kept, "utf8");
  throw new StartError(`${kept} is missing: start \`npm run dev\` first, with the same DATA_DIR.`);
}

/** Runs a program of Node, or npm, until it ends. */
async function run(what: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
  if (isStopping) return;
  const [command, ...rest] = args[0] === "npm" ? args : [process.execPath, ...args];
  current = spawnTied(command ?? "", rest, {
    orphanSignal: "TERM",
    cwd: HERE,
    env: { ...process.env, ...(process.stdout.isTTY ? { FORCE_COLOR: "1" } : {}), ...env },
  });
  current.stdout.pipe(process.stdout, { end: false });
  current.stderr.pipe(process.stderr, { end: false });
  const code = await current.exited;
  if (!isStopping && code !== 0) throw new StartError(`${what} failed.`);
}

function readPort(value: string | undefined): number {
  const port = Number(value || 3000);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new StartError(`EXAMPLE_PORT must be a number from 1 to 65535, not ${value}.`);
}

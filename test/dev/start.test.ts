import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { freePort } from "../../dev/postgres.ts";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const TIMEOUT_MS = 90_000;

let directories: string[];
let runs: Run[];

beforeEach(() => {
  directories = [];
  runs = [];
});

afterEach(async () => {
  await Promise.all(runs.map((run) => run.stop("SIGTERM")));
  for (const directory of directories) await rm(directory, { recursive: true, force: true, maxRetries: 5 });
});

describe("npm run dev", { timeout: TIMEOUT_MS }, () => {
  test("serves, keeps its data over a restart, and leaves no process behind", async () => {
    const dataDir = await makeDirectory();
    const first = start(await freePort(), dataDir);
    await first.ready();
    // Between them may stand what the Worker logs.
    const steps = first.output.split("\n").filter((line) => /✓$|^Ready/.test(line));
    expect(steps).toEqual([
      expect.stringMatching(/^PostgreSQL 17\.\d+ on 127\.0\.0\.1:\d+ ✓$/),
      "SQL over HTTP ✓",
      "Migrations ✓",
      "Demo data ✓",
      "Worker ✓",
      `Ready on http://localhost:${first.port}`,
    ]);
    expect(first.output).not.toContain(await readFile(join(dataDir, "postgres/password"), "utf8"));
    await query(dataDir, "update conversations set title = 'kept' where type = 'group'");
    expect(processesOf(dataDir)).not.toEqual([]);
    expect(await first.stop("SIGTERM")).toBe(0);
    expect(processesOf(dataDir)).toEqual([]);

    const second = start(first.port, dataDir);
    await second.ready();
    expect(await query(dataDir, "select title from conversations where type = 'group'")).toEqual([
      { title: "kept" },
    ]);
    expect(await query(dataDir, "select count(*)::int as count from messages")).toEqual([{ count: 60 }]);
    expect(await second.stop("SIGINT")).toBe(0);
    expect(processesOf(dataDir)).toEqual([]);
  });

  test("starts again after SIGKILL", async () => {
    const dataDir = await makeDirectory();
    const first = start(await freePort(), dataDir);
    await first.ready();
    await query(dataDir, "update conversations set title = 'kept' where type = 'group'");

    await first.stop("SIGKILL");
    const second = start(first.port, dataDir);
    await second.ready();

    // This time nobody is left who could clean up.
    second.freeze();
    for (const pid of processesOf(dataDir).reverse()) kill(pid);
    await second.exited;
    const third = start(first.port, dataDir);
    await third.ready();
    expect(await query(dataDir, "select title from conversations where type = 'group'")).toEqual([
      { title: "kept" },
    ]);
    await third.stop("SIGTERM");
    expect(processesOf(dataDir)).toEqual([]);
  });

  test("stops a Postgres that was left behind", async () => {
    const dataDir = await makeDirectory();
    const first = start(await freePort(), dataDir);
    await first.ready();
    const postmaster = await postmasterOf(dataDir);
    // Nobody may notice the death of another one and clean up.
    first.freeze();
    for (const pid of processesOf(dataDir).reverse()) if (pid !== postmaster) kill(pid);
    await first.exited;
    expect(processesOf(dataDir)).toEqual([postmaster]);

    const second = start(first.port, dataDir);
    await second.ready();
    expect(await postmasterOf(dataDir)).not.toBe(postmaster);
  });

  test("two copies run side by side, and neither directory nor port can be taken twice", async () => {
    const [one, two] = [
      start(await freePort(), await makeDirectory()),
      start(await freePort(), await makeDirectory()),
    ];
    await Promise.all([one.ready(), two.ready()]);

    const sameDirectory = start(await freePort(), one.dataDir);
    expect(await sameDirectory.exited).toBe(1);
    expect(sameDirectory.output).toBe(
      `${one.dataDir} is in use by another dev server: stop it, or set DATA_DIR and PORT.\n`,
    );
    const samePort = start(two.port, await makeDirectory());
    expect(await samePort.exited).toBe(1);
    expect(samePort.output).toBe(`Port ${two.port} is in use by another program: stop it, or set PORT.\n`);

    await one.stop("SIGTERM");
    expect((await fetch(`http://localhost:${two.port}/api/ready`)).status).toBe(200);
  });

  test.each(["postgres", "wrangler"])("stops as a whole when %s dies", async (name) => {
    const dataDir = await makeDirectory();
    const run = start(await freePort(), dataDir);
    await run.ready();
    if (name === "postgres") kill(await postmasterOf(dataDir));
    else for (const pid of processesOf(dataDir, "wrangler-dist/cli.js")) kill(pid);
    expect(await run.exited).toBe(1);
    expect(run.output).toMatch(/(PostgreSQL|wrangler) ended unexpectedly/);
    expect(processesOf(dataDir)).toEqual([]);
  });
});

test("a port that another program listens on is named", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const run = start(port, await makeDirectory());
  expect(await run.exited).toBe(1);
  expect(run.output).toBe(`Port ${port} is in use by another program: stop it, or set PORT.\n`);
  server.close();
}, 20_000);

interface Run {
  port: number;
  dataDir: string;
  /** All it wrote so far. */
  readonly output: string;
  exited: Promise<number | null>;
  ready(): Promise<void>;
  freeze(): void;
  /** Signals it and, with SIGKILL, its whole process group. */
  stop(signal: NodeJS.Signals): Promise<number | null>;
}

function start(port: number, dataDir: string): Run {
  const child: ChildProcess = spawn(process.execPath, ["dev/start.ts"], {
    cwd: PROJECT,
    detached: true,
    env: { ...process.env, PORT: String(port), DATA_DIR: dataDir, DATABASE_URL: "", NODE_OPTIONS: "" },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const exited = once(child, "close").then(([code]): number | null => code);
  const run: Run = {
    port,
    dataDir,
    get output() {
      return output;
    },
    exited,
    async ready() {
      while (!output.includes(`Ready on http://localhost:${port}\n`)) {
        if (child.exitCode !== null || child.signalCode !== null) throw new Error(`It ended:\n${output}`);
        await sleep(50);
      }
    },
    freeze() {
      child.kill("SIGSTOP");
    },
    async stop(signal) {
      if (child.pid && child.exitCode === null && child.signalCode === null) {
        process.kill(signal === "SIGKILL" ? -child.pid : child.pid, signal);
      }
      return exited;
    },
  };
  runs.push(run);
  return run;
}

async function makeDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "arcyou-dev-"));
  // PostgreSQL runs as another user when the test runs as root.
  spawnSync("chmod", ["755", directory]);
  directories.push(directory);
  return directory;
}

/** Pids of all processes that have the data directory among their arguments or in their environment. */
function processesOf(dataDir: string, withArgument = ""): number[] {
  const { stdout } = spawnSync("ps", ["-eo", "pid=,stat=,args=", "e", "ww"], { encoding: "utf8" });
  return stdout.split("\n").flatMap((line) => {
    const [, pid, state, args] = /^\s*(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    const isOne = args?.includes(dataDir) && args.includes(withArgument) && !state?.startsWith("Z");
    return isOne ? [Number(pid)] : [];
  });
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended with another one.
  }
}

async function postmasterOf(dataDir: string): Promise<number> {
  return Number.parseInt(await readFile(join(dataDir, "postgres/cluster/postmaster.pid"), "utf8"), 10);
}

async function query(dataDir: string, sql: string): Promise<unknown[]> {
  const port = (await readFile(join(dataDir, "postgres/cluster/postmaster.pid"), "utf8")).split("\n")[3];
  const password = await readFile(join(dataDir, "postgres/password"), "utf8");
  const client = new pg.Client(`postgresql://arcyou:${password}@127.0.0.1:${port}/arcyou`);
  await client.connect();
  const { rows } = await client.query(sql);
  await client.end();
  return rows;
}

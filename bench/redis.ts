import { execFile } from "node:child_process";
import { access, constants, mkdtemp, rm } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { freePort } from "../dev/postgres.ts";
import { spawnTied } from "../dev/tied-process.ts";
import type { Cleanup } from "./database.ts";

export const HOW_TO_GET_REDIS =
  "redis-server is missing: `apt-get install redis-server` or `brew install redis`. The contenders that need it are left out.";

export interface Redis {
  url: string;
  /** Such as `7.0.15`. */
  version: string;
}

/** @returns a Redis that keeps nothing on disk; null when the machine has none */
export async function startRedis(cleanup: Cleanup): Promise<Redis | null> {
  const program = await findProgram("redis-server");
  if (program === null) return null;
  const directory = await mkdtemp(join(tmpdir(), "arcyou-redis-"));
  const port = await freePort();
  const server = spawnTied(
    program,
    [
      ...["--port", String(port), "--bind", "127.0.0.1", "--dir", directory],
      ...["--save", "", "--appendonly", "no", "--loglevel", "warning"],
    ],
    { orphanSignal: "KILL" },
  );
  server.stdout.resume();
  server.stderr.pipe(process.stderr);
  cleanup.push(async () => {
    server.kill();
    await server.exited;
    await rm(directory, { recursive: true, force: true });
  });
  let hasEnded = false;
  void server.exited.then(() => {
    hasEnded = true;
  });
  for (const deadline = Date.now() + 10_000; !(await answers(port)); await sleep(50)) {
    if (hasEnded || Date.now() > deadline) throw new Error(`${program} did not start.`);
  }
  const { stdout } = await promisify(execFile)(program, ["--version"]);
  return { url: `redis://127.0.0.1:${port}`, version: /v=(\S+)/.exec(stdout)?.[1] ?? "" };
}

async function findProgram(name: string): Promise<string | null> {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, name);
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return null;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

import { execFileSync } from "node:child_process";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { freePort } from "../../dev/postgres.ts";
import { spawnTied, type TiedProcess } from "../../dev/tied-process.ts";
import type { Stack } from "./stack.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** The whole local service as `npm run dev` runs it: PostgreSQL, proxy, wrangler, workerd. */
export class Service implements Stack {
  readonly port: number;
  readonly dataDir: string;
  readonly #env: Record<string, string>;
  #process: TiedProcess | null = null;
  #output = "";

  private constructor(port: number, dataDir: string, env: Record<string, string>) {
    this.port = port;
    this.dataDir = dataDir;
    this.#env = env;
  }

  /** A service with a data directory of its own; not started yet. */
  static async create(env: Record<string, string> = {}): Promise<Service> {
    const dataDir = await mkdtemp(join(tmpdir(), "arcyou-service-"));
    // PostgreSQL runs as another user when this is root, and must get through.
    await chmod(dataDir, 0o755);
    return new Service(await freePort(), dataDir, env);
  }

  get objectsDirectory(): string {
    return join(this.dataDir, "wrangler");
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts it and waits until it is ready. */
  async start(): Promise<void> {
    this.#output = "";
    // Tied, so that nothing of it outlives a test run that is killed.
    const process = spawnTied(globalThis.process.execPath, [join(ROOT, "dev/start.ts")], {
      orphanSignal: "TERM",
      cwd: ROOT,
      env: {
        ...globalThis.process.env,
        // Those of whoever runs the tests are not meant for it.
        DATABASE_URL: "",
        NODE_OPTIONS: "",
        ...this.#env,
        PORT: String(this.port),
        DATA_DIR: this.dataDir,
      },
    });
    this.#process = process;
    await new Promise<void>((started, failed) => {
      const read = (chunk: Buffer): void => {
        this.#output = (this.#output + chunk).slice(-20_000);
        if (this.#output.includes("Ready on ")) started();
      };
      process.stdout.on("data", read);
      process.stderr.on("data", read);
      void process.exited.then(() => failed(new Error(`The service did not start:\n${this.#output}`)));
    });
  }

  /** Connection string of the database it runs on. */
  async databaseUrl(): Promise<string> {
    const variables = await readFile(join(this.dataDir, "wrangler.env"), "utf8");
    const url = /^DATABASE_URL=["']?([^"'\n]+)/m.exec(variables)?.[1];
    if (url === undefined) throw new Error("The running service names no DATABASE_URL.");
    return url;
  }

  /** Ends every process of it at once, as a power cut would. */
  async kill(): Promise<void> {
    const process = this.#process;
    if (!process) return;
    this.#process = null;
    const own = processesOf(this.dataDir);
    // First those above: asleep, they cannot tidy up when they see the others end.
    for (const pid of own) signal(pid, "SIGSTOP");
    for (const pid of own) signal(pid, "SIGKILL");
    process.kill();
    await process.exited;
  }

  /** Ends it as Ctrl-C does, and removes its data. */
  async stop(): Promise<void> {
    await this.#process?.stop("TERM", 20_000);
    this.#process = null;
    await rm(this.dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** All processes started with this directory in their arguments or environment, and their descendants. */
function processesOf(dataDir: string): number[] {
  const table = execFileSync("ps", ["-eo", "pid=,ppid=,args=", "e", "ww"], {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  })
    .split("\n")
    .flatMap((line) => {
      const [, pid, parent, args] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
      return pid && args !== undefined ? [{ pid: Number(pid), parent: Number(parent), args }] : [];
    });
  const found = table.filter(({ args }) => args.includes(dataDir)).map(({ pid }) => pid);
  for (const pid of found)
    found.push(
      ...table.filter((row) => row.parent === pid && !found.includes(row.pid)).map((row) => row.pid),
    );
  return found;
}

function signal(pid: number, name: "SIGSTOP" | "SIGKILL"): void {
  try {
    process.kill(pid, name);
  } catch {
    // Ended by itself meanwhile.
  }
}

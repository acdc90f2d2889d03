import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chmod, mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { freePort } from "../../dev/postgres.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** The whole local service as `npm run dev` runs it: PostgreSQL, proxy, wrangler, workerd. */
export class Service {
  readonly port: number;
  readonly dataDir: string;
  readonly #env: Record<string, string>;
  #process: ChildProcess | null = null;
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

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts it and waits until it is ready. */
  async start(): Promise<void> {
    this.#output = "";
    const child = spawn(process.execPath, [join(ROOT, "dev/start.ts")], {
      cwd: ROOT,
      env: { ...process.env, ...this.#env, PORT: String(this.port), DATA_DIR: this.dataDir },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process = child;
    await new Promise<void>((started, failed) => {
      const read = (chunk: Buffer): void => {
        this.#output = (this.#output + chunk).slice(-20_000);
        if (this.#output.includes("Ready on ")) started();
      };
      child.stdout.on("data", read);
      child.stderr.on("data", read);
      child.once("exit", () => failed(new Error(`The service did not start:\n${this.#output}`)));
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
    const child = this.#process;
    if (child?.pid === undefined) return;
    const ended = new Promise((resolveEnd) => child.once("exit", resolveEnd));
    // The root first, so that nobody is left who could tidy up.
    for (const pid of [child.pid, ...descendantsOf(child.pid)]) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // Ended by itself meanwhile.
      }
    }
    await ended;
    this.#process = null;
  }

  /** Ends it as Ctrl-C does. */
  async stop(): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((resolveEnd) => child.once("exit", resolveEnd));
    child.kill("SIGTERM");
    await ended;
    this.#process = null;
  }
}

function descendantsOf(root: number): number[] {
  const parents = execFileSync("ps", ["-eo", "pid=,ppid="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  const found = [root];
  for (const pid of found)
    found.push(...parents.filter(([, parent]) => parent === pid).map(([child]) => child));
  return found.slice(1);
}

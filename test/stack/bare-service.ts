import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate } from "../../dev/migrate.ts";
import { startNeonProxy } from "../../dev/neon-proxy.ts";
import { freePort, type Postgres, startPostgres } from "../../dev/postgres.ts";
import { buildService, type RunningWorkerd, SERVICE_OBJECTS, startWorkerd } from "../../dev/workerd.ts";
import { NeonFaults } from "./neon-faults.ts";
import type { Stack } from "./stack.ts";

export interface BareServiceOptions {
  /** Changes the built service before it runs: to see that a defect is found. */
  rewrite?: (bundle: string) => string;
  /** Settings of the Worker beside those it needs. */
  variables?: Record<string, string>;
  /** A free one by default. */
  port?: number;
}

interface Parts {
  port: number;
  neon: NeonFaults;
  home: string;
  postgres: Postgres;
  postgresDirectory: string;
  modules: Record<string, string>;
  variables: Record<string, string>;
  closeProxies: () => Promise<void>;
}

/** Signs its chat tokens. */
export const CHAT_TOKEN_SECRET = "a secret of the tests, at least 32 characters";

/** Only processes die here, never the machine: what was written to files is there. */
const POSTGRES_SETTINGS = ["fsync=off"];

/**
 * The built service in workerd itself, with PostgreSQL and everything between them under the control of a test: fast
 * to kill and to start again.
 */
export class BareService implements Stack {
  readonly port: number;
  readonly neon: NeonFaults;
  readonly objectsDirectory: string;
  readonly #parts: Parts;
  #workerd: RunningWorkerd | null = null;

  private constructor(parts: Parts) {
    this.port = parts.port;
    this.neon = parts.neon;
    this.objectsDirectory = join(parts.home, "objects");
    this.#parts = parts;
  }

  /** Everything but workerd is running when this resolves. */
  static async create({
    rewrite = (bundle) => bundle,
    variables = {},
    port,
  }: BareServiceOptions = {}): Promise<BareService> {
    const home = await mkdtemp(join(tmpdir(), "arcyou-bare-"));
    // PostgreSQL runs as another user when this is root, and must get through.
    const postgresDirectory = await mkdtemp(join(tmpdir(), "arcyou-bare-postgres-"));
    await chmod(postgresDirectory, 0o755);
    const bundle = rewrite(await buildService(home));
    const entry = await readFile(new URL("./bare-entry.js", import.meta.url), "utf8");
    const postgres = await startPostgres({ dataDir: postgresDirectory, settings: POSTGRES_SETTINGS });
    await migrate(postgres.url);
    const proxy = await startNeonProxy({ databaseUrl: postgres.url });
    const neon = new NeonFaults(proxy.url);
    const endpoint = await neon.listen();
    return new BareService({
      port: port ?? (await freePort()),
      neon,
      home,
      postgres,
      postgresDirectory,
      modules: { "entry.js": entry, "service.js": bundle },
      variables: {
        ENVIRONMENT: "development",
        DATABASE_URL: postgres.url,
        NEON_FETCH_ENDPOINT: endpoint,
        CHAT_TOKEN_SECRET,
        ...variables,
      },
      closeProxies: async () => {
        await neon.close();
        await proxy.stop();
      },
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    this.#workerd = await startWorkerd({
      home: this.#parts.home,
      port: this.port,
      modules: this.#parts.modules,
      objects: SERVICE_OBJECTS,
      variables: this.#parts.variables,
    });
  }

  async kill(): Promise<void> {
    await this.#workerd?.kill();
    this.#workerd = null;
  }

  /** Asks workerd to end: it takes no new connections, and open ones end after this long. */
  async retire(graceMs: number): Promise<void> {
    await this.#workerd?.stop(graceMs);
    await this.kill();
  }

  /** What workerd wrote to its log. */
  log(): Promise<string> {
    return readFile(join(this.#parts.home, "workerd.log"), "utf8");
  }

  async killPostgres(): Promise<void> {
    await this.#parts.postgres.kill();
  }

  async startPostgres(): Promise<void> {
    const { port } = this.#parts.postgres;
    this.#parts.postgres = await startPostgres({
      dataDir: this.#parts.postgresDirectory,
      port,
      settings: POSTGRES_SETTINGS,
    });
  }

  async databaseUrl(): Promise<string> {
    return this.#parts.postgres.url;
  }

  async stop(): Promise<void> {
    const { closeProxies, home, postgres, postgresDirectory } = this.#parts;
    await this.kill();
    await closeProxies();
    await postgres.stop();
    for (const directory of [home, postgresDirectory]) {
      await rm(directory, { recursive: true, force: true, maxRetries: 5 });
    }
  }
}

import type { Environment } from "./environment.ts";
import type { Store } from "./store.ts";

/** A token that ends sooner is not used any more. */
const MARGIN_MS = 30_000;
/** No tab waits longer for what another is fetching. */
const PATIENCE_MS = 10_000;

type TokenEnvironment = Pick<Environment, "now" | "setTimeout" | "clearTimeout" | "store">;

/**
 * The user's token. It is asked for once at a time, by one tab for all; a JWT is kept until shortly before its end,
 * anything else is asked for at each use.
 */
export class TokenSource {
  readonly #env: TokenEnvironment;
  readonly #fetch: () => Promise<string> | string;
  #token: string | null = null;
  #refused: string | null = null;
  #asking: Promise<string> | null = null;

  constructor(env: TokenEnvironment, fetch: () => Promise<string> | string) {
    this.#env = env;
    this.#fetch = fetch;
  }

  /** @throws what the application's function throws */
  get(): Promise<string> {
    if (this.#isUsable(this.#token)) return Promise.resolve(this.#token);
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  /** The service takes this one no more, or will not for long. */
  refuse(token: string | null = this.#token): void {
    this.#refused = token;
  }

  async #ask(): Promise<string> {
    const { store } = this.#env;
    const locks = store.sharing?.locks;
    this.#token = await (locks ? this.#askOnce(store, locks) : this.#fetch());
    return this.#token;
  }

  async #askOnce(store: Store, locks: Pick<LockManager, "request">): Promise<string> {
    let hasBegun = false;
    const ask = async () => {
      hasBegun = true;
      const stored = (await store.list<string>(TOKEN))?.[0]?.[1];
      if (this.#isUsable(stored)) return stored;
      const token = await this.#fetch();
      if (endOf(token) !== null) await store.write([[TOKEN, token]]);
      return token;
    };
    const patience = new AbortController();
    const timer = this.#env.setTimeout(() => patience.abort(), PATIENCE_MS);
    try {
      return await locks.request(store.name(TOKEN), { signal: patience.signal }, ask);
    } catch (error) {
      if (hasBegun) throw error;
      return await this.#fetch();
    } finally {
      this.#env.clearTimeout(timer);
    }
  }

  #isUsable(token: string | null | undefined): token is string {
    if (!token || token === this.#refused) return false;
    const end = endOf(token);
    return end !== null && end - this.#env.now() > MARGIN_MS;
  }
}

const TOKEN = "token";

/** When a JWT ends, Unix milliseconds; null for anything else. */
function endOf(token: string): number | null {
  try {
    const [, payload = ""] = token.split(".");
    const { exp } = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/"))) as { exp?: unknown };
    return typeof exp === "number" ? exp * 1000 : null;
  } catch {
    return null;
  }
}

import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";

/** Keys are fetched anew after this, if that works. */
const FRESH_MS = 5 * 60_000;
/** And not used any longer after this, even if it does not: a key may have been withdrawn. */
const TRUSTED_MS = 15 * 60_000;
/** Between two attempts to fetch, whatever asks for them: a flood of tokens is no flood of requests. */
const COOL_DOWN_MS = 10_000;
const TIMEOUT_MS = 5_000;
const BYTES_MAX = 256 * 1024;

/** The key set cannot be had, which says nothing about any token. */
export class KeySetAway extends Error {
  override name = "KeySetAway";
}

/** What a key set needs of the world; replaced in tests. */
export interface KeySetWorld {
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  now: () => number;
}

/**
 * The public keys of a host application, at a URL (RFC 7517). An isolate keeps them, fetches them anew now and then and
 * when a token names a key it does not know, and goes on with those it knows while they cannot be had, until they are
 * too old.
 *
 * Of a library's remote key set nothing is missing but this: when the application is down, each request would try to
 * fetch again.
 */
export class KeySet {
  readonly #url: string;
  readonly #world: KeySetWorld;
  #keys: ReturnType<typeof createLocalJWKSet> | null = null;
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #triedAt = Number.NEGATIVE_INFINITY;
  #fetching: Promise<void> | null = null;

  constructor(url: string, world: KeySetWorld = { fetch: (...args) => fetch(...args), now: Date.now }) {
    this.#url = url;
    this.#world = world;
  }

  /**
   * The key a token names, for `jwtVerify`.
   *
   * @throws {KeySetAway} when there is none that may be used now
   * @throws {errors.JWKSNoMatchingKey} when the set has no such key
   */
  readonly getKey: JWTVerifyGetKey = async (header, token) => {
    if (this.#ageMs() >= FRESH_MS) await this.#refresh();
    const keys = this.#ageMs() < TRUSTED_MS ? this.#keys : null;
    if (!keys) throw new KeySetAway("The key set cannot be fetched.");
    try {
      return await keys(header, token);
    } catch (error) {
      // A new key, perhaps.
      if (!(error instanceof errors.JWKSNoMatchingKey) || !(await this.#refresh())) throw error;
      return (this.#keys ?? keys)(header, token);
    }
  };

  #ageMs(): number {
    return this.#world.now() - this.#fetchedAt;
  }

  /** Fetches the set, unless that was tried a moment ago. Never throws. @returns whether it is new now */
  async #refresh(): Promise<boolean> {
    const before = this.#fetchedAt;
    if (!this.#fetching && this.#world.now() - this.#triedAt >= COOL_DOWN_MS) {
      this.#triedAt = this.#world.now();
      this.#fetching = this.#fetch().finally(() => {
        this.#fetching = null;
      });
    }
    // One request does the fetching. Should it be cancelled, its promise never settles: the others do not wait for ever.
    if (this.#fetching) await withinTimeout(this.#fetching);
    return this.#fetchedAt > before;
  }

  async #fetch(): Promise<void> {
    try {
      const response = await this.#world.fetch(this.#url, {
        headers: { Accept: "application/jwk-set+json, application/json" },
        redirect: "manual",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (response.status !== 200) throw new KeySetAway(`status ${response.status}`);
      const text = await readBounded(response);
      // Says what is wrong with a set that is none.
      this.#keys = createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);
      this.#fetchedAt = this.#world.now();
    } catch (error) {
      const reason = error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 200) : "unknown";
      console.error(JSON.stringify({ event: "key_set_unavailable", error: reason }));
    }
  }
}

async function readBounded(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for (;;) {
    const chunk = await reader?.read();
    if (!chunk || chunk.done) return text + decoder.decode();
    bytes += chunk.value.byteLength;
    if (bytes > BYTES_MAX) {
      await reader?.cancel();
      throw new KeySetAway(`more than ${BYTES_MAX} bytes`);
    }
    text += decoder.decode(chunk.value, { stream: true });
  }
}

async function withinTimeout(work: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, TIMEOUT_MS + 1_000);
  });
  await Promise.race([work, limit]);
  if (timer !== undefined) clearTimeout(timer);
}

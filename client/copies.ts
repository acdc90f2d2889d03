import type { Environment } from "./environment.ts";
import { COPIES } from "./store.ts";

/** Conversations whose newest messages are kept: those seen last, and the list. */
const MOST = 30;
const TIMES = "seen ";

/** What was shown last, kept so that it is there at once the next time, and without a network. */
export class Copies {
  readonly #env: Pick<Environment, "store" | "now">;
  readonly #kept = new Set<string>();

  constructor(env: Pick<Environment, "store" | "now">) {
    this.#env = env;
  }

  async load(key: string): Promise<unknown> {
    return (await this.#env.store.list(COPIES + key))?.[0]?.[1];
  }

  /** Keeps a copy, instead of the one that was not seen for the longest time if there are too many. */
  async save(key: string, value: object): Promise<void> {
    const { store, now } = this.#env;
    void store.write([
      [COPIES + key, value],
      [TIMES + key, now()],
    ]);
    if (this.#kept.has(key)) return;
    this.#kept.add(key);
    const times = (await store.list<number>(TIMES)) ?? [];
    const oldest = times.sort(([, a], [, b]) => b - a).slice(MOST);
    for (const [known] of oldest) this.drop(known);
  }

  drop(key: string): void {
    this.#kept.delete(key);
    void this.#env.store.write([
      [COPIES + key, undefined],
      [TIMES + key, undefined],
    ]);
  }
}

import type { Environment } from "./environment.ts";

/** One timer that is set, moved and stopped. */
export class Timer {
  readonly #env: Pick<Environment, "setTimeout" | "clearTimeout">;
  readonly #fire: () => void;
  #running: { handle: unknown } | null = null;

  constructor(env: Pick<Environment, "setTimeout" | "clearTimeout">, fire: () => void) {
    this.#env = env;
    this.#fire = fire;
  }

  get isRunning(): boolean {
    return this.#running !== null;
  }

  /** Fires once after `delayMs`; an earlier setting no longer counts. */
  start(delayMs: number): void {
    this.stop();
    this.#running = {
      handle: this.#env.setTimeout(() => {
        this.#running = null;
        this.#fire();
      }, delayMs),
    };
  }

  stop(): void {
    if (this.#running) this.#env.clearTimeout(this.#running.handle);
    this.#running = null;
  }
}

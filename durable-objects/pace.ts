export interface PaceOptions {
  now: () => number;
  pause: (ms: number) => Promise<void>;
  /** From one run to the next, milliseconds. */
  intervalMs: () => number;
  /** Does what has been asked for. @returns when there will be more to do; null for not before it is asked for */
  work: () => number | null;
}

/**
 * Work that is done at once after a silence, and then once an interval for all that was asked for meanwhile. Waiting ends
 * with the work, so that an idle object sleeps; what dies in between must not be the only one that knows.
 */
export class Pace {
  readonly #options: PaceOptions;
  #nextAt = Number.NEGATIVE_INFINITY;
  #dueAt: number | null = null;
  #isRunning = false;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** Has the work done: now, if the interval has passed. */
  ask(): void {
    this.#dueAt = this.#options.now();
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    const { now, pause, work } = this.#options;
    this.#isRunning = true;
    try {
      while (this.#dueAt !== null) {
        const intervalMs = this.#options.intervalMs();
        // A wait longer than was ever set means that the clock was set back.
        const sinceLastMs = this.#nextAt - now() > intervalMs ? 0 : this.#nextAt - now();
        this.#dueAt = Math.min(this.#dueAt, now() + MAX_WAIT_MS);
        const waitMs = Math.max(sinceLastMs, this.#dueAt - now());
        if (waitMs > 0) {
          await pause(waitMs);
          continue;
        }
        this.#nextAt = now() + intervalMs;
        this.#dueAt = null;
        const more = work();
        if (more !== null) this.#dueAt = Math.min(more, this.#dueAt ?? more);
      }
    } finally {
      this.#isRunning = false;
    }
  }
}

const MAX_WAIT_MS = 5_000;

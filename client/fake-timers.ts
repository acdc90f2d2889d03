/** Timers that fire only when told, in order of their time. */
export class FakeTimers {
  now = 1_000_000;
  readonly #timers = new Map<number, { at: number; callback: () => void }>();
  #next = 1;

  readonly options = {
    now: () => this.now,
    setTimeout: (callback: () => void, delayMs: number) => {
      this.#timers.set(this.#next, { at: this.now + delayMs, callback });
      this.#next += 1;
      return this.#next - 1;
    },
    clearTimeout: (timer: unknown) => {
      this.#timers.delete(timer as number);
    },
  };

  get running(): number {
    return this.#timers.size;
  }

  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.now = due[1].at;
      due[1].callback();
    }
    this.now = end;
  }
}

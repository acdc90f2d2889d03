import type { Entry } from "../checker/history.ts";
import { Random } from "./random.ts";

/** An entry without its place in the order, which the world gives. */
export type Unplaced<E = Entry> = E extends Entry ? Omit<E, "t"> : never;

interface Event {
  at: number;
  order: number;
  run: () => void;
}

/** The start of every simulated run, Unix milliseconds. */
export const START_MS = Date.UTC(2026, 0, 1);

/**
 * Time, chance and the record of one simulated run. Whatever happens later is an event here; after each event all
 * promises are followed to where they wait for another one. So a run depends on its plan and seed and on nothing
 * else: no timer, no clock and no randomness of the machine.
 */
export class World {
  readonly history: Entry[] = [];
  readonly random: Random;
  #now = START_MS;
  #instant = 0;
  #order = 0;
  #queue: Event[] = [];

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  /** Unix milliseconds. */
  get now(): number {
    return this.#now;
  }

  /** The next place in the history. */
  instant(): number {
    this.#instant += 1;
    return this.#instant;
  }

  /** @returns its place in the history */
  record(entry: Unplaced): number {
    const t = this.instant();
    this.history.push({ ...entry, t } as Entry);
    return t;
  }

  /** Runs it after `delayMs`, in the order of the calls where times are equal. */
  after(delayMs: number, run: () => void): () => void {
    this.#order += 1;
    const event = { at: this.#now + Math.max(0, delayMs), order: this.#order, run };
    push(this.#queue, event);
    return () => {
      event.run = () => undefined;
    };
  }

  /** A whole number of milliseconds in the range, or of tenths where the range is small. */
  delay(fromMs: number, toMs: number): number {
    return Math.round((fromMs + this.random.next() * (toMs - fromMs)) * 10) / 10;
  }

  /** Resolves after `delayMs`. */
  pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.after(delayMs, resolve));
  }

  /** Lets events happen until the probe holds or the time has come. @returns whether it held */
  async runUntil(untilMs: number, isDone: () => boolean = () => false): Promise<boolean> {
    // What was begun outside an event comes to its first wait.
    await settled();
    for (;;) {
      if (isDone()) return true;
      const next = this.#queue[0];
      if (!next || next.at > untilMs) break;
      pop(this.#queue);
      this.#now = Math.max(this.#now, next.at);
      next.run();
      await settled();
    }
    this.#now = Math.max(this.#now, untilMs);
    return isDone();
  }
}

/** All microtasks, and those they cause, have run when this resolves. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const isBefore = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** Adds to a binary heap. */
function push(heap: Event[], event: Event): void {
  let index = heap.length;
  heap.push(event);
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const above = heap[parent] as Event;
    if (!isBefore(event, above)) break;
    heap[index] = above;
    index = parent;
  }
  heap[index] = event;
}

/** Takes the first of a binary heap away. */
function pop(heap: Event[]): void {
  const last = heap.pop();
  if (!last || heap.length === 0) return;
  let index = 0;
  for (;;) {
    const left = 2 * index + 1;
    if (left >= heap.length) break;
    const right = left + 1;
    const child = right < heap.length && isBefore(heap[right] as Event, heap[left] as Event) ? right : left;
    if (!isBefore(heap[child] as Event, last)) break;
    heap[index] = heap[child] as Event;
    index = child;
  }
  heap[index] = last;
}

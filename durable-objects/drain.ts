import type { DrainedParticipant, StoredMessage } from "../db/messages.ts";
import type { DrainCursor, Log } from "./log.ts";
import type { Mirror } from "./mirror.ts";

const BATCH_MESSAGES = 500;
/**
 * Of bodies in one batch. Each character may become an entry of the search's index: fifty of the longest texts took
 * PostgreSQL 2 s, and a batch that takes longer than a request may take would be tried in vain for ever.
 */
const BATCH_CHARACTERS = 250_000;
/** Positions of participants that go along with a batch. */
const BATCH_PARTICIPANTS = 1_000;
/**
 * From one batch to the next while there is less than a full one. The first message after a silence is drained at
 * once; in a lively conversation a batch for each message would cost a request and a row each, and hold up the next.
 */
const BATCH_INTERVAL_MS = 100;
const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 30_000;

/** How Postgres answered a batch. */
export type DrainAnswer =
  | { outcome: "written" }
  /** Postgres understood and refused what a message contains (SQLSTATE class 22, 23 or 54). */
  | { outcome: "refused"; sqlState: string; error: string }
  /** Anything that may pass: no answer, no connection, a missing table. */
  | { outcome: "failed"; error: string };

type Refused = Extract<DrainAnswer, { outcome: "refused" }>;

export interface DrainTarget {
  write(batch: {
    messages: StoredMessage[];
    seq: number;
    participants: readonly DrainedParticipant[];
  }): Promise<DrainAnswer>;
  /** Makes a message that was refused visible to operators. Repeating it changes nothing. */
  report(stored: StoredMessage, refusal: { sqlState: string; error: string }): Promise<void>;
}

export interface DrainOptions {
  log: Log;
  mirror: Mirror;
  target: DrainTarget;
  now: () => number;
  random: () => number;
  pause: (ms: number) => Promise<void>;
  /** False when the conversation ended: its tables are gone. */
  isLive: () => boolean;
  /** Asks to be run again at this time, whatever becomes of this instance. */
  wakeAt: (timeMs: number) => void;
  /** Moves the cursor, or leaves it where it is. False when the conversation ended meanwhile and nothing is left to drain. */
  save: (cursor: DrainCursor) => boolean;
  note: (event: string, fields: Record<string, unknown>) => void;
}

/** Whether there is still time to wait. More than was ever set means that the clock was set back: then there is not. */
const isWithin = (longestMs: number, waitMs: number): boolean => waitMs > 0 && waitMs <= longestMs;

/** Milliseconds until attempt `failures + 1`: doubling, capped, of which half is random. */
export function retryDelayMs(failures: number, random: number): number {
  const ceiling = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(failures - 1, 10));
  return ceiling / 2 + (ceiling / 2) * random;
}

/**
 * Moves the log to Postgres. The log is the outbox: a batch is written as one transaction, then the cursor
 * moves. Dying between the two repeats the batch, which changes nothing.
 */
export class Drain {
  readonly #options: DrainOptions;
  #run: Promise<void> = Promise.resolve();
  #isDraining = false;
  #failures = 0;
  #retryAt = 0;
  #nextAt = 0;
  /** Messages of the next batch: fewer after one was refused, or got no answer, which may have been for its size. */
  #limit = BATCH_MESSAGES;
  /** Who waits for the next answer of Postgres. */
  #waiting: Array<() => void> = [];

  constructor(options: DrainOptions) {
    this.#options = options;
  }

  /** Drains what there is, unless a failure said to wait. Never throws; one run at a time. */
  run(): Promise<void> {
    if (!this.#isDraining && !isWithin(RETRY_MAX_MS, this.#retryAt - this.#options.now()))
      this.#run = this.#drainAll();
    return this.#run;
  }

  /**
   * Drains, and waits for the one batch that holds what was stored until now; while Postgres is failing, for nothing.
   */
  async runOnce(): Promise<void> {
    const answered = new Promise<void>((resolve) => this.#waiting.push(resolve));
    // Ends as well, with an answer or without, so that nobody waits for a batch that never comes.
    await Promise.race([answered, this.run()]);
  }

  /** When the next attempt is due; null when the last one succeeded. */
  get retryAt(): number | null {
    return this.#failures === 0 ? null : this.#retryAt;
  }

  /** Failed attempts since the last success. */
  get failures(): number {
    return this.#failures;
  }

  async #drainAll(): Promise<void> {
    const { log, mirror, target, save, now, pause, isLive } = this.#options;
    this.#isDraining = true;
    try {
      for (;;) {
        const limit = this.#limit;
        const { messages, next } = log.undrained(log.readCursor(), limit, BATCH_CHARACTERS);
        const [first] = messages;
        const participants = mirror.undrained(BATCH_PARTICIPANTS);
        if (!first && participants.length === 0) return;
        const waitMs = this.#nextAt - now();
        if (limit === BATCH_MESSAGES && messages.length < limit && isWithin(BATCH_INTERVAL_MS, waitMs)) {
          await pause(waitMs);
          if (!isLive()) return;
          continue;
        }
        this.#nextAt = now() + BATCH_INTERVAL_MS;
        const waiting = this.#waiting.splice(0);
        const answer = await target.write({ messages, seq: next.seq, participants });
        for (const resolve of waiting) resolve();
        if (answer.outcome === "failed") return this.#fail(answer.error);
        if (answer.outcome === "refused" && messages.length > 1) {
          // Something in it is refused. Smaller batches get past it and find it, and what they wrote is done.
          this.#limit = Math.ceil(messages.length / 2);
          continue;
        }
        if (answer.outcome === "refused") {
          if (!first) return this.#fail(`refused: ${answer.sqlState} ${answer.error}`);
          if (!(await this.#setAside(first, answer))) return;
        }
        this.#failures = 0;
        if (!save(next)) return;
        if (answer.outcome === "written") mirror.markDrained(participants);
        this.#limit = Math.min(BATCH_MESSAGES, limit * 2);
      }
    } catch (error) {
      // A conversation that ended took its tables along: there is nothing left to drain.
      if (isLive()) this.#fail(String(error));
    } finally {
      // Together with finding nothing left: a commit right after it starts a new run.
      this.#isDraining = false;
      for (const resolve of this.#waiting.splice(0)) resolve();
    }
  }

  /** Takes a message that Postgres refuses out of the way of the rest. False when Postgres is to blame. */
  async #setAside(stored: StoredMessage, answer: Refused): Promise<boolean> {
    const { log, target, now, note, isLive } = this.#options;
    // A database that refuses what it once took is broken, whatever it says of the message.
    if (!(await this.#takesKnown())) {
      this.#fail(`refused: ${answer.sqlState} ${answer.error}`);
      return false;
    }
    // Before the cursor passes it, so that operators hear of it even if Postgres fails now.
    await target.report(stored, answer);
    if (!isLive()) return false;
    const { id, seq } = stored.message;
    log.addPoison(stored.message, `${answer.sqlState} ${answer.error}`, now());
    note("poison_message", { message_id: id, seq, sql_state: answer.sqlState });
    return true;
  }

  /** Whether Postgres still takes the newest message that it has already, which changes nothing there. */
  async #takesKnown(): Promise<boolean> {
    const { log, target } = this.#options;
    const cursor = log.readCursor();
    const known = log.newestDrained(cursor);
    const answer = await target.write({
      messages: known ? [known] : [],
      seq: cursor.seq,
      participants: [],
    });
    return answer.outcome === "written";
  }

  #fail(error: string): void {
    const { now, random, wakeAt, note } = this.#options;
    this.#failures += 1;
    this.#limit = Math.ceil(this.#limit / 2);
    this.#retryAt = now() + retryDelayMs(this.#failures, random());
    wakeAt(this.#retryAt);
    note("drain_failed", { failures: this.#failures, error });
  }
}

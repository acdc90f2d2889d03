import { describeError } from "../db/client.ts";
import { Pace } from "./pace.ts";
import type { Notice } from "./rpc.ts";

/** From one notice about the conversation to the next, for one user. */
const INTERVAL_MS = 250;
/** And for each inbox that is open, so that a large conversation costs its object no more than a part of its time. */
const INTERVAL_PER_INBOX_MS = 2;
/** Inboxes that are called at once. */
const CALLS = 200;
const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 30_000;
/** Failures after which the object may sleep until its alarm: see {@link InboxNotices.again}. */
const PATIENCE = 4;
/** Attempts to tell of a removal before its caller is asked to try again. */
const REMOVAL_ATTEMPTS = 3;

export interface InboxNoticesOptions {
  now: () => number;
  pause: (ms: number) => Promise<void>;
  /** How many inboxes are open. */
  size: () => number;
  /** Whether the user is to be told at all. */
  isLeased: (userId: string) => boolean;
  /** What the user is to know now. */
  notice: (userId: string, what: { isStateNew: boolean; about: ReadonlySet<string> }) => Notice | null;
  send: (userId: string, notice: Notice) => Promise<void>;
  /** The user knows that they were removed. */
  removed: (userId: string) => void;
  /** Everybody knows everything. */
  settled: () => void;
  /** Some could not be told for some time: they are to be tried again when nothing else happens. */
  later: () => void;
  note: (event: string, fields: Record<string, unknown>) => void;
}

interface Untold {
  isStateNew: boolean;
  /** Whose presence changed. */
  about: Set<string>;
  failures: number;
  notBefore: number;
  /** Whether the first attempt succeeded; true also when nobody is there to be told any more. */
  attempt: PromiseWithResolvers<boolean>;
}

/**
 * Tells inboxes that are open what became of the conversation: each at once after a silence, then at the pace of the
 * conversation, one call at a time, and the state of that moment, so that the last one told is the one that holds.
 */
export class InboxNotices {
  readonly #options: InboxNoticesOptions;
  readonly #untold = new Map<string, Untold>();
  /** Whose turn it is: those are called as soon as fewer calls are under way. */
  readonly #due = new Set<string>();
  readonly #calls = new Map<string, Promise<void>>();
  /** Who was removed and does not know it. */
  readonly #removals = new Set<string>();
  readonly #pace: Pace;

  constructor(options: InboxNoticesOptions) {
    this.#options = options;
    this.#pace = new Pace({
      now: options.now,
      pause: options.pause,
      intervalMs: () => Math.max(INTERVAL_MS, options.size() * INTERVAL_PER_INBOX_MS),
      work: () => this.#tell(),
    });
  }

  /** Nothing is left to be told. */
  get isSettled(): boolean {
    return this.#untold.size === 0 && this.#calls.size === 0 && this.#removals.size === 0;
  }

  /** Tries once more what failed. */
  again(): void {
    if (this.#untold.size > 0) this.#pace.ask();
  }

  /** The conversation became different for these users. */
  changed(userIds: Iterable<string>): void {
    for (const userId of userIds) this.#of(userId).isStateNew = true;
    if (this.#untold.size > 0) this.#pace.ask();
    else if (this.isSettled) this.#options.settled();
  }

  /** These users came or went. @returns whether all were told; what could not be is tried again in any case */
  async presenceChanged(about: readonly string[], tell: Iterable<string>): Promise<boolean> {
    const attempts: Array<boolean | Promise<boolean>> = [];
    for (const userId of tell) {
      const others = about.filter((other) => other !== userId);
      if (others.length === 0) continue;
      const untold = this.#of(userId);
      for (const other of others) untold.about.add(other);
      attempts.push(untold.failures === 0 && untold.attempt.promise);
    }
    if (this.#untold.size > 0) this.#pace.ask();
    return (await Promise.all(attempts)).every(Boolean);
  }

  /** These users take part no more, and are to be told that and nothing else. */
  remove(userIds: Iterable<string>): void {
    for (const userId of userIds) {
      this.#forget(userId);
      this.#removals.add(userId);
    }
  }

  /** Tells those who were removed, after whatever is on its way to them. False when some could not be told. */
  async tellRemoved(conversationId: string): Promise<boolean> {
    const told = await Promise.all(
      [...this.#removals].map(async (userId) => {
        await this.#calls.get(userId);
        const notice: Notice = { conversation_id: conversationId, state: "removed", presence: [] };
        for (let attempt = 1; attempt <= REMOVAL_ATTEMPTS; attempt += 1) {
          try {
            await this.#options.send(userId, notice);
            this.#removals.delete(userId);
            this.#options.removed(userId);
            return true;
          } catch (error) {
            this.#options.note("inbox_untold", { error: describeError(error) });
            if (attempt < REMOVAL_ATTEMPTS) await this.#options.pause(RETRY_FIRST_MS * attempt);
          }
        }
        return false;
      }),
    );
    return told.every(Boolean);
  }

  #of(userId: string): Untold {
    let untold = this.#untold.get(userId);
    if (!untold) {
      const attempt = Promise.withResolvers<boolean>();
      untold = { isStateNew: false, about: new Set(), failures: 0, notBefore: 0, attempt };
      this.#untold.set(userId, untold);
    }
    return untold;
  }

  #forget(userId: string): void {
    this.#untold.get(userId)?.attempt.resolve(true);
    this.#untold.delete(userId);
  }

  #tell(): number | null {
    const now = this.#options.now();
    let next: number | null = null;
    for (const [userId, untold] of this.#untold) {
      if (!this.#options.isLeased(userId)) {
        this.#forget(userId);
        continue;
      }
      const waitMs = untold.notBefore - now;
      if (waitMs > 0 && waitMs <= RETRY_MAX_MS) {
        if (untold.failures < PATIENCE) next = Math.min(next ?? Number.POSITIVE_INFINITY, untold.notBefore);
        continue;
      }
      // Whoever is being told is told again in a round after that.
      if (!this.#calls.has(userId)) this.#due.add(userId);
    }
    this.#callDue();
    if (this.isSettled) this.#options.settled();
    return next;
  }

  #callDue(): void {
    for (const userId of this.#due) {
      if (this.#calls.size >= CALLS) return;
      this.#due.delete(userId);
      const untold = this.#untold.get(userId);
      if (!untold) continue;
      this.#untold.delete(userId);
      this.#calls.set(userId, this.#call(userId, untold));
    }
  }

  async #call(userId: string, untold: Untold): Promise<void> {
    const { notice, send, note, now } = this.#options;
    try {
      // After the round itself, which goes on to the others.
      await Promise.resolve();
      const told = notice(userId, untold);
      if (told) await send(userId, told);
      untold.attempt.resolve(true);
    } catch (error) {
      note("inbox_untold", { error: describeError(error) });
      const again = this.#of(userId);
      again.isStateNew ||= untold.isStateNew;
      for (const other of untold.about) again.about.add(other);
      again.failures = untold.failures + 1;
      again.notBefore = now() + Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(untold.failures, 10));
      // Nothing here waits that long, and there may be no alarm.
      if (again.failures >= PATIENCE) this.#options.later();
      untold.attempt.resolve(false);
    } finally {
      this.#calls.delete(userId);
      this.#callDue();
      if (this.#untold.size > 0) this.#pace.ask();
      else if (this.isSettled) this.#options.settled();
    }
  }
}

import type { Sql } from "./log.ts";

/** Somebody who left may come back within this, as with a reload, and nobody hears of it. */
export const GRACE_MS = 8_000;
/**
 * Silence after which a socket's other end is taken to be gone. Browsers let a page in the background act once a minute,
 * and a vanished machine has to be offline after 90 seconds.
 */
export const SILENCE_MS = 75_000;
/** How long an inbox is believed that was not heard of again. */
export const LEASE_MS = 60 * 60 * 1000;

/** Whether somebody is there, as their inbox said last. */
export interface Lease {
  /**
   * Number of the time online that it speaks of, or of the absence that followed it, which is one higher: what is late
   * has a lower one.
   */
  turn: number;
  /** 0 once they left, or when it was not renewed. */
  untilMs: number;
  lastSeenMs: number | null;
}

/** What one may know of somebody. */
export interface PresenceFact {
  user_id: string;
  online: boolean;
  last_seen_at: string | null;
  /** Orders what different conversations say of the same user. */
  turn: number;
}

export interface PresenceOptions {
  /** Whether the user has a session here. */
  isHere: (userId: string) => boolean;
  /** Whether others may see nothing of the user. */
  isInvisible: (userId: string) => boolean;
  /** When the user was last seen, of whom no inbox ever spoke here. */
  lastSeenAt: (userId: string) => string | null;
}

/**
 * Who of a conversation is online: whose inbox is open, as the inbox itself said, and who has a session here. What
 * inboxes say is stored by the caller; that somebody left a moment ago is not, because whoever would have been told of
 * it is gone with this object, too.
 */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #leases = new Map<string, Lease>();
  /** Whose last session here closed, and until when they may come back. */
  readonly #leaving = new Map<string, number>();
  readonly #lastHere = new Map<string, number>();
  /** What sessions were told: whom they know to be online. */
  readonly #told = new Set<string>();
  readonly #changed = new Set<string>();

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  /** What an earlier instance stored. Sessions were told of it, even if it ended since. */
  restore(userId: string, lease: Lease): void {
    this.#leases.set(userId, lease);
    if (lease.untilMs > 0 && !this.#options.isInvisible(userId)) this.#told.add(userId);
  }

  /** A session of the user that an earlier instance told others of. */
  wasHere(userId: string): void {
    if (!this.#options.isInvisible(userId)) this.#told.add(userId);
  }

  lease(userId: string): Lease | undefined {
    return this.#leases.get(userId);
  }

  /** Whether the user's inbox is to be told of what happens. */
  isLeased(userId: string, nowMs: number): boolean {
    const untilMs = this.#leases.get(userId)?.untilMs ?? 0;
    // Longer than was ever set means that the clock was set back.
    return untilMs > nowMs && untilMs - nowMs <= 2 * LEASE_MS;
  }

  /** Those whose inbox is open. */
  leased(nowMs: number): string[] {
    return [...this.#leases.keys()].filter((userId) => this.isLeased(userId, nowMs));
  }

  setLease(userId: string, lease: Lease): void {
    this.#leases.set(userId, lease);
    this.#changed.add(userId);
  }

  /** The user takes part no more. */
  forget(userId: string): void {
    this.#leases.delete(userId);
    this.#leaving.delete(userId);
    this.#lastHere.delete(userId);
    this.#told.delete(userId);
    this.#changed.delete(userId);
  }

  /** A session of the user began. */
  came(userId: string): void {
    this.#leaving.delete(userId);
    this.#changed.add(userId);
  }

  /** A session of the user ended. @returns when they are gone unless they come back; null when they are not leaving */
  left(userId: string, nowMs: number): number | null {
    if (this.#options.isHere(userId)) return null;
    if (!this.#options.isInvisible(userId)) this.#lastHere.set(userId, nowMs);
    this.#leaving.set(userId, nowMs + GRACE_MS);
    this.#changed.add(userId);
    return this.isLeased(userId, nowMs) ? null : nowMs + GRACE_MS;
  }

  /** The user is about to hide: to others, they leave now. @returns what is to be stored, if anything */
  hide(userId: string, nowMs: number): Lease | null {
    if (!this.isOnline(userId, nowMs)) return null;
    this.#lastHere.set(userId, nowMs);
    const lease = this.#leases.get(userId);
    return lease ? { ...lease, lastSeenMs: nowMs } : null;
  }

  /** Something else that shows changed: a setting. */
  touch(userId: string): void {
    this.#changed.add(userId);
  }

  /** Ends what is over. @returns whose inbox was not heard of again */
  expire(nowMs: number): string[] {
    for (const [userId, untilMs] of this.#leaving) {
      if (untilMs > nowMs && untilMs - nowMs <= GRACE_MS) continue;
      this.#leaving.delete(userId);
      this.#changed.add(userId);
    }
    const lost: string[] = [];
    for (const [userId, lease] of this.#leases) {
      if (lease.untilMs === 0 || this.isLeased(userId, nowMs)) continue;
      this.setLease(userId, { ...lease, untilMs: 0 });
      lost.push(userId);
    }
    return lost;
  }

  /** When {@link expire} has something to do that anybody sees; null for never. */
  nextAt(nowMs: number): number | null {
    const times: number[] = [];
    for (const [userId, untilMs] of this.#leaving) if (!this.isLeased(userId, nowMs)) times.push(untilMs);
    for (const { untilMs } of this.#leases.values()) if (untilMs > 0) times.push(untilMs);
    return times.length === 0 ? null : times.reduce((a, b) => Math.min(a, b));
  }

  isOnline(userId: string, nowMs: number): boolean {
    if (this.#options.isInvisible(userId)) return false;
    if (this.#options.isHere(userId) || this.isLeased(userId, nowMs)) return true;
    return (this.#leaving.get(userId) ?? 0) > nowMs;
  }

  /** What a conversation shows of the user. */
  fact(userId: string, nowMs: number): PresenceFact {
    return this.#factOf(userId, this.isOnline(userId, nowMs));
  }

  /** What is true of the user everywhere: what their inbox says. */
  leasedFact(userId: string, nowMs: number): PresenceFact {
    return this.#factOf(userId, !this.#options.isInvisible(userId) && this.isLeased(userId, nowMs));
  }

  /** Whose inbox was ever open here. */
  everLeased(): string[] {
    return [...this.#leases.keys()];
  }

  /** Who is different from what sessions were told; they are told now. */
  takeChanges(nowMs: number): PresenceFact[] {
    const facts: PresenceFact[] = [];
    for (const userId of this.#changed) {
      const fact = this.fact(userId, nowMs);
      if (fact.online === this.#told.has(userId)) continue;
      if (fact.online) this.#told.add(userId);
      else this.#told.delete(userId);
      facts.push(fact);
    }
    this.#changed.clear();
    return facts;
  }

  #factOf(userId: string, online: boolean): PresenceFact {
    const { turn = 0, lastSeenMs = null } = this.#leases.get(userId) ?? {};
    const seenMs = Math.max(lastSeenMs ?? 0, this.#lastHere.get(userId) ?? 0);
    const lastSeenAt = seenMs > 0 ? new Date(seenMs).toISOString() : this.#options.lastSeenAt(userId);
    return { user_id: userId, online, last_seen_at: lastSeenAt, turn };
  }
}

/** What inboxes said, in the object's SQLite: an object that slept must know whom to tell. */
export class LeaseTable {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  read(): Array<[userId: string, lease: Lease]> {
    const tables = this.#sql.exec("select 1 from sqlite_master where name = 'leases'").toArray();
    if (tables.length === 0) return [];
    return this.#sql
      .exec<{ user_id: string; turn: number; until_ms: number; last_seen_ms: number | null }>(
        "select * from leases",
      )
      .toArray()
      .map(({ user_id, turn, until_ms, last_seen_ms }) => [
        user_id,
        { turn, untilMs: until_ms, lastSeenMs: last_seen_ms },
      ]);
  }

  write(userId: string, { turn, untilMs, lastSeenMs }: Lease): void {
    this.#sql.exec(
      "create table if not exists leases (user_id text primary key, turn integer, until_ms integer, last_seen_ms integer) without rowid",
    );
    this.#sql.exec("insert or replace into leases values (?, ?, ?, ?)", userId, turn, untilMs, lastSeenMs);
  }
}

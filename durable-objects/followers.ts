import { describeError } from "../db/client.ts";
import type { OnlineUser } from "../db/presence.ts";
import type { Conversation } from "../protocol/entities.ts";
import { ok, type Result, refuse } from "../protocol/errors.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { Position } from "./commands.ts";
import { InboxNotices } from "./inbox-notices.ts";
import type { Sql } from "./log.ts";
import type { Mirror } from "./mirror.ts";
import { type Lease, LeaseTable, type Presence, type PresenceFact } from "./presence.ts";
import type { InboxRpc, Notice } from "./rpc.ts";

/** What followers need of the conversation and of its surroundings. */
export interface FollowersHost {
  /** The conversation's. */
  id: string;
  sql: Sql;
  mirror: Mirror;
  presence: Presence;
  transaction<T>(work: () => T): T;
  /** A transaction that changes the mirror. */
  changeMirror(work: () => void): void;
  now(): number;
  pause(ms: number): Promise<void>;
  /** The alarm comes at this time or sooner. */
  wakeAt(timeMs: number): void;
  note(event: string, fields: Record<string, unknown>): void;
  position(): Position;
  /** As the user sees it. */
  conversationFor(userId: string): Conversation;
  /** Sessions are to be told what became different of somebody's presence. */
  presenceChanged(): void;
  /** Those of the users whose inbox is open. */
  onlineAmong(userIds: string[]): Promise<Result<OnlineUser[]>>;
  inbox(userId: string): Pick<InboxRpc, "notify">;
}

/** A lease that is asked for again within this is the one that is held. */
const LEASE_SLACK_MS = 5 * 60 * 1000;
/** What could not be told is told again then, even if this instance dies. */
const RETRY_MS = 30_000;

/**
 * The inboxes that follow the conversation: each leases it while it is open, is told of what happens and of who is there,
 * and that it lost it. Whatever dies between any two steps, somebody is told twice rather than not at all.
 */
export class Followers {
  readonly #host: FollowersHost;
  readonly #leases: LeaseTable;
  readonly #notices: InboxNotices;
  /** Of whom it is not known whether their inbox is open: newcomers, who are to be told, and those who were removed. */
  readonly #newcomers = new Set<string>();
  readonly #removed = new Set<string>();
  /** Inboxes that this instance told of everybody: an earlier one may have died before it told them of somebody. */
  readonly #informed = new Set<string>();
  #introducing: Promise<void> | null = null;

  constructor(host: FollowersHost) {
    this.#host = host;
    this.#leases = new LeaseTable(host.sql);
    this.#notices = new InboxNotices({
      now: host.now,
      pause: host.pause,
      size: () => this.leased().length,
      isLeased: (userId) => this.isLeased(userId),
      notice: (userId, what) => this.#noticeFor(userId, what),
      send: async (userId, notice) => {
        const lease = host.presence.lease(userId);
        const { online } = await host.inbox(userId).notify(notice);
        this.#informed.add(userId);
        // It may have been opened again since it said so.
        if (!online && host.presence.lease(userId) === lease) this.#endLease(userId);
      },
      removed: (userId) => {
        this.#endLease(userId);
        if (host.mirror.member(userId)) this.introduce([userId]);
      },
      settled: () => {
        host.mirror.toldSeq = host.position().seq;
      },
      later: () => this.#retryLater(),
      note: host.note,
    });
  }

  /** Takes over what earlier instances left. @param isBehind whether one died with something undrained */
  restore(isBehind: boolean): void {
    const { presence, mirror, now, position } = this.#host;
    for (const [userId, lease] of this.#leases.read()) presence.restore(userId, lease);
    const gone = presence.leased(now()).filter((userId) => !mirror.member(userId));
    this.#notices.remove(gone);
    if (gone.length > 0) this.#retryRemovals();
    // An instance that died may not have told them; told twice, they take no notice.
    if (isBehind || mirror.toldSeq < position().seq) this.#notices.changed(this.leased());
    const { version = 0, introducedVersion = 0 } = mirror.state ?? {};
    if (introducedVersion < version) this.introduce(mirror.members().map(({ user_id }) => user_id));
  }

  /** Whether everybody was told everything. */
  get isSettled(): boolean {
    return this.#notices.isSettled && this.#newcomers.size === 0 && this.#removed.size === 0;
  }

  /** Participants whose inbox is open. */
  leased(): string[] {
    const { presence, mirror, now } = this.#host;
    return presence.leased(now()).filter((userId) => mirror.member(userId));
  }

  isLeased(userId: string): boolean {
    const { presence, mirror, now } = this.#host;
    return mirror.member(userId) !== null && presence.isLeased(userId, now());
  }

  /** A participant's inbox is open until then. @returns what it is to know of the others */
  lease(userId: string, { turn, untilMs }: { turn: number; untilMs: number }): PresenceFact[] {
    const { presence, now, wakeAt } = this.#host;
    const before = presence.lease(userId);
    const isLeased = presence.isLeased(userId, now());
    // Asked again a moment later, as after a reload: not worth a row.
    const isHeld = before?.turn === turn && isLeased && untilMs - before.untilMs < LEASE_SLACK_MS;
    // Overtaken by the release of its turn.
    const isOver = before !== undefined && turn < before.turn;
    if (!isHeld && !isOver) this.#setLease(userId, { turn, untilMs, lastSeenMs: before?.lastSeenMs ?? null });
    wakeAt(presence.nextAt(now()) ?? Number.POSITIVE_INFINITY);
    if (!isOver && (before?.turn !== turn || !isLeased)) void this.#tellPresence([userId]);
    this.#informed.add(userId);
    return this.#presenceFor(userId, presence.everLeased());
  }

  /** A participant's inbox is closed. @returns false when it was opened again since */
  release(userId: string, turn: number, lastSeenMs: number | null): boolean {
    const lease = this.#host.presence.lease(userId);
    const ended = turn + 1;
    if (lease && lease.turn > ended) return false;
    if (lease?.turn !== ended || lease.untilMs > 0)
      this.#setLease(userId, {
        turn: ended,
        untilMs: 0,
        lastSeenMs: lastSeenMs ?? lease?.lastSeenMs ?? null,
      });
    return true;
  }

  /** A participant wants to be seen no more. */
  hide(userId: string): void {
    const hidden = this.#host.presence.hide(userId, this.#host.now());
    if (hidden) this.#setLease(userId, hidden);
  }

  /** The conversation became different for these users. */
  changed(userIds: Iterable<string>): void {
    this.#notices.changed(userIds);
  }

  /** Has everybody told of one user. Whoever asked for it asks again if somebody could not be. */
  async tellOthers(userId: string): Promise<Result<void>> {
    if (await this.#tellPresence([userId])) return ok(undefined);
    return refuse("SERVICE_UNAVAILABLE", "Not everybody could be told. Try again.", {
      retry_after_ms: 1_000,
    });
  }

  /** Finds out whose inboxes are open, of users who were not there when theirs looked, and tells those. */
  introduce(userIds: readonly string[]): void {
    for (const userId of userIds) this.#newcomers.add(userId);
    if (this.#newcomers.size === 0) return;
    this.#introducing ??= this.#tellNewcomers()
      .catch((error: unknown) => this.#host.note("introduce_failed", { error: describeError(error) }))
      .finally(() => {
        this.#introducing = null;
      });
  }

  /** These take part no more: {@link tellRemoved} tells them. */
  remove(userIds: readonly string[]): void {
    for (const userId of userIds) this.#removed.add(userId);
    this.#notices.remove(userIds.filter((userId) => this.#host.presence.lease(userId)));
  }

  /** The conversation is about to end, for everybody. */
  removeAll(): void {
    this.#notices.remove(this.leased());
  }

  /** Tells those who were removed. Whoever asked for it asks again if somebody could not be. */
  async tellRemoved(): Promise<Result<void>> {
    const found = await this.#findRemoved();
    const isTold = await this.#notices.tellRemoved(this.#host.id);
    if (!found.ok || isTold) return found;
    const message = "The change is stored and will take effect shortly. Try again.";
    return refuse("SERVICE_UNAVAILABLE", message, { retry_after_ms: 1_000 });
  }

  /** Ends what nobody renewed, and tries again what could not be told. */
  round(): void {
    const { presence, now, wakeAt, note } = this.#host;
    // Found again by the next round if that fails.
    this.#endLeases(presence.expire(now())).catch((error: unknown) =>
      note("leases_not_ended", { error: describeError(error) }),
    );
    this.#notices.again();
    this.#retryRemovals();
    this.introduce([]);
    wakeAt(presence.nextAt(now()) ?? Number.POSITIVE_INFINITY);
  }

  #setLease(userId: string, lease: Lease): void {
    this.#host.transaction(() => this.#leases.write(userId, lease));
    this.#host.presence.setLease(userId, lease);
  }

  /** The user's inbox turned out to be closed, or to be none of this conversation's business any more. */
  #endLease(userId: string): void {
    const { presence, mirror } = this.#host;
    const lease = presence.lease(userId);
    if (lease && mirror.state) this.#setLease(userId, { ...lease, untilMs: 0 });
    if (!mirror.member(userId)) presence.forget(userId);
    else void this.#tellPresence([userId]);
  }

  /** Leases that nobody renewed. Stored once others were told: until then, they are found again. */
  async #endLeases(userIds: readonly string[]): Promise<void> {
    await this.#tellPresence(userIds);
    if (!this.#host.mirror.state) return;
    for (const userId of userIds) {
      const lease = this.#host.presence.lease(userId);
      if (lease?.untilMs === 0) this.#setLease(userId, lease);
    }
  }

  /** Has everybody told who came or went. @returns whether inboxes were; false as soon as one could not be */
  async #tellPresence(userIds: readonly string[]): Promise<boolean> {
    if (userIds.length === 0) return true;
    for (const userId of userIds) this.#host.presence.touch(userId);
    this.#host.presenceChanged();
    return !this.#isSmall() || this.#notices.presenceChanged(userIds, this.leased());
  }

  /** Whether inboxes are told who of the conversation is online. */
  #isSmall(): boolean {
    return this.#host.mirror.members().length <= LIMITS.presenceParticipants;
  }

  /** What an inbox is told of others. */
  #presenceFor(userId: string, peers: Iterable<string>): PresenceFact[] {
    if (!this.#isSmall()) return [];
    const { presence, mirror, now } = this.#host;
    const nowMs = now();
    return [...peers]
      .filter((peer) => peer !== userId && mirror.member(peer))
      .map((peer) => presence.leasedFact(peer, nowMs));
  }

  #noticeFor(
    userId: string,
    { isStateNew, about }: { isStateNew: boolean; about: ReadonlySet<string> },
  ): Notice | null {
    const { mirror, presence, position, conversationFor } = this.#host;
    const { state } = mirror;
    if (!state || !mirror.member(userId)) return null;
    const facts = this.#presenceFor(userId, this.#informed.has(userId) ? about : presence.everLeased());
    const { epoch, id } = state;
    const conversation = isStateNew ? conversationFor(userId) : null;
    if (!conversation && facts.length === 0) return null;
    return {
      conversation_id: id,
      state: conversation && { epoch, seq: position().seq, conversation },
      presence: facts,
    };
  }

  async #tellNewcomers(): Promise<void> {
    const { mirror, presence, onlineAmong, changeMirror } = this.#host;
    while (this.#newcomers.size > 0) {
      const asked = [...this.#newcomers];
      const unleased = asked.filter((userId) => !this.isLeased(userId));
      const online = unleased.length === 0 ? ok<OnlineUser[]>([]) : await onlineAmong(unleased);
      if (!online.ok) return this.#retryLater();
      if (!mirror.state) return;
      const found = online.value.filter(({ userId }) => mirror.member(userId) && !this.isLeased(userId));
      for (const { userId, untilMs } of found) {
        const { turn = 0, lastSeenMs = null } = presence.lease(userId) ?? {};
        this.#setLease(userId, { turn, untilMs, lastSeenMs });
      }
      const userIds = found.map(({ userId }) => userId);
      this.#notices.changed(userIds);
      void this.#tellPresence(userIds);
      for (const userId of asked) this.#newcomers.delete(userId);
    }
    // Until here, whatever dies finds them again.
    const { state } = mirror;
    if (!state || state.introducedVersion === state.version) return;
    changeMirror(() => mirror.writeState({ ...state, introducedVersion: state.version }));
  }

  /** Who has no lease is told as well: an inbox may be about to lease a conversation it just found. */
  async #findRemoved(): Promise<Result<void>> {
    if (this.#removed.size === 0) return ok(undefined);
    const asked = [...this.#removed];
    const online = await this.#host.onlineAmong(asked);
    if (!online.ok) return online;
    for (const userId of asked) this.#removed.delete(userId);
    this.#notices.remove(
      online.value.map(({ userId }) => userId).filter((userId) => !this.#host.mirror.member(userId)),
    );
    return ok(undefined);
  }

  #retryRemovals(): void {
    this.tellRemoved().catch((error: unknown) =>
      this.#host.note("removal_untold", { error: describeError(error) }),
    );
  }

  #retryLater(): void {
    this.#host.wakeAt(this.#host.now() + RETRY_MS);
  }
}

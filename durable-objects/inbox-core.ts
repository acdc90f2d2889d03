import { describeError } from "../db/client.ts";
import type { ListedConversation } from "../db/conversations.ts";
import type { InboxContents } from "../db/inbox.ts";
import type { VersionedSettings } from "../db/presence.ts";
import type { Revocation } from "../db/revocations.ts";
import type { UserSettings } from "../protocol/entities.ts";
import { ok, type Refusal, type Result, refuse } from "../protocol/errors.ts";
import type { InboxEvent, RefreshCommand } from "../protocol/frames.ts";
import { PROTOCOL_VERSION } from "../protocol/version.ts";
import { type Caller, type ConnectOptions, Door, type DoorHost } from "./door.ts";
import { inParallel } from "./in-parallel.ts";
import { InboxState, keepsakeOf, restoreKeepsake, UNKNOWN } from "./inbox-state.ts";
import { CLOSED, InboxTable, type StoredInbox } from "./inbox-table.ts";
import { GRACE_MS, LEASE_MS, SILENCE_MS } from "./presence.ts";
import type { Echo, FrameReceiver } from "./receive-frame.ts";
import type { ConversationRpc, InboxInspection, KnownState, Notice } from "./rpc.ts";
import {
  attachmentOf,
  type Session,
  type SessionAttachment,
  type SessionSocket,
  type Sessions,
} from "./sessions.ts";

/** Everything outside an inbox that it needs: the platform in production, a stand-in in tests. */
export interface InboxHost<Socket> extends DoorHost<Socket> {
  /** Calls {@link InboxCore.wake} at or after this time, even if this instance is gone by then. */
  setAlarm(timeMs: number): void;
  pause(ms: number): Promise<void>;
  postgres: InboxPostgres;
  conversation(id: string): Pick<ConversationRpc, "lease" | "release">;
}

/** What an inbox asks of Postgres. */
export interface InboxPostgres {
  /** Says that the inbox is open. Everybody sees it when this resolves. */
  saveOnline(untilMs: number): Promise<unknown>;
  saveOffline(lastSeenMs: number | null): Promise<unknown>;
  load(): Promise<InboxContents>;
  /** One conversation; null when the user takes no part in it. */
  find(conversationId: string): Promise<ListedConversation | null>;
}

/** Time before the end of a lease at which it is renewed, and everything is looked up once more. */
const RENEWAL_MS = LEASE_MS / 3;
/** After which what failed is tried again, while the object sleeps. */
const RETRY_MS = 20_000;
/** Conversations that are called at once. */
const CALLS = 100;
const LEAVE_MS = 5;

/** A conversation to be leased. */
interface Leased {
  id: string;
  /** What clients were told of it; null for nothing. */
  known: KnownState | null;
  /** Whether it stands in their lists. */
  isListed: boolean;
}

const toUserSettings = ({ invisible, read_receipts }: UserSettings): UserSettings => ({
  invisible,
  read_receipts,
});

const unknown = (id: string): Leased => ({ id, known: null, isListed: false });

/**
 * The inbox of one user: their own sockets, and what these are told of all of the user's conversations. While it is open
 * it leases itself to the conversations, which then tell it what happens.
 */
export class InboxCore<Socket extends SessionSocket> implements FrameReceiver<Socket, RefreshCommand> {
  readonly #host: InboxHost<Socket>;
  readonly #userId: string;
  readonly #door: Door<Socket>;
  readonly #sessions: Sessions<Socket>;
  readonly #state = new InboxState();
  readonly #table: InboxTable;
  #row: StoredInbox;
  /** Whether the state holds the counts of all conversations: not after a sleep that nothing was kept through. */
  #isKnown = false;
  #connecting = 0;
  /** How many wait for what Postgres says, and who was removed from where meanwhile. */
  #looking = 0;
  readonly #removed = new Set<string>();
  /** Conversations that were asked something, and what makes the answer out of date when it is another by then. */
  readonly #asked = new Map<string, object>();
  /** Conversations that could not be leased. */
  readonly #unleased = new Set<string>();
  /** Whether Postgres could not be asked when it was time. */
  #mustRenew = false;
  #closing: Promise<void> = Promise.resolve();
  #recovering: Promise<boolean> | null = null;
  #alarmAt = Number.POSITIVE_INFINITY;

  /** @param userId whose inbox it is, known by the object's name */
  constructor(host: InboxHost<Socket>, userId: string) {
    this.#host = host;
    this.#userId = userId;
    this.#table = new InboxTable(host.sql);
    this.#row = this.#table.read();
    this.#door = new Door(host, (timeMs) => this.#wakeAt(timeMs));
    this.#sessions = this.#door.sessions;
    this.#sessions.keep = (session) => {
      const keepsake = this.#isKnown
        ? keepsakeOf(this.#state, this.#row.followed, this.#row.list)
        : undefined;
      return { ...attachmentOf(session), keepsake };
    };
    this.#sessions.onEnd = (session) => this.#left(session);
  }

  /** Tells of an alarm that an earlier instance asked for, so that a later one does not replace it. */
  restoreAlarm(timeMs: number | null): void {
    this.#alarmAt = Math.min(this.#alarmAt, timeMs ?? Number.POSITIVE_INFINITY);
  }

  /** Takes back a socket that outlived the instance that accepted it. */
  restore(socket: Socket, attachment: SessionAttachment): void {
    this.#sessions.add(socket, attachment);
    const { followed, list } = this.#row;
    this.#state.awake();
    this.#isKnown ||= restoreKeepsake(this.#state, followed, list, attachment.keepsake ?? null);
  }

  /**
   * Greets a new socket: `ready`, then what Postgres did not know, then `synced`. Refusals close it with their code.
   *
   * @param accept makes the socket live and keeps the attachment with it; called only when it is admitted
   */
  async connect(
    socket: Socket,
    caller: Caller,
    options: ConnectOptions,
    accept: (attachment: SessionAttachment) => void,
  ): Promise<Result<void>> {
    if (this.#door.isRevoked(caller)) return refuse("UNAUTHORIZED", "revoked");
    this.#connecting += 1;
    try {
      await this.#closing;
      return await this.#look(
        () => this.#come(),
        (contents) => {
          const opened = this.#door.open(socket, caller, options, accept);
          if (!opened.ok) return opened;
          this.#greet(opened.value, contents, options.expiresAt);
          return ok(undefined);
        },
      );
    } finally {
      this.#connecting -= 1;
      if (this.#row.isOpen) this.#wakeAt(this.#host.now() + SILENCE_MS);
    }
  }

  admits(socket: Socket): boolean {
    return this.#door.admits(socket);
  }

  disconnect(socket: Socket): void {
    this.#sessions.remove(socket);
  }

  charge(socket: Socket, echo: Echo): boolean {
    const session = this.#sessions.get(socket);
    if (!session) return false;
    const refusal = this.#door.charge(session.userId, session.address);
    if (refusal) this.sendError(socket, refusal, echo);
    return refusal === null;
  }

  carryOut(socket: Socket, command: RefreshCommand): void {
    void this.#door.refresh(socket, command);
  }

  sendError(socket: Socket, refusal: Refusal, echo: Echo = {}): void {
    this.#door.sendError(socket, refusal, echo);
  }

  /** A conversation tells what became of it. */
  async notify({ conversation_id: id, state, presence }: Notice): Promise<{ online: boolean }> {
    if (!this.#isOpen) return { online: false };
    if (state === "removed") {
      this.#tellRemoval(id);
      return { online: true };
    }
    if (!this.#isKnown || !this.#state.isAccountable(id)) await this.#recover();
    const events: InboxEvent[] = [];
    if (state) {
      // Of an instance that died since it may come after its conversation said that the user was removed, or after
      // another began anew: that one is asked.
      const isUncertain = !this.#row.followed.includes(id) || this.#state.isDoubtful(state);
      if (!isUncertain) events.push(...this.#state.tell(state, this.#userId));
      if (isUncertain || this.#row.dormant.includes(id)) {
        this.#follow(id);
        void this.#lease([unknown(id)], null);
      }
    }
    this.#tell([...events, ...this.#state.tellPresence(presence)]);
    return { online: true };
  }

  /** Postgres knows something new of a conversation that no object holds. */
  async refresh(id: string): Promise<void> {
    if (!this.#isOpen) return;
    const isAnswered = this.#ask(id);
    const found = await this.#host.postgres.find(id);
    if (!isAnswered() || !this.#isOpen) return;
    if (!found) return this.#tellRemoval(id);
    if (!this.#isKnown || !this.#state.isAccountable(id)) await this.#recover();
    if (found.activated) {
      this.#follow(id);
      return this.#lease([unknown(id)], null);
    }
    if (!this.#row.followed.includes(id)) this.#save({ dormant: [...this.#row.dormant, id] }, id);
    const { conversation, seq } = found;
    this.#tell(this.#state.tell({ epoch: null, seq, conversation }, this.#userId));
  }

  /** The user decided otherwise, here or elsewhere. */
  settingsChanged(settings: VersionedSettings): void {
    if (!this.#row.isOpen || settings.version < this.#row.settings.version) return;
    this.#save({ settings });
    this.#tell([{ type: "settings.updated", settings: toUserSettings(settings) }]);
  }

  /** Ends credentials before their time: closes their sessions, and lets them in no more. */
  async revoke(revocation: Revocation): Promise<Result<void>> {
    await this.#door.revoke(revocation);
    return ok(undefined);
  }

  inspect(): InboxInspection {
    const { turn, followed, dormant } = this.#row;
    return {
      turn,
      leased: this.#isOpen ? followed.length - dormant.length : 0,
      unleased: this.#unleased.size,
      sockets: this.#sessions.size,
      total: this.#isKnown ? this.#state.total : null,
    };
  }

  /** The alarm: finds out who is gone, renews what ends, and asks for the next alarm if one is needed. Never throws. */
  async wake(): Promise<void> {
    this.#alarmAt = Number.POSITIVE_INFINITY;
    const { isOpen, leftAtMs } = this.#row;
    if (!isOpen && leftAtMs === null) return;
    this.#door.round();
    const silentAt = this.#door.closeSilent(this.#sessions.all());
    if (!isOpen || (this.#sessions.size === 0 && this.#connecting === 0)) return this.#leave();
    const now = this.#host.now();
    const restMs = this.#row.untilMs - now;
    // What an earlier instance could not ask, this one does not know.
    const isLeft = this.#mustRenew || (this.#row.isPartial && this.#unleased.size === 0);
    const isDue = isLeft || restMs <= RENEWAL_MS || restMs > LEASE_MS;
    if (isDue) await this.#renew();
    else if (this.#unleased.size > 0) await this.#lease([...this.#unleased].map(unknown), null);
    if (this.#unleased.size > 0 || this.#mustRenew) this.#retryLater();
    else if (this.#row.isPartial) this.#save({ isPartial: false });
    this.#wakeAt(silentAt ?? this.#host.now() + SILENCE_MS);
    this.#wakeAt(this.#row.untilMs - RENEWAL_MS);
    this.#wakeAt(this.#sessions.nextRound() ?? Number.POSITIVE_INFINITY);
  }

  // Coming

  /** Whether conversations are to tell what happens. */
  get #isOpen(): boolean {
    return this.#row.isOpen || this.#connecting > 0;
  }

  /** Says that the inbox is open, and finds out what is in it. */
  async #come(): Promise<InboxContents> {
    const now = this.#host.now();
    const { isOpen, turn, untilMs } = this.#row;
    const isHeld = isOpen && untilMs - now > RENEWAL_MS && untilMs - now <= LEASE_MS;
    if (!isHeld) {
      // Stored first, so that whatever dies here is found to be gone by the alarm.
      if (!isOpen) this.#save({ isOpen: true, turn: Math.max(now, turn + 2), untilMs: 0, leftAtMs: null });
      this.#wakeAt(now + SILENCE_MS);
      await this.#host.postgres.saveOnline(now + LEASE_MS);
      // Stored with what follows; whoever does not know it says it again.
      this.#row = { ...this.#row, untilMs: now + LEASE_MS };
    }
    return this.#host.postgres.load();
  }

  #greet(session: Session<Socket>, contents: InboxContents, expiresAt: number | null): void {
    const { page, followed, nextCursor } = contents;
    const isFirst = this.#sessions.size === 1;
    const totalBefore = this.#isKnown ? this.#state.total : null;
    const others = this.#take(contents, isFirst);
    const unread = [
      ...followed.map(({ unread_count }) => unread_count),
      ...contents.others.map(([, n]) => n),
    ];
    const total = unread.reduce((sum, count) => sum + count, 0);
    const known = this.#row.settings;
    // They may have changed since Postgres was asked.
    const settings = known.version > contents.settings.version ? known : contents.settings;
    if (this.#row.leftAtMs !== null || known.version !== settings.version)
      this.#save({ leftAtMs: null, settings });
    this.#sessions.send(session, {
      type: "ready",
      protocol: PROTOCOL_VERSION,
      user_id: this.#userId,
      conversations: page.map(({ conversation }) => conversation),
      has_more: nextCursor !== null,
      ...(nextCursor === null ? {} : { next_cursor: nextCursor }),
      unread: {
        total,
        conversations: followed.map(({ id, unread_count, last_read_id, last_message_id }) => ({
          id,
          unread_count,
          last_read_id,
          last_message_id,
        })),
      },
      settings: toUserSettings(settings),
      expires_at: expiresAt === null ? null : new Date(expiresAt).toISOString(),
    });
    this.#sessions.send(session, ...this.#state.online());
    if (!isFirst) this.#tellTotal(totalBefore);
    const leased = [...this.#shownBy(contents), ...others.map(unknown)];
    // After `ready` has left: a thousand calls would come before it.
    const answered = this.#host.pause(LEAVE_MS).then(() => this.#lease(leased, session));
    void answered.then(() => {
      if (total !== this.#state.total)
        this.#sessions.send(session, { type: "unread.updated", total: this.#state.total });
      this.#sessions.send(session, { type: "synced" });
    });
  }

  /** Conversations that objects hold, each with what a `ready` made of these contents shows of it. */
  #shownBy({ page, followed }: InboxContents): Leased[] {
    // The page was read a moment before the counts, or after them: what is asked about is what was shown.
    const paged = new Map(
      page.map(({ conversation: { id, me }, seq }) => [
        id,
        { seq, last_read_id: me.last_read_id, unread_count: me.unread_count },
      ]),
    );
    return followed.flatMap(({ id, isActivated, seq, last_read_id, unread_count }) => {
      if (!isActivated || !this.#state.get(id)) return [];
      const known = paged.get(id) ?? { seq, last_read_id, unread_count };
      const told = { seq: known.seq, lastReadId: known.last_read_id, unreadCount: known.unread_count };
      // Where an earlier socket was shown something else, both need to be told.
      return [{ id, known: this.#state.knows(id, told) ? known : null, isListed: true }];
    });
  }

  /**
   * Takes over what Postgres knows of conversations of which nothing is known here.
   *
   * @param isTold whether clients know as well what was not known here
   * @returns conversations that Postgres does not know to be the user's
   */
  #take({ followed, others: unfollowed }: InboxContents, isTold: boolean): string[] {
    for (const { id, seq, last_read_id, unread_count } of followed)
      this.#state.recall(id, { seq, lastReadId: last_read_id, unreadCount: unread_count }, isTold);
    this.#state.setOthers(unfollowed);
    const listed = new Set(followed.map(({ id }) => id));
    const others = this.#state.ids.filter((id) => !listed.has(id));
    const ids = [...listed, ...others];
    const dormant = followed.flatMap(({ id, isActivated }) => (isActivated ? [] : [id]));
    const isSame = (a: readonly string[], b: readonly string[]): boolean =>
      a.length === b.length && new Set([...a, ...b]).size === a.length;
    if (!isSame(ids, this.#row.followed) || !isSame(dormant, this.#row.dormant))
      this.#save({ followed: ids, dormant, list: this.#row.list + 1 });
    this.#isKnown = true;
    this.#keep();
    return others;
  }

  /**
   * Has conversations tell this inbox what happens, and tells what it did not know of them.
   *
   * @param session which knows what is `known`; null where all do
   */
  async #lease(conversations: readonly Leased[], session: Session<Socket> | null): Promise<void> {
    const { turn, untilMs } = this.#row;
    // A lease must not come after the release of its turn.
    const isCurrent = (): boolean => this.#row.isOpen && this.#row.turn === turn;
    await inParallel(conversations, CALLS, async ({ id, known, isListed }) => {
      if (!isCurrent()) return;
      const isAnswered = this.#ask(id);
      const answer = await this.#attempt(() =>
        this.#host.conversation(id).lease(this.#userId, { turn, untilMs }, known),
      );
      if (!isAnswered() || !isCurrent()) return;
      if (!answer.ok || (!answer.value.ok && answer.value.error.code !== "CONVERSATION_NOT_FOUND")) {
        this.#unleased.add(id);
        return this.#retryLater();
      }
      this.#unleased.delete(id);
      if (!answer.value.ok) return this.#tellRemoval(id);
      const { epoch, seq, conversation, presence } = answer.value.value;
      const events = conversation ? this.#state.tell({ epoch, seq, conversation }, this.#userId) : [];
      if (conversation && session && events.length === 0) {
        const told: InboxEvent = isListed
          ? { type: "conversation.updated", conversation }
          : { type: "conversation.added", conversation };
        this.#sessions.send(session, told);
      }
      this.#tell([...events, ...this.#state.tellPresence(presence)]);
    });
  }

  /** Looks everything up once more, so that nothing that was missed stays missed. */
  async #renew(): Promise<void> {
    const untilMs = this.#host.now() + LEASE_MS;
    // Whoever dies in the middle begins again.
    this.#save({ untilMs, isPartial: true });
    const contents = await this.#look(
      async () => {
        await this.#host.postgres.saveOnline(untilMs);
        return this.#host.postgres.load();
      },
      (found) => {
        const totalBefore = this.#isKnown ? this.#state.total : null;
        // What is not followed yet is counted with the others until it is.
        const unread = found.followed.map(({ id, unread_count }) => [id, unread_count] as const);
        if (this.#isKnown) this.#state.setOthers([...found.others, ...unread]);
        else this.#take(found, false);
        this.#tellTotal(totalBefore);
        return ok(found);
      },
    );
    this.#mustRenew = !contents.ok;
    if (contents.ok) {
      const listed = new Map(contents.value.followed.map((row) => [row.id, row]));
      const different = this.#state.ids.filter((id) => !listed.has(id));
      for (const [id, { isActivated, seq, last_read_id, unread_count }] of listed) {
        const told = { seq, lastReadId: last_read_id, unreadCount: unread_count };
        const isNew = !this.#state.get(id) || (isActivated && this.#row.dormant.includes(id));
        if (isNew || (!isActivated && !this.#state.knows(id, told))) different.push(id);
      }
      await inParallel(different, CALLS, async (id) => {
        await this.#attempt(() => this.refresh(id));
      });
    }
    const { followed, dormant } = this.#row;
    const leased = followed.filter((id) => !dormant.includes(id));
    this.#state.beginRound();
    await this.#lease(
      leased.map((id) => {
        const { seq, lastReadId, unreadCount, isTold } = this.#state.get(id) ?? UNKNOWN;
        const known = isTold ? { seq, last_read_id: lastReadId, unread_count: unreadCount } : null;
        return { id, known, isListed: true };
      }),
      null,
    );
    if (this.#unleased.size === 0) this.#tell(this.#state.endRound());
  }

  /** Finds out what was lost while the object slept. False when Postgres cannot say now. */
  #recover(): Promise<boolean> {
    this.#recovering ??= this.#look(
      () => this.#host.postgres.load(),
      (contents) => {
        this.#take(contents, false);
        this.#tellTotal(null);
        return ok(undefined);
      },
    )
      .then(({ ok: isFound }) => isFound)
      .finally(() => {
        this.#recovering = null;
      });
    return this.#recovering;
  }

  /**
   * Asks Postgres, and does with the answer what must not be interrupted: what happens meanwhile comes after it. Nothing
   * comes back that was removed while Postgres answered.
   */
  async #look<T>(
    ask: () => Promise<InboxContents>,
    use: (contents: InboxContents) => Result<T>,
  ): Promise<Result<T>> {
    this.#looking += 1;
    try {
      const found = await this.#attempt(ask);
      if (!found.ok) return found;
      const isStill = (id: string): boolean => !this.#removed.has(id);
      const { page, followed, others, ...rest } = found.value;
      return use({
        ...rest,
        page: page.filter(({ conversation }) => isStill(conversation.id)),
        followed: followed.filter(({ id }) => isStill(id)),
        others: others.filter(([id]) => isStill(id)),
      });
    } finally {
      this.#looking -= 1;
      if (this.#looking === 0) this.#removed.clear();
    }
  }

  // Leaving

  #left(session: Session<Socket>): void {
    if (this.#sessions.size > 0 || !this.#row.isOpen) return;
    const now = this.#host.now();
    const heardAt = this.#door.heardAt(session);
    // Whoever fell silent was gone by then, and had their time to come back.
    this.#save({ leftAtMs: now - heardAt >= SILENCE_MS ? heardAt : now });
    this.#wakeAt(now + GRACE_MS);
  }

  async #leave(): Promise<void> {
    const now = this.#host.now();
    const { isOpen, leftAtMs } = this.#row;
    if (isOpen && leftAtMs === null) {
      // Nobody closed them: the object died, and whoever is still there comes back.
      this.#save({ leftAtMs: now });
      this.#wakeAt(now + GRACE_MS);
    } else if (isOpen && leftAtMs !== null && leftAtMs <= now && now - leftAtMs < GRACE_MS) {
      this.#wakeAt(leftAtMs + GRACE_MS);
    } else {
      this.#closing = this.#close(leftAtMs ?? now);
      await this.#closing;
    }
  }

  async #close(leftAtMs: number): Promise<void> {
    const { followed, dormant, turn, untilMs, settings } = this.#row;
    const lastSeenMs = settings.invisible ? null : leftAtMs;
    const leased = followed.filter((id) => !dormant.includes(id));
    const failed: string[] = [];
    await inParallel(leased, CALLS, async (id) => {
      const released = await this.#attempt(() =>
        this.#host.conversation(id).release(this.#userId, turn, lastSeenMs),
      );
      if (!released.ok || !released.value.ok) failed.push(id);
    });
    const saved = await this.#attempt(() => this.#host.postgres.saveOffline(lastSeenMs));
    const isDone = failed.length === 0 && saved.ok;
    // What cannot be reached until then ends by itself.
    const isOver = untilMs <= this.#host.now();
    this.#state.clear();
    this.#unleased.clear();
    this.#isKnown = false;
    if (isDone || isOver) {
      this.#save({ ...CLOSED, turn, settings, list: this.#row.list });
    } else {
      this.#save({ isOpen: false, leftAtMs, followed: failed, dormant: [] });
      this.#wakeAt(this.#host.now() + RETRY_MS);
    }
  }

  // State

  #tell(events: readonly InboxEvent[]): void {
    if (events.length === 0) return;
    // A total that leaves out what is not known is none.
    const told = this.#isKnown ? events : events.filter(({ type }) => type !== "unread.updated");
    this.#sessions.broadcast(told, this.#host.now());
    this.#keep();
  }

  /** Says how much is unread, if that is something else than was said before, or if it is not known what was. */
  #tellTotal(before: number | null): void {
    const { total } = this.#state;
    if (total !== before) this.#tell([{ type: "unread.updated", total }]);
  }

  /** The user takes part no more. */
  #tellRemoval(id: string): void {
    const isAccountable = this.#state.isAccountable(id);
    this.#tell(this.#remove(id));
    if (!isAccountable) void this.#recover();
  }

  /** Keeps with the sockets what must survive a sleep, which costs nothing. */
  #keep(): void {
    if (this.#isKnown) this.#sessions.keepAll();
  }

  #follow(id: string): void {
    const { dormant } = this.#row;
    if (this.#row.followed.includes(id) && !dormant.includes(id)) return;
    this.#save({ dormant: dormant.filter((other) => other !== id) }, id);
  }

  #remove(id: string): InboxEvent[] {
    this.#asked.delete(id);
    this.#unleased.delete(id);
    if (this.#looking > 0) this.#removed.add(id);
    const { followed, dormant, list } = this.#row;
    if (followed.includes(id)) {
      const isOther = (other: string): boolean => other !== id;
      this.#save({ followed: followed.filter(isOther), dormant: dormant.filter(isOther), list: list + 1 });
    }
    const events = this.#state.remove(id);
    if (events.length > 0 || this.#isKnown) return events;
    return [{ type: "conversation.removed", conversation_id: id }];
  }

  /** @param following a conversation that is followed from now on */
  #save(changes: Partial<StoredInbox>, following?: string): void {
    const row = { ...this.#row, ...changes };
    if (following !== undefined && !row.followed.includes(following)) {
      row.followed = [...row.followed, following];
      row.list += 1;
    }
    this.#host.transaction(() => this.#table.write(row));
    this.#row = row;
  }

  /** @returns whether the answer to what is asked now still counts when it comes */
  #ask(id: string): () => boolean {
    const token = {};
    this.#asked.set(id, token);
    return () => {
      const isCurrent = this.#asked.get(id) === token;
      if (isCurrent) this.#asked.delete(id);
      return isCurrent;
    };
  }

  async #attempt<T>(work: () => Promise<T>): Promise<Result<T>> {
    try {
      return ok(await work());
    } catch (error) {
      const message = "The inbox cannot be read now. Try again.";
      this.#host.note("unavailable", { message, error: describeError(error) });
      return refuse("SERVICE_UNAVAILABLE", message, { retry_after_ms: 2_000 });
    }
  }

  /** Something could not be asked: stored, because the object may sleep before it is tried again. */
  #retryLater(): void {
    if (!this.#row.isPartial) this.#save({ isPartial: true });
    this.#wakeAt(this.#host.now() + RETRY_MS);
  }

  #wakeAt(timeMs: number): void {
    if (timeMs >= this.#alarmAt) return;
    this.#alarmAt = timeMs;
    this.#host.setAlarm(timeMs);
  }
}

import { describeError } from "../db/client.ts";
import type { ConversationSnapshot } from "../db/conversations.ts";
import type { StoredMessage } from "../db/messages.ts";
import type { OnlineUser, VersionedSettings } from "../db/presence.ts";
import type { Revocation } from "../db/revocations.ts";
import { CLOSE } from "../protocol/close-codes.ts";
import type { Conversation, Message, Participant } from "../protocol/entities.ts";
import {
  conversationNotFound,
  isRetryable,
  ok,
  type Refusal,
  type Result,
  refuse,
} from "../protocol/errors.ts";
import type { Command, DurableEvent, LiveEvent, ReadCommand, TypingCommand } from "../protocol/frames.ts";
import { PROTOCOL_VERSION } from "../protocol/version.ts";
import { applyCommand, type CommandOutcome, type MessageCommand, type Position } from "./commands.ts";
import { CommitQueue } from "./commit-queue.ts";
import { type Caller, type ConnectOptions, Door, type DoorHost } from "./door.ts";
import { Drain, type DrainTarget } from "./drain.ts";
import { Followers } from "./followers.ts";
import { type LogPage, type LogRange, pageOf, searchTailOf } from "./history.ts";
import { type DrainCursor, Log, type Sql } from "./log.ts";
import { Mirror, type MirrorChange, type MirroredParticipant } from "./mirror.ts";
import { Pace } from "./pace.ts";
import { Presence, SILENCE_MS } from "./presence.ts";
import type { FrameReceiver } from "./receive-frame.ts";
import type { InboxRpc, KnownState, LeaseAnswer, ReadState, SearchTail } from "./rpc.ts";
import {
  type CommandPlace,
  heldBack,
  holdFor,
  type Session,
  type SessionAttachment,
  type SessionSocket,
  type Sessions,
} from "./sessions.ts";
import { type Beginning, begin, readNewest, takeOver } from "./snapshots.ts";
import { Typing } from "./typing.ts";

import {
  changesSince,
  conversationFor,
  eventsFrom,
  latestPage,
  mirrorEvent,
  readyFrame,
  toParticipant,
  type View,
} from "./views.ts";

/** Everything outside the conversation that it needs: the platform in production, a simulation in tests. */
export interface ConversationHost<Socket> extends DoorHost<Socket> {
  sql: Sql;
  /** Runs `work` as one transaction: rolled back if it throws. */
  transaction<T>(work: () => T): T;
  /** Forgets everything stored. */
  erase(): Promise<void>;
  /** Calls {@link ConversationCore.wake} at or after this time, even if this instance is gone by then. */
  setAlarm(timeMs: number): void;
  random(): number;
  pause(ms: number): Promise<void>;
  postgres: ConversationPostgres;
  /** The inbox of a user. */
  inbox(userId: string): Pick<InboxRpc, "notify">;
}

/** What a conversation asks of Postgres. */
export interface ConversationPostgres extends DrainTarget {
  /**
   * The conversation, and the mark that this object holds it.
   *
   * @param sinceVersion what is mirrored: the snapshot tells what was said about changes after it; null for nothing
   * @param forUser marks nothing unless they take part; null marks in any case
   */
  loadSnapshot(sinceVersion: number | null, forUser: string | null): Promise<ConversationSnapshot | null>;
  readNewest(limit: number, beforeId?: number): Promise<StoredMessage[]>;
  /** Ids below `beforeId` of messages that are deleted or no user's. */
  readUncounted(beforeId: number): Promise<number[]>;
  readByIds(ids: number[]): Promise<StoredMessage[]>;
  readByTempIds(keys: Array<{ sender_id: string; temp_id: string }>): Promise<StoredMessage[]>;
  /** Those of the users whose inbox is open. */
  onlineAmong(userIds: string[]): Promise<OnlineUser[]>;
}

/** State for operators and tests. */
export interface Inspection {
  epoch: string;
  head: number;
  seq: number;
  floor: number;
  version: number;
  drained: { seq: number; message_id: number };
  drain_failures: number;
  poison: Array<{ message_id: number; seq: number; error: string; at: number }>;
  sockets: number;
  /** Open inboxes that are told of what happens. */
  inboxes: number;
  /** Whether all of them were told. */
  told: boolean;
}

/** How long after a commit a drain is certain to be tried even if this instance dies. */
const DRAIN_SAFETY_MS = 30_000;
/**
 * Changes after which the drain's cursor is stored, and time, which is that of an idle object until it sleeps; the alarm
 * stores what is left. A row for each batch would be a third of what a message of a lively conversation costs, and
 * whoever begins with an old cursor only drains once more what Postgres has.
 */
const CURSOR_LAG = 200;
const SAVE_INTERVAL_MS = 10_000;
/** Least time from one frame to a session to the next, of what has no `seq`; and for each session, if that is longer. */
const LIVE_INTERVAL_MS = 250;
const LIVE_INTERVAL_PER_SESSION_MS = 1;
interface Job<Socket extends SessionSocket> {
  userId: string;
  command: MessageCommand;
  /** null for a command from REST, where no order is promised. */
  session: Session<Socket> | null;
  place: CommandPlace;
  settle: (outcome: CommandOutcome) => void;
}

/**
 * One conversation: its order, its log, its sockets. Everything it says to a socket is said after the write
 * that made it true, and leaves only once that write is durable.
 */
export class ConversationCore<Socket extends SessionSocket> implements FrameReceiver<Socket, Command> {
  readonly #host: ConversationHost<Socket>;
  readonly #mirror: Mirror;
  readonly #door: Door<Socket>;
  readonly #sessions: Sessions<Socket>;
  readonly #log: Log;
  readonly #drain: Drain;
  readonly #followers: Followers;
  readonly #presence: Presence;
  readonly #typing = new Typing();
  /** Read positions that are neither stored nor told yet. */
  readonly #reads = new Map<string, number>();
  /** Who read over REST, stored and not told yet. */
  readonly #readElsewhere = new Set<string>();
  /** What sessions are told that has no `seq`. */
  readonly #live: Pace;
  readonly #queue: CommitQueue<Job<Socket>>;
  #position: Position = { head: 0, seq: 0 };
  #loading: Promise<Result<void>> | null = null;
  #alarmAt = Number.POSITIVE_INFINITY;
  /** When the drain's cursor was stored last, by this instance. */
  #savedAt = Number.NEGATIVE_INFINITY;

  /** @param id of the conversation, known by the object's name */
  constructor(host: ConversationHost<Socket>, id: string) {
    this.#host = host;
    this.#mirror = new Mirror(host.sql);
    this.#door = new Door(host, (timeMs) => this.#wakeAt(timeMs));
    this.#sessions = this.#door.sessions;
    this.#sessions.onEnd = (session) => this.#left(session);
    this.#presence = new Presence({
      isHere: (userId) => this.#sessions.online.has(userId),
      isInvisible: (userId) => this.#mirror.member(userId)?.settings.invisible ?? true,
      lastSeenAt: (userId) => this.#mirror.member(userId)?.last_seen_at ?? null,
    });
    this.#live = new Pace({
      now: host.now,
      pause: (ms) => host.pause(ms),
      intervalMs: () => Math.max(LIVE_INTERVAL_MS, this.#sessions.size * LIVE_INTERVAL_PER_SESSION_MS),
      work: () => this.#tellLive(),
    });
    this.#followers = new Followers({
      ...host,
      id,
      mirror: this.#mirror,
      presence: this.#presence,
      changeMirror: (work) => this.#changeMirror(work),
      wakeAt: (timeMs) => this.#wakeAt(timeMs),
      position: () => this.#position,
      conversationFor: (userId) => conversationFor(this.#view(), userId),
      presenceChanged: () => this.#live.ask(),
      onlineAmong: (userIds) => this.#attempt(() => host.postgres.onlineAmong(userIds)),
    });
    this.#queue = new CommitQueue({
      holdBack: (job) => this.#holdBack(job),
      commit: (jobs) => this.#commit(jobs),
      sync: () => host.sync(),
      pause: (ms) => host.pause(ms),
      note: host.note,
    });
    this.#log = new Log(host.sql, id);
    this.#drain = new Drain({
      log: this.#log,
      mirror: this.#mirror,
      target: host.postgres,
      now: host.now,
      random: host.random,
      pause: (ms) => host.pause(ms),
      isLive: () => this.#mirror.state !== null,
      wakeAt: (timeMs) => this.#wakeAt(timeMs),
      save: (cursor) => {
        if (!this.#mirror.state) return false;
        this.#log.moveCursor(cursor);
        const sinceSavedMs = Math.abs(this.#host.now() - this.#savedAt);
        if (this.#log.cursorLag >= CURSOR_LAG || sinceSavedMs >= SAVE_INTERVAL_MS) this.#saveProgress();
        return true;
      },
      note: host.note,
    });
    // Nothing is written for an id that names no conversation: the tables come with its first load.
    if (this.#mirror.read()) {
      this.#findPosition();
      if (this.#log.isOld()) {
        // Written when read positions were derived from the whole log.
        Log.upgradeTables(host.sql);
        this.#findReads({ seq: 0, messageId: 0 });
        this.#saveProgress();
      }
      this.#findReads(this.#log.readCursor());
      // Left by an instance that died: no need to wait for its alarm.
      const isBehind =
        this.#mirror.undrained(1).length > 0 ||
        this.#log.undrained(this.#log.readCursor(), 1, 1).messages.length > 0;
      if (isBehind) void this.#drain.run();
      this.#followers.restore(isBehind);
    }
  }

  /** Tells of an alarm that an earlier instance asked for, so that a later one does not replace it. */
  restoreAlarm(timeMs: number | null): void {
    this.#alarmAt = Math.min(this.#alarmAt, timeMs ?? Number.POSITIVE_INFINITY);
  }

  /** Takes back a socket that outlived the instance that accepted it. */
  restore(socket: Socket, attachment: SessionAttachment): void {
    this.#sessions.add(socket, attachment);
    this.#presence.wasHere(attachment.userId);
  }

  /**
   * Greets a new socket: `ready`, what it missed or the latest page, `synced`. Refusals close it with their
   * code.
   *
   * @param accept makes the socket live and keeps the attachment with it; called only when it is admitted
   */
  async connect(
    socket: Socket,
    caller: Caller,
    options: ConnectOptions & { since?: number | undefined; epoch?: string | undefined },
    accept: (attachment: SessionAttachment) => void,
  ): Promise<Result<void>> {
    const entered = await this.#enter(caller.userId);
    if (!entered.ok) return entered;
    const { state } = this.#mirror;
    const member = this.#mirror.member(caller.userId);
    if (!state || !member) return conversationNotFound();
    if (this.#door.isRevoked(caller)) return refuse("UNAUTHORIZED", "revoked");
    this.#refreshProfile(member, caller);
    const opened = this.#door.open(socket, caller, options, accept);
    if (!opened.ok) return opened;
    const session = opened.value;
    this.#presence.came(caller.userId);
    // From here to `synced` nothing is awaited: no change can fall between what is told and what follows.
    const missed = changesSince(this.#view(), member, options.since, options.epoch);
    const page = missed ? null : latestPage(this.#view(), member);
    const ready = readyFrame(this.#view(), {
      type: "ready",
      protocol: PROTOCOL_VERSION,
      user_id: caller.userId,
      epoch: state.epoch,
      seq: this.#position.seq,
      last_message_id: this.#position.head,
      conversation: conversationFor(this.#view(), member.user_id),
      resume: missed ? "complete" : "reset",
      expires_at: options.expiresAt === null ? null : new Date(options.expiresAt).toISOString(),
      ...(page ? { messages: page.messages, has_more: page.hasMore } : {}),
    });
    this.#sessions.sendFrame(session, ready);
    if (missed) this.#sessions.send(session, ...missed);
    this.#sessions.send(session, { type: "synced", seq: this.#position.seq });
    if (!this.#followers.isLeased(caller.userId)) this.#wakeAt(this.#host.now() + SILENCE_MS);
    this.#live.ask();
    return ok(undefined);
  }

  charge(socket: Socket, echo: { ref?: string; temp_id?: string }, mayOvertake = false): boolean {
    const session = this.#sessions.get(socket);
    if (!session) return false;
    const now = this.#host.now();
    session.commands += 1;
    const place = placeOf(session, echo);
    const held = mayOvertake ? null : heldBack(session, place, now);
    const refusal = held ?? this.#door.charge(session.userId, session.address);
    if (!refusal) return true;
    // What is held back holds up nothing itself, or the hold would renew itself for ever.
    if (!held && !mayOvertake) holdFor(session, place, refusal, now);
    this.sendError(socket, refusal, echo);
    return false;
  }

  /** Carries out a command from a socket; the answer is the event, or an `error` that echoes `ref` and `temp_id`. */
  carryOut(socket: Socket, command: Command): void {
    switch (command.type) {
      case "auth.refresh":
        void this.#door.refresh(socket, command);
        return;
      case "read.update":
        this.#receiveRead(socket, command);
        return;
      case "typing":
        this.#receiveTyping(socket, command);
        return;
      default:
        // What a sender may put into a message is a part of what a message may be.
        this.#receive(socket, command as MessageCommand & { ref?: string });
    }
  }

  #receive(socket: Socket, command: MessageCommand & { ref?: string | undefined }): void {
    const session = this.#sessions.get(socket);
    if (!session) return;
    const echo = {
      ...(command.ref === undefined ? {} : { ref: command.ref }),
      ...("temp_id" in command ? { temp_id: command.temp_id } : {}),
    };
    const place = placeOf(session, echo);
    const settle = (outcome: CommandOutcome): void => {
      if (outcome.kind === "refused") {
        if (isRetryable(outcome.refusal.code)) holdFor(session, place, outcome.refusal, this.#host.now());
        this.sendError(socket, outcome.refusal, echo);
      }
      if (outcome.kind === "repeated") this.#sessions.send(session, outcome.event);
    };
    this.#submit({ userId: session.userId, command, session, place, settle });
  }

  /** Ends credentials before their time: closes their sessions, and lets them in no more. */
  async revoke(revocation: Revocation): Promise<Result<void>> {
    const loaded = await this.#load();
    if (!loaded.ok) return loaded.error.code === "CONVERSATION_NOT_FOUND" ? ok(undefined) : loaded;
    await this.#door.revoke(revocation);
    return ok(undefined);
  }

  sendError(socket: Socket, refusal: Refusal, echo: { ref?: string; temp_id?: string } = {}): void {
    this.#door.sendError(socket, refusal, echo);
  }

  admits(socket: Socket): boolean {
    return this.#door.admits(socket);
  }

  /** A socket closed, for whatever reason. */
  disconnect(socket: Socket): void {
    this.#sessions.remove(socket);
  }

  /** Carries out a command from REST and waits until it is durable. */
  async execute(
    userId: string,
    command: MessageCommand,
  ): Promise<Result<{ message: Message; isNew: boolean }>> {
    // An outsider is never charged: being limited would tell them that the conversation exists.
    const entered = await this.#enter(userId);
    if (!entered.ok) return entered;
    const tooMany = this.#door.charge(userId);
    if (tooMany) return { ok: false, error: tooMany };
    const outcome = await new Promise<CommandOutcome>((settle) =>
      this.#submit({ userId, command, session: null, place: { key: undefined, number: 0 }, settle }),
    );
    if (outcome.kind === "refused") return { ok: false, error: outcome.refusal };
    return ok({ message: outcome.message, isNew: outcome.kind === "changed" });
  }

  /** Moves a user's read position forward, never back; the answer comes when that is durable. */
  async read(userId: string, lastReadId: number): Promise<Result<ReadState>> {
    const entered = await this.#enter(userId);
    if (!entered.ok) return entered;
    const tooMany = this.#door.charge(userId);
    if (tooMany) return { ok: false, error: tooMany };
    const refusal = this.#beyondHead(lastReadId);
    if (refusal) return { ok: false, error: refusal };
    if ((this.#mirror.member(userId)?.last_read_id ?? 0) < lastReadId) {
      this.#storeReads([[userId, lastReadId]]);
      this.#readElsewhere.add(userId);
      this.#live.ask();
      await this.#host.sync();
      // So that a list read from Postgres right after the answer has it.
      await this.#drain.runOnce();
    }
    const now = this.#mirror.member(userId);
    if (!now) return conversationNotFound();
    return ok({
      last_read_id: now.last_read_id,
      unread_count: this.#log.countFrom(now.last_read_id, this.#position.head),
      last_message_id: this.#position.head,
    });
  }

  /** What search cannot find in Postgres yet: messages that were sent, edited or deleted and are not drained. */
  async searchTail(
    userId: string,
    query: string,
    beforeId: number = Number.MAX_SAFE_INTEGER,
  ): Promise<Result<SearchTail>> {
    const entered = await this.#enter(userId);
    if (!entered.ok) return entered;
    const member = this.#mirror.member(userId);
    return member ? searchTailOf(this.#view(), member, query, beforeId) : conversationNotFound();
  }

  /** A page for a participant: `beforeId` or the latest, or with `afterId` what comes after it. */
  async page(userId: string, range: LogRange): Promise<Result<LogPage>> {
    const entered = await this.#enter(userId);
    if (!entered.ok) return entered;
    const { state } = this.#mirror;
    const member = this.#mirror.member(userId);
    return state && member ? ok(pageOf(this.#view(), state.floor, member, range)) : conversationNotFound();
  }

  /** The conversation as the user sees it now. */
  async summary(userId: string): Promise<Result<Conversation>> {
    const entered = await this.#enter(userId);
    return entered.ok ? ok(conversationFor(this.#view(), userId)) : entered;
  }

  /** Everybody taking part, as a participant sees them. */
  async participantsFor(userId: string): Promise<Result<Participant[]>> {
    const entered = await this.#enter(userId);
    if (!entered.ok) return entered;
    return ok(this.#mirror.members().map((member) => toParticipant(this.#view(), member, userId)));
  }

  /** The user's inbox is open: it is told of what happens from here on, and gets what it does not know. */
  async lease(
    userId: string,
    lease: { turn: number; untilMs: number },
    known: KnownState | null,
  ): Promise<Result<LeaseAnswer>> {
    const entered = await this.#enter(userId);
    if (!entered.ok) return entered;
    const presence = this.#followers.lease(userId, lease);
    const member = this.#mirror.member(userId);
    const state = this.#mirror.state;
    if (!member || !state) return conversationNotFound();
    const { seq, head } = this.#position;
    const { last_read_id } = member;
    const unread_count = this.#log.countFrom(last_read_id, head);
    const isKnown =
      known?.seq === seq && known.last_read_id === last_read_id && known.unread_count === unread_count;
    return ok({
      epoch: state.epoch,
      seq,
      last_read_id,
      unread_count,
      conversation: isKnown ? null : conversationFor(this.#view(), userId),
      presence,
    });
  }

  /** The user's inbox is closed, unless it was opened again since. */
  async release(userId: string, turn: number, lastSeenMs: number | null): Promise<Result<void>> {
    const loaded = await this.#load();
    if (!loaded.ok) return loaded.error.code === "CONVERSATION_NOT_FOUND" ? ok(undefined) : loaded;
    const member = this.#mirror.member(userId);
    if (!member) return ok(undefined);
    // The inbox may not know yet that its user hid.
    const seenMs = member.settings.invisible ? null : lastSeenMs;
    if (!this.#followers.release(userId, turn, seenMs)) return ok(undefined);
    this.#wakeAt(this.#door.closeSilent(this.#sessions.ofUser(userId)) ?? Number.POSITIVE_INFINITY);
    // Asked again because an answer was lost, others are told again: the instance that was asked first may not have.
    return this.#followers.tellOthers(userId);
  }

  /** The user decided otherwise, which the others are to see. */
  async settingsChanged(userId: string, settings: VersionedSettings): Promise<Result<void>> {
    // Whoever is on their way in was read from Postgres, perhaps before this was decided.
    const entered = await this.#enter(userId);
    if (!entered.ok) return entered.error.code === "CONVERSATION_NOT_FOUND" ? ok(undefined) : entered;
    const member = this.#mirror.member(userId);
    if (!member || settings.version < member.settings.version) return ok(undefined);
    const isRepeated = settings.version === member.settings.version;
    if (!isRepeated) this.#changeSettings(member, settings);
    // Told again when it is asked again, as with a release.
    const isSeen = isRepeated || settings.invisible !== member.settings.invisible;
    return isSeen ? this.#followers.tellOthers(userId) : ok(undefined);
  }

  #changeSettings(member: MirroredParticipant, settings: VersionedSettings): void {
    const { user_id: userId } = member;
    const { invisible, read_receipts: areShown } = member.settings;
    if (settings.invisible && !invisible) {
      this.#followers.hide(userId);
      this.#typing.say(userId, false, this.#host.now());
    }
    const changed = { ...member, settings };
    if (areShown !== settings.read_receipts) this.#changeParticipant(changed);
    else this.#changeMirror(() => this.#mirror.writeParticipant(changed));
  }

  /**
   * Brings the mirror to at least this version of Postgres: whoever was removed is cut off when it returns.
   * Told twice or late, it does nothing.
   */
  async versionChanged(version: number): Promise<Result<void>> {
    const loaded = await this.#load();
    // Loading read Postgres after the change was committed: of a missing conversation only its end is still to be told.
    if (!loaded.ok && loaded.error.code !== "CONVERSATION_NOT_FOUND") return loaded;
    if (!loaded.ok) return this.#followers.tellRemoved();
    if (!this.#mirror.state || this.#mirror.state.version < version) {
      const caughtUp = await this.#catchUp();
      if (!caughtUp.ok) return caughtUp;
      // Postgres learns what only the object could say of newcomers: from where on they may see.
      await this.#drain.runOnce();
    }
    return this.#followers.tellRemoved();
  }

  /** The alarm: drains, closes expired sockets, and asks for the next alarm if one is needed. Never throws. */
  async wake(): Promise<void> {
    this.#alarmAt = Number.POSITIVE_INFINITY;
    if (!this.#mirror.state) return;
    this.#door.round();
    this.#lookAround();
    await this.#drain.run();
    // It may have ended meanwhile, and its tables with it.
    if (this.#mirror.state && (this.#log.cursorLag > 0 || this.#mirror.hasUnsaved)) this.#saveProgress();
    if (this.#drain.retryAt !== null) this.#wakeAt(this.#drain.retryAt);
    if (!this.#followers.isSettled) this.#wakeAt(this.#host.now() + DRAIN_SAFETY_MS);
    this.#wakeAt(this.#sessions.nextRound() ?? Number.POSITIVE_INFINITY);
  }

  async inspect(): Promise<Result<Inspection>> {
    const loaded = await this.#load();
    const state = this.#mirror.state;
    if (!loaded.ok || !state) return loaded.ok ? conversationNotFound() : loaded;
    const cursor = this.#log.readCursor();
    return ok({
      epoch: state.epoch,
      ...this.#position,
      floor: state.floor,
      version: state.version,
      drained: { seq: cursor.seq, message_id: cursor.messageId },
      drain_failures: this.#drain.failures,
      poison: this.#log.poison(),
      sockets: this.#sessions.size,
      inboxes: this.#followers.leased().length,
      told: this.#followers.isSettled,
    });
  }

  // Commit

  #submit(job: Job<Socket>): void {
    if (!this.#mirror.member(job.userId)) {
      job.settle({ kind: "refused", refusal: conversationNotFound().error });
      return;
    }
    this.#queue.submit(job);
  }

  /** Refuses a job whose sender must first repeat an earlier one. */
  #holdBack({ session, place, settle }: Job<Socket>): boolean {
    const refusal = session && heldBack(session, place, this.#host.now());
    if (refusal) settle({ kind: "refused", refusal });
    return refusal !== null;
  }

  async #commit(jobs: Job<Socket>[]): Promise<void> {
    try {
      const known = await this.#recall(jobs);
      if (known.ok) this.#carryOutAll(jobs);
      else refuseAll(jobs, known.error);
    } catch (error) {
      // The conversation may have ended while older messages were looked up.
      this.#host.note("commit_failed", { commands: jobs.length, error: describeError(error) });
      refuseAll(jobs, SEND_FAILED);
    }
  }

  #carryOutAll(jobs: Job<Socket>[]): void {
    const now = this.#host.now();
    const position = { ...this.#position };
    let outcomes: CommandOutcome[];
    try {
      outcomes = this.#host.transaction(() =>
        jobs.map(({ userId, command }) => {
          const outcome = applyCommand(this.#log, this.#mirror, position, userId, command, now);
          if (outcome.kind === "changed") {
            position.seq = outcome.event.seq;
            position.head = Math.max(position.head, outcome.message.id);
          }
          return outcome;
        }),
      );
    } catch (error) {
      this.#host.note("commit_failed", { commands: jobs.length, error: describeError(error) });
      refuseAll(jobs, SEND_FAILED);
      return;
    }
    this.#position = position;
    for (const outcome of outcomes) {
      if (outcome.kind !== "changed" || outcome.event.type !== "message.created") continue;
      const { sender_id, id, type } = outcome.message;
      if (type !== "user") continue;
      this.#mirror.readTo(sender_id, id, false);
      this.#typing.sent(sender_id);
    }
    const events = outcomes.flatMap((outcome) => (outcome.kind === "changed" ? [outcome.event] : []));
    if (events.length > 0) {
      this.#wakeAt(now + DRAIN_SAFETY_MS);
      this.#broadcast(events);
      this.#followers.changed(
        events.some((event) => this.#isListNews(event)) ? this.#followers.leased() : [],
      );
    }
    jobs.forEach(({ settle }, index) => {
      const outcome = outcomes[index];
      if (outcome) settle(outcome);
    });
    if (events.length > 0) void this.#drain.run();
  }

  /** Fetches what the commands refer to and the log never held: only after storage was lost and begun anew. */
  async #recall(jobs: Job<Socket>[]): Promise<Result<void>> {
    const floor = this.#mirror.state?.floor ?? 1;
    if (floor <= 1) return ok(undefined);
    const ids = new Set<number>();
    const keys: Array<{ sender_id: string; temp_id: string }> = [];
    for (const { userId, command } of jobs) {
      if (command.type === "message.send") {
        if (!this.#log.byTempId(userId, command.temp_id))
          keys.push({ sender_id: userId, temp_id: command.temp_id });
      } else if (command.id < floor && !this.#log.get(command.id)) ids.add(command.id);
    }
    const found = await this.#attempt(async () => [
      ...(ids.size > 0 ? await this.#host.postgres.readByIds([...ids]) : []),
      ...(keys.length > 0 ? await this.#host.postgres.readByTempIds(keys) : []),
    ]);
    if (!found.ok) return found;
    // It may have ended meanwhile, and its tables with it; the commit refuses everybody then.
    if (!this.#mirror.state) return ok(undefined);
    for (const stored of found.value) this.#log.recall(stored);
    return ok(undefined);
  }

  // What is told and not kept: reading, typing, coming and going

  #receiveRead(socket: Socket, { last_read_id: lastReadId, ref }: ReadCommand): void {
    const session = this.#sessions.get(socket);
    const member = session && this.#mirror.member(session.userId);
    if (!session || !member) return;
    const refusal = this.#beyondHead(lastReadId);
    if (refusal) {
      this.sendError(socket, refusal, ref === undefined ? {} : { ref });
    } else if (lastReadId > Math.max(member.last_read_id, this.#reads.get(member.user_id) ?? 0)) {
      this.#reads.set(member.user_id, lastReadId);
      this.#live.ask();
    } else if (lastReadId <= member.last_read_id) {
      this.#sessions.send(session, this.#readUpdated(member));
    }
  }

  #receiveTyping(socket: Socket, { typing }: TypingCommand): void {
    const session = this.#sessions.get(socket);
    if (!session || this.#mirror.member(session.userId)?.settings.invisible !== false) return;
    this.#typing.say(session.userId, typing, this.#host.now());
    this.#live.ask();
  }

  #beyondHead(lastReadId: number): Refusal | null {
    const { head } = this.#position;
    if (lastReadId <= head) return null;
    const details = [{ path: "last_read_id", message: `must not be beyond the newest message, ${head}` }];
    return refuse("VALIDATION_FAILED", "The request is not valid.", { details }).error;
  }

  /** Stores how far users have read, all in one row, and has it drained. */
  #storeReads(reads: Iterable<[userId: string, id: number]>): void {
    const users: string[] = [];
    this.#changeMirror(() => {
      for (const [userId, id] of reads) {
        this.#mirror.readTo(userId, id, true);
        users.push(userId);
      }
      this.#mirror.savePositions();
    });
    this.#wakeAt(this.#host.now() + DRAIN_SAFETY_MS);
    this.#followers.changed(users);
  }

  /** Tells sessions what became different since they were told last. */
  #tellLive(): number | null {
    const { state } = this.#mirror;
    if (!state) return null;
    const now = this.#host.now();
    const typing = this.#typing.take(now);
    const typed = typing.told.map(
      ({ userId, isTyping }): LiveEvent => ({ type: "user.typing", user_id: userId, typing: isTyping }),
    );
    const came = this.#presence
      .takeChanges(now)
      .map(({ turn: _, ...fact }): LiveEvent => ({ type: "presence.updated", ...fact }));
    const { shown, hidden } = this.#takeReads();
    const isTyping = new Set(typing.told.map(({ userId }) => userId));
    const events = [...came, ...shown, ...typed];
    if (events.length > 0) {
      this.#sessions.broadcast(events, now, (userId) =>
        isTyping.has(userId)
          ? events.filter((event) => !typed.includes(event) || event.user_id !== userId)
          : null,
      );
    }
    // Who keeps their reading to themselves is told of it nevertheless, beside the frame that all share.
    for (const event of hidden)
      for (const session of this.#sessions.ofUser(event.user_id)) this.#sessions.send(session, event);
    return typing.next;
  }

  /** Stores what was read. @returns what is told to everybody, and what only to the readers themselves */
  #takeReads(): Record<"shown" | "hidden", LiveEvent[]> {
    const reads = [...this.#reads].filter(([userId]) => this.#mirror.member(userId));
    this.#reads.clear();
    if (reads.length > 0) {
      try {
        this.#storeReads(reads);
        void this.#drain.run();
      } catch (error) {
        // Their clients say it again, as after any loss.
        this.#host.note("reads_failed", { readers: reads.length, error: describeError(error) });
      }
    }
    const readers = new Set([...reads.map(([userId]) => userId), ...this.#readElsewhere]);
    this.#readElsewhere.clear();
    const told: Record<"shown" | "hidden", LiveEvent[]> = { shown: [], hidden: [] };
    for (const userId of readers) {
      const member = this.#mirror.member(userId);
      if (member) told[member.settings.read_receipts ? "shown" : "hidden"].push(this.#readUpdated(member));
    }
    return told;
  }

  #readUpdated({ user_id, last_read_id }: MirroredParticipant): LiveEvent {
    const { id: conversation_id = "" } = this.#mirror.state ?? {};
    return { type: "read.updated", conversation_id, user_id, last_read_id };
  }

  #left({ userId }: Session<Socket>): void {
    const goneAt = this.#presence.left(userId, this.#host.now());
    if (goneAt !== null && this.#mirror.member(userId)) this.#wakeAt(goneAt);
  }

  /** Finds out who is not there any more. */
  #lookAround(): void {
    const unleased = this.#sessions.all().filter(({ userId }) => !this.#followers.isLeased(userId));
    const silentAt = this.#door.closeSilent(unleased);
    this.#live.ask();
    this.#followers.round();
    this.#wakeAt(silentAt ?? Number.POSITIVE_INFINITY);
  }

  /** Whether lists of conversations show it: what changes a message that is not the last one does only if it is deleted. */
  #isListNews(event: DurableEvent): boolean {
    if (event.type === "reaction.updated") return false;
    return event.type !== "message.updated" || event.message.id === this.#position.head;
  }

  // State

  /**
   * Loads the conversation unless it is loaded; one load at a time.
   *
   * @param forUser leaves it alone unless they take part, so that whoever knows an id settles nothing; null loads it
   */
  async #load(forUser: string | null = null): Promise<Result<void>> {
    for (;;) {
      if (this.#mirror.state) return ok(undefined);
      const others = this.#loading;
      this.#loading ??= this.#loadFromPostgres(forUser).finally(() => {
        this.#loading = null;
      });
      const loaded = await this.#loading;
      // That somebody else does not take part says nothing of the next one.
      if (!others || loaded.ok || loaded.error.code !== "CONVERSATION_NOT_FOUND") return loaded;
    }
  }

  async #loadFromPostgres(forUser: string | null): Promise<Result<void>> {
    const loaded = await this.#attempt(async (): Promise<Beginning | null> => {
      const { postgres } = this.#host;
      const snapshot = await postgres.loadSnapshot(null, forUser);
      if (!snapshot || (forUser !== null && !hasParticipant(snapshot, forUser))) return null;
      const newest =
        snapshot.last_message_id > 0
          ? await readNewest((limit, beforeId) => postgres.readNewest(limit, beforeId))
          : [];
      const first = newest[0]?.message.id ?? 1;
      return { snapshot, newest, uncounted: first > 1 ? await postgres.readUncounted(first) : [] };
    });
    if (!loaded.ok) return loaded;
    const beginning = loaded.value;
    if (!beginning) return conversationNotFound();
    const { snapshot } = beginning;
    this.#changeMirror(() => {
      Log.createTables(this.#host.sql);
      Mirror.createTables(this.#host.sql);
      const mark = { epoch: this.#host.newId(), nowMs: this.#host.now() };
      begin({ log: this.#log, mirror: this.#mirror }, beginning, mark);
    });
    this.#findPosition();
    if (snapshot.said.length > 0 || this.#mirror.undrained(1).length > 0) {
      this.#wakeAt(this.#host.now() + DRAIN_SAFETY_MS);
      void this.#drain.run();
    }
    // Whoever is online was not told of a conversation that no object held.
    this.#followers.introduce(this.#mirror.members().map(({ user_id }) => user_id));
    return ok(undefined);
  }

  /** Takes over a newer snapshot, and tells everybody what it changed. */
  #adopt(snapshot: ConversationSnapshot): void {
    const state = this.#mirror.state;
    if (!state || snapshot.version <= state.version) return;
    const { position, events, added, removed } = this.#changeMirror(() =>
      takeOver(this.#view(), state, snapshot, this.#host.now()),
    );
    this.#position = position;
    this.#wakeAt(this.#host.now() + DRAIN_SAFETY_MS);
    for (const userId of removed) {
      for (const session of this.#sessions.ofUser(userId))
        this.#sessions.close(session, CLOSE.removed, "removed");
      this.#reads.delete(userId);
    }
    // Some may be back already.
    this.#followers.remove(removed.filter((userId) => this.#mirror.member(userId) === null));
    if (events.length > 0) this.#broadcast(events);
    this.#followers.changed(this.#followers.leased());
    this.#followers.introduce(added);
    void this.#drain.run();
  }

  /** A transaction that changes the mirror: what it kept in memory is forgotten with what was not stored. */
  #changeMirror<T>(work: () => T): T {
    try {
      return this.#host.transaction(work);
    } catch (error) {
      // Sending reads, and that is stored rarely: it follows from the log.
      if (this.#mirror.read()) this.#findReads({ seq: 0, messageId: 0 });
      throw error;
    }
  }

  /** The conversation was deleted: everybody is told, and nothing of it stays here. */
  async #end(): Promise<void> {
    this.#sessions.broadcast(
      [{ type: "conversation.deleted", seq: this.#position.seq + 1 }],
      this.#host.now(),
    );
    this.#sessions.closeAll(CLOSE.conversationNotFound, "deleted");
    this.#followers.removeAll();
    this.#mirror.state = null;
    this.#mirror.participants.clear();
    this.#position = { head: 0, seq: 0 };
    // Whoever cannot be told now finds out when their inbox looks into Postgres again.
    await this.#followers.tellRemoved();
    await this.#host.erase();
  }

  #refreshProfile(member: MirroredParticipant, caller: Caller): void {
    const name = caller.name ?? member.user.name;
    const avatarUrl = caller.avatarUrl ?? member.user.avatar_url;
    if (name === member.user.name && avatarUrl === member.user.avatar_url) return;
    this.#changeParticipant({ ...member, user: { ...member.user, name, avatar_url: avatarUrl } });
  }

  /** Stores what became different of a participant, and tells everybody. */
  #changeParticipant(participant: MirroredParticipant): void {
    const seq = this.#position.seq + 1;
    const updated = { ...participant, seq };
    this.#changeMirror(() => this.#mirror.writeParticipant(updated));
    this.#position.seq = seq;
    this.#broadcast([this.#eventOf({ type: "updated", participant: updated }, seq)]);
    this.#followers.changed([]);
  }

  #findPosition(): void {
    const { baseHead = 0, baseSeq = 0 } = this.#mirror.state ?? {};
    this.#position = {
      head: Math.max(baseHead, this.#log.head()),
      seq: Math.max(baseSeq, this.#log.newestSeq(), this.#mirror.newestSeq()),
    };
  }

  /** Stores how far the drain has come, and with it what followed from the log until then. */
  #saveProgress(): void {
    this.#savedAt = this.#host.now();
    this.#log.saveCursor();
    this.#mirror.saveUnsaved();
  }

  /** Brings read positions up to what only the log knows: sending reads. */
  #findReads(after: DrainCursor): void {
    for (const { userId, id } of this.#log.newestSentAfter(after)) this.#mirror.readTo(userId, id, false);
  }

  /**
   * Lets participants in. For anybody else Postgres is asked, as it is for a conversation that does not exist: the work
   * done tells them nothing, and who was just added need not wait for the object to be told. Whoever waited for it looks
   * again: much can have happened since it was true.
   */
  async #enter(userId: string): Promise<Result<void>> {
    const wasLoaded = this.#mirror.state !== null;
    const loaded = await this.#load(userId);
    if (!loaded.ok) return loaded;
    if (wasLoaded && !this.#mirror.member(userId)) {
      const caughtUp = await this.#catchUp();
      if (!caughtUp.ok) return caughtUp;
    }
    return this.#mirror.state && this.#mirror.member(userId) ? ok(undefined) : conversationNotFound();
  }

  /** Brings the mirror to what Postgres has now. */
  async #catchUp(): Promise<Result<void>> {
    const version = this.#mirror.state?.version ?? null;
    const snapshot = await this.#attempt(() => this.#host.postgres.loadSnapshot(version, null));
    if (!snapshot.ok) return snapshot;
    if (snapshot.value === null) await this.#end();
    else this.#adopt(snapshot.value);
    return ok(undefined);
  }

  async #attempt<T>(
    work: () => Promise<T>,
    message = "The database cannot be reached. Try again.",
  ): Promise<Result<T>> {
    try {
      return ok(await work());
    } catch (error) {
      this.#host.note("unavailable", { message, error: describeError(error) });
      return refuse("SERVICE_UNAVAILABLE", message, { retry_after_ms: 2_000 });
    }
  }

  /** Tells everybody, each what they may see of it. */
  #broadcast(events: readonly DurableEvent[]): void {
    const ids = events.map((event) =>
      "message" in event
        ? event.message.id
        : "message_id" in event
          ? event.message_id
          : Number.POSITIVE_INFINITY,
    );
    const oldest = Math.min(...ids);
    this.#sessions.broadcast(events, this.#host.now(), (userId) => {
      const fromId = this.#mirror.member(userId)?.visible_from_id ?? 1;
      const visible = fromId > oldest ? eventsFrom(this.#view(), events, fromId) : null;
      const isAboutThem = events.some(
        (event) => "participant" in event && event.participant.user_id === userId,
      );
      return isAboutThem ? this.#toldToThemselves(visible ?? events, userId) : visible;
    });
  }

  /** Who keeps to themselves how far they have read knows it nevertheless. */
  #toldToThemselves(events: readonly DurableEvent[], userId: string): DurableEvent[] {
    const member = this.#mirror.member(userId);
    return events.map((event) =>
      member && "participant" in event && event.participant.user_id === userId
        ? { ...event, participant: toParticipant(this.#view(), member, userId) }
        : event,
    );
  }

  #eventOf(change: MirrorChange, seq: number): DurableEvent {
    return mirrorEvent(this.#view(), change, seq);
  }

  #view(): View {
    const now = this.#host.now();
    return {
      log: this.#log,
      mirror: this.#mirror,
      position: this.#position,
      presence: (userId) => this.#presence.fact(userId, now),
    };
  }

  #wakeAt(timeMs: number): void {
    if (timeMs >= this.#alarmAt) return;
    this.#alarmAt = timeMs;
    this.#host.setAlarm(timeMs);
  }
}

const hasParticipant = ({ participants }: ConversationSnapshot, userId: string): boolean =>
  participants.some(({ user_id }) => user_id === userId);

const SEND_FAILED = refuse("MESSAGE_SEND_FAILED", "The message could not be stored. Try again.").error;

/** The place of the command that came last. */
const placeOf = (
  { commands }: { commands: number },
  echo: { ref?: string; temp_id?: string },
): CommandPlace => ({ key: echo.temp_id ?? echo.ref, number: commands });

function refuseAll(
  jobs: ReadonlyArray<{ settle: (outcome: CommandOutcome) => void }>,
  refusal: Refusal,
): void {
  for (const { settle } of jobs) settle({ kind: "refused", refusal });
}

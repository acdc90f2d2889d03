import { describeError } from "../db/client.ts";
import type { ConversationSnapshot } from "../db/conversations.ts";
import type { StoredMessage } from "../db/messages.ts";
import { CLOSE } from "../protocol/close-codes.ts";
import type { Conversation, Message, MessageBody, Participant } from "../protocol/entities.ts";
import {
  conversationNotFound,
  isRetryable,
  ok,
  type Refusal,
  type Result,
  refuse,
  toErrorBody,
} from "../protocol/errors.ts";
import type { DurableEvent } from "../protocol/frames.ts";
import { LIMITS } from "../protocol/limits.ts";
import { matches } from "../protocol/search-text.ts";
import { PROTOCOL_VERSION } from "../protocol/version.ts";
import { applyCommand, type CommandOutcome, type MessageCommand, type Position } from "./commands.ts";
import { Drain, type DrainTarget } from "./drain.ts";
import { type DrainCursor, Log, type Sql } from "./log.ts";
import {
  diffSnapshot,
  Mirror,
  type MirrorChange,
  type MirroredParticipant,
  type MirrorState,
} from "./mirror.ts";
import { type RateLimit, RateLimiter } from "./rate-limit.ts";
import { type Revocation, Revocations } from "./revocations.ts";
import type { Authenticated, ReadState, SearchTail } from "./rpc.ts";
import {
  type CommandPlace,
  heldBack,
  holdFor,
  roundOf,
  type Session,
  type SessionAttachment,
  type SessionSocket,
  Sessions,
} from "./sessions.ts";

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
export interface ConversationHost {
  sql: Sql;
  /** Runs `work` as one transaction: rolled back if it throws. */
  transaction<T>(work: () => T): T;
  /** Resolves once everything written so far is durable. */
  sync(): Promise<void>;
  /** Forgets everything stored. */
  erase(): Promise<void>;
  /** Calls {@link ConversationCore.wake} at or after this time, even if this instance is gone by then. */
  setAlarm(timeMs: number): void;
  now(): number;
  random(): number;
  pause(ms: number): Promise<void>;
  newId(): string;
  postgres: ConversationPostgres;
  /** Checks a credential. Throws when it cannot be checked now. */
  authenticate(token: string): Promise<Authenticated>;
  /** Of one user, and of all sockets of one address. */
  rateLimit: RateLimit;
  addressRateLimit: RateLimit;
  /** One structured log line. */
  note(event: string, fields: Record<string, unknown>): void;
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
}

/** Who connects or calls, as the Worker authenticated them. */
export interface Caller {
  userId: string;
  name: string | null;
  avatarUrl: string | null;
  /** The credential's `jti`, and when it was made, Unix milliseconds; null where it does not say. */
  jti: string | null;
  issuedAtMs: number | null;
  /** Where the call comes from; null where the platform does not say. */
  address: string | null;
}

/** A page of the log, and what of the range the log does not hold. */
export interface LogPage {
  /** Ids ascending. */
  messages: Message[];
  /** The part of the range that only Postgres holds; null when the page is whole. */
  missing: { beforeId: number; afterId?: number; fromId: number; limit: number } | null;
  /** Changes of messages in the missing part that Postgres may not have yet. */
  newer: Message[];
  head: number;
  /** The first message that the reader may see. */
  visibleFromId: number;
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
}

/** Messages kept when storage starts from Postgres. */
const RECALL_NEWEST = 1_000;
/** Their characters, after which no further step is read, and the messages of a step. */
const RECALL_CHARACTERS = 4_000_000;
const RECALL_STEP = 250;
/** Commands that share one transaction at most: bounds the time others wait. */
const COMMIT_COMMANDS = 512;
/**
 * Pause after a commit that was shared. Those it answered are about to speak again: without it, half of them miss
 * the next commit, and everybody's frames double. A message that finds the conversation idle never waits.
 */
const GATHER_MS = 1;
/** How long after a commit a drain is certain to be tried even if this instance dies. */
const DRAIN_SAFETY_MS = 30_000;
/**
 * Changes after which the drain's cursor is stored, and time, which is that of an idle object until it sleeps; the alarm
 * stores what is left. A row for each batch would be a third of what a message of a lively conversation costs, and
 * whoever begins with an old cursor only drains once more what Postgres has.
 */
const CURSOR_LAG = 200;
const SAVE_INTERVAL_MS = 10_000;
/** Silence after which a socket may give way to a new one of its user. */
const GHOST_MS = 60_000;
/** Hits among what is not drained that one search gets at most, and how much of that it looks through. */
const SEARCH_TAIL = 200;
const SEARCH_UNDRAINED = 5_000;
const SEARCH_CHARACTERS = 2_000_000;

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
export class ConversationCore<Socket extends SessionSocket> {
  readonly #host: ConversationHost;
  readonly #mirror: Mirror;
  readonly #sessions = new Sessions<Socket>();
  readonly #limiter: RateLimiter;
  readonly #addressLimiter: RateLimiter;
  readonly #revocations: Revocations;
  readonly #log: Log;
  readonly #drain: Drain;
  #position: Position = { head: 0, seq: 0 };
  #loading: Promise<Result<void>> | null = null;
  #queue: Job<Socket>[] = [];
  #isCommitting = false;
  #alarmAt = Number.POSITIVE_INFINITY;
  /** When the drain's cursor was stored last, by this instance. */
  #savedAt = Number.NEGATIVE_INFINITY;

  /** @param id of the conversation, known by the object's name */
  constructor(host: ConversationHost, id: string) {
    this.#host = host;
    this.#mirror = new Mirror(host.sql);
    this.#limiter = new RateLimiter(host.rateLimit);
    this.#addressLimiter = new RateLimiter(host.addressRateLimit);
    this.#revocations = new Revocations(host.sql);
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
    }
  }

  /** Tells of an alarm that an earlier instance asked for, so that a later one does not replace it. */
  restoreAlarm(timeMs: number | null): void {
    this.#alarmAt = Math.min(this.#alarmAt, timeMs ?? Number.POSITIVE_INFINITY);
  }

  /** Takes back a socket that outlived the instance that accepted it. */
  restore(socket: Socket, attachment: SessionAttachment): void {
    this.#sessions.add(socket, attachment);
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
    options: {
      expiresAt: number | null;
      clientId: string | null;
      since?: number | undefined;
      epoch?: string | undefined;
      isAlive: (socket: Socket, sinceMs: number) => boolean;
    },
    accept: (attachment: SessionAttachment) => void,
  ): Promise<Result<void>> {
    const entered = await this.#enter(caller.userId);
    if (!entered.ok) return entered;
    const { state } = this.#mirror;
    const member = this.#mirror.member(caller.userId);
    if (!state || !member) return conversationNotFound();
    if (this.#revocations.covers(caller)) return refuse("UNAUTHORIZED", "revoked");
    this.#replace(caller.userId, options.clientId);
    if (!this.#hasRoom(caller.userId, options.isAlive)) {
      return refuse("RATE_LIMITED", `More than ${LIMITS.socketsPerUser} connections of one user.`);
    }
    this.#refreshProfile(member, caller);

    const { expiresAt, clientId } = options;
    const { userId, jti, issuedAtMs, address } = caller;
    const connectedAt = this.#host.now();
    const attachment = { userId, clientId, expiresAt, connectedAt, jti, issuedAtMs, address };
    accept(attachment);
    const session = this.#sessions.add(socket, attachment);
    this.#wakeAt(roundOf(session) ?? Number.POSITIVE_INFINITY);
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
      expires_at: expiresAt === null ? null : new Date(expiresAt).toISOString(),
      ...(page ? { messages: page.messages, has_more: page.hasMore } : {}),
    });
    this.#sessions.sendFrame(session, ready);
    if (missed) this.#sessions.send(session, ...missed);
    this.#sessions.send(session, { type: "synced", seq: this.#position.seq });
    return ok(undefined);
  }

  /**
   * Charges the sender of a frame for one command before it is looked at.
   *
   * @param mayOvertake whether it need not wait for a command that was refused before it
   * @returns false when they may not send one now; they have been told, with `echo`
   */
  charge(socket: Socket, echo: { ref?: string; temp_id?: string }, mayOvertake = false): boolean {
    const session = this.#sessions.get(socket);
    if (!session) return false;
    const now = this.#host.now();
    session.commands += 1;
    const place = placeOf(session, echo);
    const held = mayOvertake ? null : heldBack(session, place, now);
    const refusal = held ?? this.#charge(session.userId, session.address);
    if (!refusal) return true;
    // What is held back holds up nothing itself, or the hold would renew itself for ever.
    if (!held && !mayOvertake) holdFor(session, place, refusal, now);
    this.sendError(socket, refusal, echo);
    return false;
  }

  /** Carries out a command from a socket; the answer is the event, or an `error` that echoes `ref` and `temp_id`. */
  receive(socket: Socket, command: MessageCommand & { ref?: string | undefined }): void {
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

  /** Puts a new credential of the same user in the place of the session's own; answers with `auth.refreshed` or `error`. */
  async refresh(socket: Socket, { token, ref }: { token: string; ref?: string | undefined }): Promise<void> {
    const echo = ref === undefined ? {} : { ref };
    const checked = await this.#attempt(
      () => this.#host.authenticate(token),
      "Credentials cannot be checked now.",
    );
    // It may have closed meanwhile, or its old credential may have ended.
    const session = this.admits(socket) ? this.#sessions.get(socket) : undefined;
    if (!session) return;
    if (!checked.ok) return this.sendError(socket, checked.error, echo);
    if (!checked.value.ok) {
      const details = [{ path: "token", message: checked.value.reason }];
      return this.sendError(
        socket,
        refuse("UNAUTHORIZED", "The credential is not accepted.", { details }).error,
        echo,
      );
    }
    const { userId, expiresAt, jti, issuedAtMs } = checked.value.identity;
    if (userId !== session.userId) {
      const message = "The credential is another user's.";
      return this.sendError(socket, refuse("FORBIDDEN", message).error, echo);
    }
    if (this.#revocations.covers({ userId, jti, issuedAtMs })) {
      const details = [{ path: "token", message: "revoked" }];
      return this.sendError(
        socket,
        refuse("UNAUTHORIZED", "The credential is not accepted.", { details }).error,
        echo,
      );
    }
    this.#sessions.refresh(session, { expiresAt, jti, issuedAtMs });
    this.#wakeAt(roundOf(session) ?? Number.POSITIVE_INFINITY);
    this.#sessions.send(session, {
      type: "auth.refreshed",
      ...echo,
      expires_at: expiresAt === null ? null : new Date(expiresAt).toISOString(),
    });
  }

  /** Ends credentials before their time: closes their sessions, and lets them in no more. */
  async revoke(revocation: Revocation): Promise<Result<void>> {
    const loaded = await this.#load();
    if (!loaded.ok) return loaded.error.code === "CONVERSATION_NOT_FOUND" ? ok(undefined) : loaded;
    this.#host.transaction(() => this.#revocations.add(revocation, this.#host.now()));
    await this.#host.sync();
    for (const session of this.#sessions.ofUser(revocation.userId)) {
      if (this.#revocations.covers(session)) this.#sessions.close(session, CLOSE.unauthorized, "revoked");
    }
    return ok(undefined);
  }

  /** Tells one socket of a refusal. */
  sendError(socket: Socket, refusal: Refusal, echo: { ref?: string; temp_id?: string } = {}): void {
    const session = this.#sessions.get(socket);
    if (session) {
      this.#sessions.send(session, {
        type: "error",
        ...echo,
        error: toErrorBody(refusal, this.#host.newId()),
      });
    }
  }

  /** Whether the socket may still speak; one whose credential ended is closed here. */
  admits(socket: Socket): boolean {
    const session = this.#sessions.get(socket);
    if (!session) return false;
    if (session.expiresAt === null || session.expiresAt > this.#host.now()) return true;
    this.#sessions.close(session, CLOSE.unauthorized, "expired");
    return false;
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
    const tooMany = this.#charge(userId);
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
    const tooMany = this.#charge(userId);
    if (tooMany) return { ok: false, error: tooMany };
    const { head } = this.#position;
    if (lastReadId > head) {
      const details = [{ path: "last_read_id", message: `must not be beyond the newest message, ${head}` }];
      return refuse("VALIDATION_FAILED", "The request is not valid.", { details });
    }
    const member = this.#mirror.member(userId);
    if (member && member.last_read_id < lastReadId) {
      const read = { ...member, last_read_id: lastReadId, isUndrained: true };
      this.#changeMirror(() => this.#mirror.writeParticipant(read));
      this.#wakeAt(this.#host.now() + DRAIN_SAFETY_MS);
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
    const visibleFromId = this.#mirror.member(userId)?.visible_from_id;
    if (visibleFromId === undefined) return conversationNotFound();
    const { head } = this.#position;
    const undrained = this.#log.allUndrained(this.#log.readCursor(), SEARCH_UNDRAINED, SEARCH_CHARACTERS);
    if (!undrained) {
      return refuse("SERVICE_UNAVAILABLE", "Too many messages are not stored yet. Try again.", {
        retry_after_ms: 2_000,
      });
    }
    const visible = undrained.filter(({ id }) => id >= visibleFromId).sort((a, b) => b.id - a.id);
    const found = visible.filter(
      ({ id, body }) => id < beforeId && body?.text !== undefined && matches(body.text, query),
    );
    return ok({
      visibleFromId,
      head,
      messages: found.slice(0, SEARCH_TAIL),
      superseded: visible.map(({ id }) => id),
    });
  }

  /** A page for a participant: `beforeId` or the latest, or with `afterId` what comes after it. */
  async page(
    userId: string,
    range: { beforeId?: number | undefined; afterId?: number | undefined; limit: number },
  ): Promise<Result<LogPage>> {
    const entered = await this.#enter(userId);
    if (!entered.ok) return entered;
    const { state } = this.#mirror;
    const fromId = this.#mirror.member(userId)?.visible_from_id;
    if (!state || fromId === undefined) return conversationNotFound();
    const floor = Math.max(state.floor, fromId);
    const { head } = this.#position;
    const newer = this.#log.undrainedBelow(floor, this.#log.readCursor());
    const isOlderElsewhere = floor > fromId;
    if (range.afterId !== undefined) {
      const messages = this.#log.pageAfter(Math.max(range.afterId, floor - 1), range.limit);
      const missing =
        isOlderElsewhere && range.afterId < floor - 1
          ? { afterId: range.afterId, beforeId: floor, fromId, limit: range.limit }
          : null;
      return ok({ messages, missing, newer, head, visibleFromId: fromId });
    }
    const before = Math.min(range.beforeId ?? Number.MAX_SAFE_INTEGER, head + 1);
    const messages = this.#log.pageBefore(before, floor, range.limit);
    const short = range.limit - messages.length;
    const missing =
      short > 0 && isOlderElsewhere ? { beforeId: Math.min(before, floor), fromId, limit: short } : null;
    return ok({ messages, missing, newer, head, visibleFromId: fromId });
  }

  /** The conversation as the user sees it now. */
  async summary(userId: string): Promise<Result<Conversation>> {
    const entered = await this.#enter(userId);
    return entered.ok ? ok(conversationFor(this.#view(), userId)) : entered;
  }

  /** Everybody taking part, as a participant sees them. */
  async participantsFor(userId: string): Promise<Result<Participant[]>> {
    const entered = await this.#enter(userId);
    return entered.ok ? ok(this.participants()) : entered;
  }

  /**
   * Brings the mirror to at least this version of Postgres: whoever was removed is cut off when it returns.
   * Told twice or late, it does nothing.
   */
  async versionChanged(version: number): Promise<Result<void>> {
    const loaded = await this.#load();
    // Loading read Postgres after the change was committed: a missing conversation is a told one.
    if (!loaded.ok) return loaded.error.code === "CONVERSATION_NOT_FOUND" ? ok(undefined) : loaded;
    if (this.#mirror.state && this.#mirror.state.version >= version) return ok(undefined);
    const caughtUp = await this.#catchUp();
    // Postgres learns what only the object could say of newcomers: from where on they may see.
    if (caughtUp.ok) await this.#drain.runOnce();
    return caughtUp;
  }

  /** The alarm: drains, closes expired sockets, and asks for the next alarm if one is needed. Never throws. */
  async wake(): Promise<void> {
    this.#alarmAt = Number.POSITIVE_INFINITY;
    if (!this.#mirror.state) return;
    this.#sessions.closeExpired(this.#host.now());
    this.#sessions.warnExpiring(this.#host.now());
    await this.#drain.run();
    // It may have ended meanwhile, and its tables with it.
    if (this.#mirror.state && (this.#log.cursorLag > 0 || this.#mirror.hasUnsaved)) this.#saveProgress();
    if (this.#drain.retryAt !== null) this.#wakeAt(this.#drain.retryAt);
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
    });
  }

  /** Everybody taking part, as the wire shows them. */
  participants(): Participant[] {
    const { online } = this.#sessions;
    return this.#mirror.members().map((member) => toParticipant(member, online.has(member.user_id)));
  }

  // Commit

  #submit(job: Job<Socket>): void {
    if (!this.#mirror.member(job.userId)) {
      job.settle({ kind: "refused", refusal: conversationNotFound().error });
      return;
    }
    this.#queue.push(job);
    if (!this.#isCommitting) void this.#commitQueue();
  }

  /** Charges the user for a command, valid or not. @returns the refusal when they may not send one now */
  #charge(userId: string, address: string | null = null): Refusal | null {
    const now = this.#host.now();
    const waitMs =
      this.#limiter.take(userId, now) || (address === null ? 0 : this.#addressLimiter.take(address, now));
    if (waitMs === 0) return null;
    return refuse("RATE_LIMITED", "Too many messages. Slow down.", { retry_after_ms: waitMs }).error;
  }

  /** Group commit: what arrives while a commit becomes durable shares the next one. */
  async #commitQueue(): Promise<void> {
    this.#isCommitting = true;
    try {
      while (this.#queue.length > 0) {
        const jobs = this.#queue.splice(0, COMMIT_COMMANDS).filter((job) => !this.#holdBack(job));
        try {
          const known = await this.#recall(jobs);
          if (known.ok) this.#commit(jobs);
          else refuseAll(jobs, known.error);
        } catch (error) {
          // The conversation may have ended while older messages were looked up.
          this.#host.note("commit_failed", { commands: jobs.length, error: describeError(error) });
          refuseAll(jobs, SEND_FAILED);
        }
        await this.#host.sync();
        if (jobs.length > 1) await this.#host.pause(GATHER_MS);
      }
    } catch (error) {
      // Storage failed under us: the platform resets the object, and every sender repeats what got no answer.
      this.#host.note("sync_failed", { error: describeError(error) });
    } finally {
      this.#isCommitting = false;
    }
  }

  /** Refuses a job whose sender must first repeat an earlier one. */
  #holdBack({ session, place, settle }: Job<Socket>): boolean {
    const refusal = session && heldBack(session, place, this.#host.now());
    if (refusal) settle({ kind: "refused", refusal });
    return refusal !== null;
  }

  #commit(jobs: Job<Socket>[]): void {
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
      if (type === "user") this.#mirror.readTo(sender_id, id);
    }
    const events = outcomes.flatMap((outcome) => (outcome.kind === "changed" ? [outcome.event] : []));
    if (events.length > 0) {
      this.#wakeAt(now + DRAIN_SAFETY_MS);
      this.#broadcast(events);
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
    const loaded = await this.#attempt(async () => {
      const snapshot = await this.#host.postgres.loadSnapshot(null, forUser);
      if (!snapshot || (forUser !== null && !hasParticipant(snapshot, forUser))) return null;
      const newest = snapshot.last_message_id > 0 ? await this.#readNewest() : [];
      const first = newest[0]?.message.id ?? 1;
      return { snapshot, newest, uncounted: first > 1 ? await this.#host.postgres.readUncounted(first) : [] };
    });
    if (!loaded.ok) return loaded;
    if (!loaded.value) return conversationNotFound();
    const { snapshot, newest, uncounted } = loaded.value;
    // Postgres may have more than the snapshot's head only if another life of this object just drained it.
    const head = Math.max(snapshot.last_message_id, newest.at(-1)?.message.id ?? 0);
    const seq = Math.max(snapshot.seq, ...newest.map(({ message }) => message.seq));
    this.#host.transaction(() => {
      Log.createTables(this.#host.sql);
      Mirror.createTables(this.#host.sql);
      for (const stored of newest) this.#log.recall(stored);
      this.#log.recallUncounted(uncounted);
      for (const participant of snapshot.participants) {
        this.#mirror.writeParticipant({
          ...participant,
          // Left open by a life of this object that ended before it could settle it.
          visible_from_id: participant.visible_from_id ?? head + 1,
          isUndrained: participant.visible_from_id === null,
          seq: 0,
          joinedSeq: 0,
          removed: false,
        });
      }
      const { participants: _, last_message_id: __, said, ...rest } = snapshot;
      const position = { head, seq };
      for (const { actor_id, body } of said) {
        position.head += 1;
        position.seq += 1;
        this.#log.append(systemMessage(snapshot.id, actor_id, body, position, this.#host.now()));
      }
      this.#mirror.writeState({
        ...rest,
        epoch: this.#host.newId(),
        seq: 0,
        baseHead: head,
        baseSeq: seq,
        floor: newest[0]?.message.id ?? head + 1,
      });
      this.#log.moveCursor({ seq, messageId: head });
      this.#log.saveCursor();
    });
    this.#findPosition();
    if (snapshot.said.length > 0) {
      this.#wakeAt(this.#host.now() + DRAIN_SAFETY_MS);
      void this.#drain.run();
    }
    return ok(undefined);
  }

  /** The newest messages, read in steps that fit into memory and a reply. */
  async #readNewest(): Promise<StoredMessage[]> {
    const newest: StoredMessage[] = [];
    let characters = 0;
    while (newest.length < RECALL_NEWEST && characters < RECALL_CHARACTERS) {
      const page = await this.#host.postgres.readNewest(RECALL_STEP, newest[0]?.message.id);
      if (page.length === 0) break;
      newest.unshift(...page);
      characters += JSON.stringify(page).length;
    }
    return newest;
  }

  /** Takes over a newer snapshot, and tells everybody what it changed. */
  #adopt(snapshot: ConversationSnapshot): void {
    const state = this.#mirror.state;
    if (!state || snapshot.version <= state.version) return;
    const position = { ...this.#position };
    const events: DurableEvent[] = [];
    const changes: Array<[MirrorChange, number]> = [];
    const removed: string[] = [];
    this.#changeMirror(() => {
      let next: MirrorState = { ...state, version: snapshot.version };
      for (const change of diffSnapshot(this.#mirror, snapshot)) {
        position.seq += 1;
        const { seq } = position;
        switch (change.type) {
          case "conversation": {
            const { title, history_visibility } = snapshot;
            next = { ...next, title, history_visibility, seq };
            break;
          }
          case "removed": {
            const known = this.#mirror.member(change.userId);
            if (known) this.#mirror.writeParticipant({ ...known, removed: true, seq });
            removed.push(change.userId);
            break;
          }
          case "added": {
            // Only here is it known what was said before they came.
            const visibleFromId = change.participant.visible_from_id ?? position.head + 1;
            change.participant.last_read_id = position.head;
            this.#mirror.writeParticipant({
              ...change.participant,
              visible_from_id: visibleFromId,
              isUndrained: true,
              seq,
              joinedSeq: seq,
              removed: false,
            });
            break;
          }
          case "updated": {
            const known = this.#mirror.member(change.participant.user_id);
            if (!known) break;
            const updated = { ...known, role: change.participant.role, seq };
            this.#mirror.writeParticipant(updated);
            changes.push([{ type: "updated", participant: updated }, seq]);
            continue;
          }
        }
        changes.push([change, seq]);
      }
      this.#mirror.writeState(next);
      events.push(...changes.map(([change, seq]) => this.#eventOf(change, seq)));
      for (const { actor_id, body } of snapshot.said) {
        position.seq += 1;
        position.head += 1;
        const message = systemMessage(snapshot.id, actor_id, body, position, this.#host.now());
        this.#log.append(message);
        events.push({ type: "message.created", seq: position.seq, message });
      }
    });
    this.#position = position;
    this.#wakeAt(this.#host.now() + DRAIN_SAFETY_MS);
    for (const userId of removed) {
      for (const session of this.#sessions.ofUser(userId))
        this.#sessions.close(session, CLOSE.removed, "removed");
    }
    if (events.length > 0) this.#broadcast(events);
    void this.#drain.run();
  }

  /** A transaction that changes the mirror: what it kept in memory is forgotten with what was not stored. */
  #changeMirror(work: () => void): void {
    try {
      this.#host.transaction(work);
    } catch (error) {
      this.#mirror.read();
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
    this.#mirror.state = null;
    this.#mirror.participants.clear();
    this.#position = { head: 0, seq: 0 };
    await this.#host.erase();
  }

  #refreshProfile(member: MirroredParticipant, caller: Caller): void {
    const name = caller.name ?? member.user.name;
    const avatarUrl = caller.avatarUrl ?? member.user.avatar_url;
    if (name === member.user.name && avatarUrl === member.user.avatar_url) return;
    const seq = this.#position.seq + 1;
    const updated = { ...member, user: { ...member.user, name, avatar_url: avatarUrl }, seq };
    this.#host.transaction(() => this.#mirror.writeParticipant(updated));
    this.#position.seq = seq;
    const event = this.#eventOf({ type: "updated", participant: updated }, seq);
    this.#broadcast([event]);
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
    for (const { userId, id } of this.#log.newestSentAfter(after)) this.#mirror.readTo(userId, id);
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
      return fromId > oldest ? eventsFrom(this.#view(), events, fromId) : null;
    });
  }

  #eventOf(change: MirrorChange, seq: number): DurableEvent {
    return mirrorEvent(this.#view(), change, seq);
  }

  #view(): View {
    return {
      log: this.#log,
      mirror: this.#mirror,
      position: this.#position,
      online: this.#sessions.online,
    };
  }

  /**
   * Ends the earlier session of a client that connects anew: whatever is still on its way over the old connection
   * was sent again by then, and may not be carried out after it.
   */
  #replace(userId: string, clientId: string | null): void {
    if (clientId === null) return;
    for (const session of this.#sessions.ofUser(userId))
      if (session.clientId === clientId) this.#sessions.close(session, CLOSE.done, "replaced");
  }

  #hasRoom(userId: string, isAlive: (socket: Socket, sinceMs: number) => boolean): boolean {
    const open = this.#sessions.ofUser(userId);
    if (open.length < LIMITS.socketsPerUser) return true;
    // A browser that vanished leaves its socket open here: it may not lock its user out.
    const since = this.#host.now() - GHOST_MS;
    const ghosts = open.filter(({ socket, connectedAt }) => connectedAt < since && !isAlive(socket, since));
    for (const ghost of ghosts) this.#sessions.close(ghost, CLOSE.tryAgain, "silent");
    return open.length - ghosts.length < LIMITS.socketsPerUser;
  }

  #wakeAt(timeMs: number): void {
    if (timeMs >= this.#alarmAt) return;
    this.#alarmAt = timeMs;
    this.#host.setAlarm(timeMs);
  }
}

const hasParticipant = ({ participants }: ConversationSnapshot, userId: string): boolean =>
  participants.some(({ user_id }) => user_id === userId);

/** What the conversation says about a change of itself. */
function systemMessage(
  conversationId: string,
  actorId: string,
  body: MessageBody,
  { head, seq }: Position,
  nowMs: number,
): Message {
  return {
    id: head,
    conversation_id: conversationId,
    sender_id: actorId,
    temp_id: null,
    type: "system",
    body,
    reply_to_id: null,
    reactions: [],
    created_at: new Date(nowMs).toISOString(),
    edited_at: null,
    deleted_at: null,
    seq,
  };
}

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

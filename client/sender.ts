import type { StopReason } from "./connection.ts";
import type { Environment } from "./environment.ts";
import { type ChatError, chatError, fromWire, networkError, type WireError } from "./errors.ts";
import { FRAME_BYTES, TEMP_ID_LENGTH } from "./limits.ts";
import {
  discard,
  type Evidence,
  enqueue,
  failAll,
  fitsFrame,
  isUnsettled,
  type Outbox,
  type OutboxCommand,
  type OutboxEntry,
  type PendingMessage,
  pendingMessages,
  refused,
  requeue,
  restore,
  retry,
  type StoredEntry,
  saved,
  settle,
  storageKey,
  take,
  toStored,
} from "./outbox.ts";
import { type Bucket, msUntilToken, refill } from "./pace.ts";
import type { StorageChange } from "./storage.ts";
import { Timer } from "./timer.ts";
import { Turn } from "./turn.ts";

/** A command on its way: what the service made of it, once it is durable there. */
export interface Sending<T> extends Promise<T> {
  /** The `temp_id` of a message. */
  readonly key: string;
  /**
   * Settles as soon as the command is safe on this device: true when it is on the disk, false when it could only be kept
   * in memory. Never rejects.
   */
  readonly queued: Promise<boolean>;
}

/** The conversation whose commands are sent. */
export interface SenderHost {
  readonly id: string;
  isLive(): boolean;
  /** Why nothing can be sent any more; null while it can. */
  closedFor(): StopReason | null;
  say(frame: string): void;
  /** Another connection sorts out what this one no longer can. */
  reconnect(): void;
  /** What is unsent has changed. */
  changed(): void;
  /** Once the state shows it. */
  after(tell: () => void): void;
}

/** How long somebody waits for another tab to send what is its turn to send. */
const IMPATIENCE_MS = 3_000;

/** Keeps the commands of one conversation until the service has answered them, and sends them in order. */
export class Sender {
  readonly #env: Environment;
  readonly #host: SenderHost;
  readonly #timer: Timer;
  readonly #impatience: Timer;
  readonly #turn: Turn;
  readonly #answers = new Map<string, Answer>();
  #outbox: Outbox = [];
  #pending: readonly PendingMessage[] = [];
  #bucket: Bucket;
  #isFlushPlanned = false;
  #isSaving = false;
  #isRestored = false;
  /** Keys of what is to be removed from the storage. */
  readonly #obsolete = new Set<string>();
  /** What is said once the storage holds what has changed: what failed must not be sent by a later client. */
  #afterSaving: Array<() => void> = [];

  constructor(env: Environment, host: SenderHost) {
    this.#env = env;
    this.#host = host;
    this.#bucket = { tokens: env.pace.burst, at: env.now() };
    this.#timer = new Timer(env, () => this.#flush());
    this.#impatience = new Timer(env, () => this.#turn.want("steal"));
    this.#turn = new Turn(env.store, this.#prefix, () => void this.restore());
  }

  /** What is unsent of one's own messages, as a user sees it. The same until it changes. */
  get pending(): readonly PendingMessage[] {
    const pending = pendingMessages(this.#outbox);
    if (!isSamePending(this.#pending, pending)) this.#pending = pending;
    return this.#pending;
  }

  /** Whether anything has yet to be sent or answered. */
  get isBusy(): boolean {
    return isUnsettled(this.#outbox);
  }

  get isEmpty(): boolean {
    return this.#outbox.length === 0;
  }

  has(key: string): boolean {
    return this.#find(key) !== undefined;
  }

  submit<T>(key: string, command: OutboxCommand): Sending<T> {
    const known = this.#find(key);
    if (known?.status === "failed") return this.retry(key);
    if (known) return this.#answer(key).sending as Sending<T>;
    if (command.type === "message.send" && (key.length < 1 || key.length > TEMP_ID_LENGTH))
      return refuse(key, "VALIDATION_FAILED", `temp_id must have 1 to ${TEMP_ID_LENGTH} characters.`);
    let own: OutboxCommand;
    try {
      // A copy: what the caller does to the body afterwards must not change what is sent again.
      own = JSON.parse(JSON.stringify(command));
    } catch (cause) {
      return refuse(key, "VALIDATION_FAILED", `The body is not JSON: ${String(cause)}`);
    }
    if (!fitsFrame(own, FRAME_BYTES))
      return refuse(key, "PAYLOAD_TOO_LARGE", `A message may take ${FRAME_BYTES} bytes.`);
    const { sending } = this.#answer(key);
    this.#outbox = enqueue(this.#outbox, key, own, this.#env.now());
    this.#added();
    return sending as Sending<T>;
  }

  retry<T>(tempId: string): Sending<T> {
    const entry = this.#find(tempId);
    if (entry?.command.type !== "message.send")
      return refuse(tempId, "VALIDATION_FAILED", "There is no unconfirmed message with this temp_id.");
    const { sending } = this.#answer(tempId);
    if (entry.status === "failed") {
      this.#forget(entry);
      this.#outbox = retry(this.#outbox, tempId, this.#env.now());
      this.#added();
    }
    return sending as Sending<T>;
  }

  discard(tempId: string): boolean {
    const entry = this.#find(tempId);
    if (entry?.command.type !== "message.send" || entry.status === "sending") return false;
    this.#outbox = discard(this.#outbox, tempId);
    this.#forget(entry);
    // The service would go on waiting for it, and hold up what comes behind.
    if (entry.status === "queued" && entry.refusals > 0) this.#host.reconnect();
    this.#failed(tempId, chatError("MESSAGE_SEND_FAILED", "The message was discarded."));
    this.#host.changed();
    this.#save();
    return true;
  }

  /** Takes over what is kept of earlier clients and of other tabs, and keeps what is not. */
  async restore(): Promise<void> {
    const stored = await this.#env.store.list<StoredEntry>(this.#prefix);
    this.#isRestored = true;
    if (stored)
      this.#outbox = restore(
        this.#outbox,
        stored.filter(([key]) => !this.#obsolete.has(key)),
      );
    const reason = this.#host.closedFor();
    if (reason) this.failEverything(reason);
    this.#host.changed();
    this.#save();
    this.flushSoon();
  }

  /** Another tab has changed what is kept; it may say what became of a command. */
  hear({ key, evidence, error }: OutboxNews): void {
    const entry = key === undefined ? undefined : this.#find(key);
    if (key !== undefined && error) {
      // A message that was refused stays, as failed; one that was discarded goes.
      if (entry) this.#outbox = discard(this.#outbox, key);
      this.#reject(key, fromWire(error));
    } else if (key !== undefined && evidence) this.#resolve(key, evidence);
    void this.restore();
  }

  /** The connection ended. */
  interrupt(): void {
    this.#timer.stop();
    this.#impatience.stop();
    this.#turn.giveUp();
    this.#outbox = requeue(this.#outbox);
  }

  /** Nothing can be sent any more. */
  failEverything(reason: StopReason): void {
    const before = this.#outbox;
    this.#outbox = failAll(before, (entry) => errorAfter(reason, entry));
    for (const entry of before) {
      if (entry.status === "failed") continue;
      const error = this.#find(entry.key)?.error ?? errorAfter(reason, entry);
      if (!this.has(entry.key)) this.#forget(entry);
      this.#reject(entry.key, error);
    }
    this.#save();
  }

  /** Looks for what these acknowledge. */
  settle(evidences: readonly Evidence[], userId: string): void {
    const { outbox, settled } = settle(this.#outbox, evidences, userId);
    if (settled.length === 0) return;
    let isAwaited = false;
    for (const { key, evidence } of settled) {
      const entry = this.#find(key);
      if (entry) this.#forget(entry);
      isAwaited ||= entry?.status === "queued" && entry.refusals > 0;
      if (entry?.is_stored && !this.#answers.has(key)) this.#tell({ key, evidence });
      this.#resolve(key, evidence);
    }
    this.#outbox = outbox;
    // Whoever has the turn uses it.
    this.#impatience.stop();
    this.#save();
    // Done by somebody else before it was repeated: the session would go on waiting for it.
    if (isAwaited && this.#host.isLive()) this.#host.reconnect();
  }

  /** The service refused the command that is known by one of these. */
  refused(
    keys: readonly (string | undefined)[],
    error: ChatError,
    retryAt: (refusals: number) => number,
  ): void {
    const entry = this.#outbox.find(({ key, status }) => status === "sending" && keys.includes(key));
    if (!entry) return;
    this.#outbox = refused(this.#outbox, entry.key, error, retryAt(entry.refusals + 1));
    if (error.retryable) return;
    this.#failed(entry.key, error);
    if (!this.has(entry.key)) this.#forget(entry);
    this.#save();
  }

  /** Says what has no place in the order of messages. */
  say(frame: string): void {
    this.#bucket = refill(this.#bucket, this.#env.pace, this.#env.now());
    this.#bucket.tokens -= 1;
    this.#host.say(frame);
  }

  /** Sends, after everything else that runs now, so that messages sent together share a frame. */
  flushSoon(): void {
    if (this.#isFlushPlanned || this.#outbox.length === 0 || !this.#host.isLive()) return;
    this.#isFlushPlanned = true;
    queueMicrotask(() => {
      this.#isFlushPlanned = false;
      this.#flush();
    });
  }

  #flush(): void {
    const { now, pace, maxInFlight } = this.#env;
    this.#timer.stop();
    for (;;) {
      if (!this.#host.isLive() || !this.#hasTurn()) return;
      const nowMs = now();
      this.#bucket = refill(this.#bucket, pace, nowMs);
      const room = this.#bucket.tokens;
      const taken = take(this.#outbox, { nowMs, room, maxInFlight, frameBytes: FRAME_BYTES });
      if (taken.frame === null) {
        this.#waitToFlush(nowMs, taken.wake_at);
        return;
      }
      this.#bucket.tokens -= taken.count;
      this.#outbox = taken.outbox;
      this.#host.say(taken.frame);
      this.#host.changed();
    }
  }

  /** Whether this tab is the one that sends. Another that has the turn and does not use it loses it. */
  #hasTurn(): boolean {
    if (this.#turn.isMine) {
      this.#impatience.stop();
      return true;
    }
    if (!this.isBusy) this.#impatience.stop();
    else {
      this.#turn.want();
      if (!this.#impatience.isRunning) this.#impatience.start(IMPATIENCE_MS);
    }
    return false;
  }

  /** Sets the timer for what time alone will allow; answers flush by themselves. */
  #waitToFlush(nowMs: number, wakeAt: number | null): void {
    if (wakeAt !== null) this.#timer.start(wakeAt - nowMs);
    else if (this.#outbox.some(({ status }) => status === "queued")) {
      const waitMs = msUntilToken(this.#bucket, this.#env.pace);
      if (waitMs > 0) this.#timer.start(waitMs);
    }
  }

  #added(): void {
    const reason = this.#host.closedFor();
    if (reason) this.failEverything(reason);
    this.#save();
    this.#host.changed();
    this.flushSoon();
  }

  /** Writes what is not written, one batch after the other. Nothing is sent, and no failure is told, before it is kept. */
  #save(): void {
    if (this.#isSaving) return;
    const { isOpen } = this.#env.store;
    // What is there from before comes first.
    if (isOpen && !this.#isRestored) return;
    const told = this.#afterSaving.splice(0);
    const unsaved = this.#outbox.filter(
      ({ is_stored, status }) => !is_stored && (isOpen || status === "saving"),
    );
    const obsolete = [...this.#obsolete];
    if (!isOpen || unsaved.length + obsolete.length === 0) {
      this.#saved(unsaved, false, told);
      return;
    }
    this.#isSaving = true;
    const changes = [
      ...obsolete.map((key) => [this.#prefix + key, undefined] as const),
      ...unsaved.map((entry) => [this.#prefix + storageKey(entry), toStored(entry)] as const),
    ];
    void this.#write(changes).then((isStored) => {
      this.#isSaving = false;
      for (const key of obsolete) this.#obsolete.delete(key);
      this.#saved(unsaved, isStored, told);
      // What could not be written waits for the next occasion.
      if (isStored) this.#save();
      else this.#saved([], false, this.#afterSaving.splice(0));
      this.flushSoon();
    });
  }

  #write(changes: readonly StorageChange[]): Promise<boolean> {
    const written = this.#env.store.write(changes);
    void written.then(() => this.#tell({}));
    return written;
  }

  /** Tells the other tabs. */
  #tell(news: Omit<OutboxNews, "of">): void {
    const { sharing } = this.#env.store;
    const all: OutboxNews = { of: this.#env.store.name(this.#prefix), ...news };
    sharing?.channel.postMessage(all);
  }

  #saved(entries: Outbox, isStored: boolean, told: ReadonlyArray<() => void>): void {
    if (entries.length + told.length === 0) return;
    this.#outbox = saved(this.#outbox, entries, isStored);
    for (const { key } of entries) this.#answers.get(key)?.isQueued(isStored);
    for (const tell of told) tell();
    this.#host.changed();
  }

  #forget(entry: OutboxEntry): void {
    this.#obsolete.add(storageKey(entry));
  }

  get #prefix(): string {
    return outboxOf(this.#host.id);
  }

  #find(key: string): OutboxEntry | undefined {
    return this.#outbox.find((entry) => entry.key === key);
  }

  #answer(key: string): Answer {
    let answer = this.#answers.get(key);
    if (!answer) {
      answer = makeAnswer(key);
      this.#answers.set(key, answer);
      if (this.#find(key)?.is_stored) answer.isQueued(true);
    }
    return answer;
  }

  #resolve(key: string, evidence: Evidence): void {
    const answer = this.#answers.get(key);
    this.#answers.delete(key);
    answer?.isQueued(true);
    this.#host.after(() => answer?.resolve(evidence));
  }

  /** Whoever asked for it, or shows it, may be in another tab. */
  #failed(key: string, error: ChatError): void {
    const { code, message, details, request_id } = error;
    this.#tell({ key, error: { code, message, details, request_id } });
    this.#reject(key, error);
  }

  #reject(key: string, error: ChatError): void {
    const answer = this.#answers.get(key);
    this.#answers.delete(key);
    this.#afterSaving.push(() => {
      answer?.isQueued(false);
      this.#host.after(() => answer?.reject(error));
    });
  }
}

/** Begins the keys of what is unsent. */
export const OUTBOX = "outbox ";
/** Begins those of one conversation. */
export const outboxOf = (conversationId: string): string => `${OUTBOX}${conversationId} `;

/** What one tab tells the others of the commands of a conversation. */
export interface OutboxNews {
  /** Whose, and of which conversation. */
  of: string;
  /** The command, if its end is told. */
  key?: string;
  /** That it was done. */
  evidence?: Evidence;
  /** That it was refused for good, or discarded. */
  error?: WireError;
}

interface Answer {
  sending: Sending<unknown>;
  isQueued(isStored: boolean): void;
  resolve(value: unknown): void;
  reject(error: ChatError): void;
}

function makeAnswer(key: string): Answer {
  const outcome = deferred<unknown>();
  const queued = deferred<boolean>();
  // The state shows what failed, so a caller need not look at the promise.
  outcome.promise.catch(() => undefined);
  return { ...outcome, sending: toSending(outcome.promise, key, queued.promise), isQueued: queued.resolve };
}

/** `Promise.withResolvers`, which React Native does not have. */
function deferred<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: ChatError) => void = resolve as never;
  const promise = new Promise<T>((...settle) => {
    [resolve, reject] = settle;
  });
  return { promise, resolve, reject };
}

const toSending = <T>(promise: Promise<T>, key: string, queued: Promise<boolean>): Sending<T> =>
  Object.assign(promise, { key, queued });

/** What a command becomes that is refused before it is tried. */
function refuse<T>(
  key: string,
  code: "VALIDATION_FAILED" | "PAYLOAD_TOO_LARGE",
  message: string,
): Sending<T> {
  const promise = Promise.reject<T>(chatError(code, message));
  promise.catch(() => undefined);
  return toSending(promise, key, Promise.resolve(false));
}

/** Why a command that can no longer be sent failed. One that had been sent may have been carried out all the same. */
function errorAfter(reason: StopReason, { is_uncertain }: OutboxEntry): ChatError {
  if (is_uncertain) return networkError("It is not known whether this was carried out.");
  const [code, message] = ["unauthorized", "token_malformed"].includes(reason)
    ? ["UNAUTHORIZED", "The service accepts no token of this client."]
    : ["removed", "not_found", "deleted"].includes(reason)
      ? ["CONVERSATION_NOT_FOUND", "There is no such conversation."]
      : ["MESSAGE_SEND_FAILED", `The connection is closed for good: ${reason}.`];
  return chatError(code ?? "", message ?? "");
}

function isSamePending(a: readonly PendingMessage[], b: readonly PendingMessage[]): boolean {
  return (
    a.length === b.length &&
    a.every((item, index) => {
      const other = b[index];
      return (
        item.temp_id === other?.temp_id &&
        item.status === other.status &&
        item.error === other.error &&
        item.created_at === other.created_at
      );
    })
  );
}

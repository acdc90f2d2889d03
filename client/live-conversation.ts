import type { Conversation, Message, Participant } from "../protocol/entities.ts";
import type { Command, DurableEvent, ErrorEvent, LiveEvent, Ready, ServerEvent } from "../protocol/frames.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { ChatApi } from "./api.ts";
import { backoffMs } from "./backoff.ts";
import type { StopReason, Verdict } from "./connection.ts";
import type { Environment } from "./environment.ts";
import { ChatError } from "./errors.ts";
import { type LinkState, LiveLink } from "./live-link.ts";
import {
  discard,
  enqueue,
  failAll,
  fitsFrame,
  isUnsettled,
  LONGEST_WAIT_MS,
  type MessageInput,
  type Outbox,
  type OutboxCommand,
  type OutboxEntry,
  type PendingMessage,
  pendingMessages,
  refused,
  requeue,
  retry,
  settle,
  take,
} from "./outbox.ts";
import { type Bucket, msUntilToken, refill } from "./pace.ts";
import { ReadPosition } from "./read-position.ts";
import {
  abandonOlder,
  applyEvent,
  applyLive,
  applyOlder,
  applySync,
  beginOlder,
  EMPTY_TIMELINE,
  firstId,
  messagesSince,
  type Timeline,
} from "./timeline.ts";
import { Timer } from "./timer.ts";
import { OwnTyping, Typists } from "./typing.ts";

/** Everything known of a conversation at one moment. Never changed: a change makes a new one. */
export interface ConversationState extends LinkState {
  /** null before the first sync. */
  readonly conversation: Conversation | null;
  readonly participants: readonly Participant[];
  /** Confirmed messages, ids ascending and contiguous. */
  readonly messages: readonly Message[];
  /** One's own messages that are not confirmed, in the order they were sent. They belong after `messages`. */
  readonly pending: readonly PendingMessage[];
  /** Ids of others who are typing now, first comers first. */
  readonly typing: readonly string[];
  /** Whether messages before the first one exist. */
  readonly has_older: boolean;
  readonly loading_older: boolean;
  readonly last_message_id: number;
  readonly seq: number;
  readonly epoch: string | null;
}

/** What a conversation tells the client it belongs to. */
export interface ConversationObserver {
  message(message: Message): void;
  failure(error: ChatError, conversationId: string): void;
  connect(conversationId: string): void;
  disconnect(conversationId: string, verdict: Verdict): void;
  server(event: ServerEvent, conversationId: string): void;
  /** Nobody needs it, and it holds nothing that anybody could miss. */
  released(conversationId: string): void;
}

/** One conversation, whoever looks at it: its timeline, its outbox and its connection. */
export class LiveConversation extends LiveLink<ConversationState, ServerEvent> {
  readonly id: string;
  readonly #api: ChatApi;
  readonly #observer: ConversationObserver;
  readonly #outboxTimer: Timer;
  readonly #answers = new Map<string, PromiseWithResolvers<Message>>();

  readonly #typists: Typists;
  readonly #ownTyping = new OwnTyping();
  readonly #reads: ReadPosition;

  #timeline: Timeline = EMPTY_TIMELINE;
  #outbox: Outbox = [];
  #pending: readonly PendingMessage[] = [];
  /** What has arrived since `ready`; null outside a sync. */
  #sync: { ready: Ready; events: DurableEvent[]; live: LiveEvent[] } | null = null;
  /** The next connection asks for everything anew. */
  #mustReset = false;
  #loadingOlder: Promise<void> | null = null;
  #bucket: Bucket;
  #isFlushPlanned = false;

  constructor(id: string, env: Environment, api: ChatApi, observer: ConversationObserver) {
    super(`conversations/${encodeURIComponent(id)}`, env);
    this.id = id;
    this.#api = api;
    this.#observer = observer;
    this.#bucket = { tokens: env.pace.burst, at: env.now() };
    this.#outboxTimer = new Timer(env, () => this.#flush());
    this.#typists = new Typists(env, () => this.publish());
    this.#reads = new ReadPosition(env, {
      known: () => (this.status === "live" ? this.#lastReadId : null),
      say: (last_read_id, ref) => this.#say({ type: "read.update", last_read_id, ref }),
    });
  }

  send(body: MessageInput, tempId: string, replyToId: number | null): Promise<Message> {
    this.#ownTyping.end();
    const known = this.#outbox.find(({ key }) => key === tempId);
    if (known?.status === "failed") return this.retry(tempId);
    if (known) return this.#answer(tempId);
    if (tempId.length < 1 || tempId.length > LIMITS.tempIdLength) {
      return Promise.reject(invalid(`temp_id must have 1 to ${LIMITS.tempIdLength} characters.`));
    }
    return this.#submit(tempId, {
      type: "message.send",
      temp_id: tempId,
      body,
      ...(replyToId === null ? {} : { reply_to_id: replyToId }),
    });
  }

  edit(id: number, body: MessageInput): Promise<Message> {
    const ref = this.env.newId();
    return this.#submit(ref, { type: "message.edit", id, body, ref });
  }

  delete(id: number): Promise<Message> {
    const ref = this.env.newId();
    return this.#submit(ref, { type: "message.delete", id, ref });
  }

  retry(tempId: string): Promise<Message> {
    const entry = this.#outbox.find(({ key, command }) => key === tempId && command.type === "message.send");
    if (!entry) return Promise.reject(invalid("There is no unconfirmed message with this temp_id."));
    const answer = this.#answer(tempId);
    if (entry.status === "failed") this.#queue(retry(this.#outbox, tempId));
    return answer;
  }

  discard(tempId: string): boolean {
    const entry = this.#outbox.find(({ key, command }) => key === tempId && command.type === "message.send");
    if (!entry || entry.status === "sending") return false;
    this.#outbox = discard(this.#outbox, tempId);
    // The service would go on waiting for it, and hold up what comes behind.
    if (entry.status === "queued" && entry.refusals > 0) this.connection.drop("out_of_step");
    this.#reject(
      tempId,
      new ChatError("MESSAGE_SEND_FAILED", "The message was discarded.", { retryable: false }),
    );
    this.publish();
    this.#planFlush();
    return true;
  }

  markRead(id = this.#timeline.last_message_id): void {
    // Before the first sync it is not known what the newest message is.
    this.#reads.mark(this.#timeline.conversation ? Math.min(id, this.#timeline.last_message_id) : id);
  }

  setTyping(isTyping: boolean): void {
    if (this.status !== "live" || !this.#ownTyping.change(isTyping, this.env.now())) return;
    this.#say({ type: "typing", typing: isTyping });
  }

  loadOlder(): Promise<void> {
    if (this.#loadingOlder) return this.#loadingOlder;
    if (!this.#timeline.has_older) return Promise.resolve();
    this.#loadingOlder = this.#loadOlder().finally(() => {
      this.#loadingOlder = null;
      this.#timeline = abandonOlder(this.#timeline);
      this.publish();
      this.releaseIfUnused();
    });
    this.publish();
    return this.#loadingOlder;
  }

  async #loadOlder(): Promise<void> {
    this.#timeline = beginOlder(this.#timeline);
    const page = await this.#api.listMessages(this.id, {
      before_id: firstId(this.#timeline),
      limit: this.env.pageSize,
    });
    this.#timeline = applyOlder(this.#timeline, page);
    this.#settle(page.data);
  }

  // Connection

  protected override get isUnsaid(): boolean {
    return isUnsettled(this.#outbox) || this.#reads.isAhead(this.#lastReadId);
  }

  get #lastReadId(): number {
    return this.#timeline.conversation?.me.last_read_id ?? 0;
  }

  protected override resumption(): Record<string, string> {
    const { epoch, seq } = this.#timeline;
    return epoch === null || this.#mustReset ? {} : { since: String(seq), epoch };
  }

  protected ended(verdict: Verdict): void {
    this.#sync = null;
    this.#outbox = requeue(this.#outbox);
    this.#outboxTimer.stop();
    this.#reads.interrupt();
    this.#ownTyping.end();
    this.#typists.clear();
    if (this.status === "closed") this.#failEverything(verdict.reason);
    this.news.push(() => this.#observer.disconnect(this.id, verdict));
  }

  protected failed(error: ChatError): void {
    this.#observer.failure(error, this.id);
  }

  protected released(): void {
    if (this.#outbox.length === 0 && !this.#loadingOlder) this.#observer.released(this.id);
  }

  // Events

  protected override received(text: string): void {
    super.received(text);
    this.#planFlush();
  }

  protected handle(event: ServerEvent): void {
    switch (event.type) {
      case "ready":
        this.#tell(event);
        this.#sync = { ready: event, events: [], live: [] };
        break;
      case "synced":
        this.#tell(event);
        this.#synced(event.seq);
        break;
      case "error":
        this.#tell(event);
        this.#refused(event);
        break;
      case "auth.expiring":
      case "auth.refreshed":
        this.#tell(event);
        break;
      case "message.created":
      case "message.updated":
      case "message.deleted":
      case "reaction.updated":
      case "conversation.updated":
      case "conversation.deleted":
      case "conversation.participant_added":
      case "conversation.participant_updated":
      case "conversation.participant_removed":
        this.#endTyping(event);
        if (this.#sync) this.#sync.events.push(event);
        else if (this.status === "live") this.#change(event);
        break;
      case "user.typing":
        if (event.user_id !== this.#timeline.user_id) this.#typists.told(event.user_id, event.typing);
        this.#tell(event);
        break;
      case "read.updated":
      case "presence.updated":
        if (this.#sync) this.#sync.live.push(event);
        else if (this.status === "live") this.#changeLive(event);
        break;
      default:
        // Of a newer server: it says only what older clients may miss.
        event satisfies never;
    }
  }

  #endTyping(event: DurableEvent): void {
    if (event.type === "message.created" && !isAnswer(event))
      this.#typists.told(event.message.sender_id, false);
    if (event.type === "conversation.participant_removed") this.#typists.told(event.user_id, false);
  }

  #changeLive(event: LiveEvent): void {
    this.#timeline = applyLive(this.#timeline, event);
    this.#tell(event);
    if (event.user_id !== this.#timeline.user_id) return;
    this.#reads.answered();
    this.news.push(() => this.releaseIfUnused());
  }

  #synced(seq: number): void {
    if (!this.#sync) return;
    const { ready, events, live } = this.#sync;
    this.#sync = null;
    const before = this.#timeline;
    const answers = events.filter(isAnswer);
    const changes = events.filter((event) => !isAnswer(event));
    const applied = applySync(before, ready, changes);
    if (applied.outcome !== "applied" || applied.timeline.seq !== seq) {
      this.#mustReset = true;
      this.connection.drop("out_of_step");
      return;
    }
    this.#mustReset = false;
    this.#timeline = applied.timeline;
    this.succeeded();
    this.#settle([...(ready.messages ?? []), ...changes.flatMap(messageOf), ...answers.flatMap(messageOf)]);
    for (const event of changes) this.#tell(event);
    this.#reads.limit(this.#timeline.last_message_id);
    for (const event of live) this.#changeLive(event);
    this.#reads.flush();
    this.#announce(before);
    this.news.push(() => this.#observer.connect(this.id));
  }

  #change(event: DurableEvent): void {
    if (isAnswer(event)) {
      this.#settle(messageOf(event));
      return;
    }
    const before = this.#timeline;
    const applied = applyEvent(before, event);
    switch (applied.outcome) {
      case "applied":
        this.#timeline = applied.timeline;
        this.#settle(messageOf(event));
        this.#tell(event);
        this.#announce(before);
        if (event.type === "conversation.deleted") this.connection.stop("deleted");
        break;
      case "known":
        this.#settle(messageOf(event));
        break;
      case "gap":
        this.connection.drop("out_of_step");
        break;
      case "hole":
        this.#mustReset = true;
        this.connection.drop("out_of_step");
    }
  }

  #refused({ ref, temp_id, error: wire }: ErrorEvent): void {
    const error = ChatError.fromWire(wire);
    this.#reads.refused(ref, error);
    this.news.push(() => this.releaseIfUnused());
    const key = [temp_id, ref].find((value) => value !== undefined && this.#answers.has(value));
    const entry = this.#outbox.find((other) => other.key === key);
    if (entry?.status === "sending") {
      const { reconnect, random, now } = this.env;
      const waitMs = error.retry_after_ms ?? backoffMs(reconnect, entry.refusals + 1, random());
      const retryAt = now() + Math.min(waitMs, LONGEST_WAIT_MS);
      this.#outbox = refused(this.#outbox, entry.key, error, retryAt);
      if (!error.retryable) this.#reject(entry.key, error);
    }
    this.news.push(() => this.#observer.failure(error, this.id));
  }

  #tell(event: ServerEvent): void {
    this.news.push(() => this.#observer.server(event, this.id));
  }

  #announce(before: Timeline): void {
    for (const message of messagesSince(before, this.#timeline)) {
      this.news.push(() => this.#observer.message(message));
    }
  }

  // Outbox

  #submit(key: string, command: OutboxCommand): Promise<Message> {
    let own: OutboxCommand;
    try {
      // A copy: what the caller does to the body afterwards must not change what is sent again.
      own = JSON.parse(JSON.stringify(command));
    } catch (cause) {
      return Promise.reject(invalid(`The body is not JSON: ${String(cause)}`));
    }
    if (!fitsFrame(own, LIMITS.frameBytes)) {
      const message = `A message may take ${LIMITS.frameBytes} bytes.`;
      return Promise.reject(new ChatError("PAYLOAD_TOO_LARGE", message, { retryable: false, status: 413 }));
    }
    const answer = this.#answer(key);
    this.#queue(enqueue(this.#outbox, key, own, this.env.now()));
    return answer;
  }

  #queue(outbox: Outbox): void {
    this.#outbox = outbox;
    if (this.status === "closed" && this.reason) this.#failEverything(this.reason);
    this.publish();
    // A closed conversation takes more than a message to open again.
    if (this.status === "disconnected") this.connect();
    this.#planFlush();
  }

  /** After everything else that runs now, so that messages sent together share a frame. */
  #planFlush(): void {
    if (this.#isFlushPlanned || this.status !== "live" || this.#outbox.length === 0) return;
    this.#isFlushPlanned = true;
    queueMicrotask(() => {
      this.#isFlushPlanned = false;
      this.#flush();
    });
  }

  #flush(): void {
    const { now, pace, maxInFlight } = this.env;
    this.#outboxTimer.stop();
    for (;;) {
      if (this.status !== "live") return;
      const nowMs = now();
      this.#bucket = refill(this.#bucket, pace, nowMs);
      const room = this.#bucket.tokens;
      const taken = take(this.#outbox, { nowMs, room, maxInFlight, frameBytes: LIMITS.frameBytes });
      if (taken.frame === null) {
        this.#waitToFlush(nowMs, taken.wake_at);
        return;
      }
      this.#bucket.tokens -= taken.count;
      this.#outbox = taken.outbox;
      this.connection.send(taken.frame);
      this.publish();
    }
  }

  /** Sends what has no place in the order of messages. */
  #say(command: Command): void {
    this.#bucket = refill(this.#bucket, this.env.pace, this.env.now());
    this.#bucket.tokens -= 1;
    this.connection.send(JSON.stringify(command));
  }

  /** Sets the timer for what time alone will allow; answers flush by themselves. */
  #waitToFlush(nowMs: number, wakeAt: number | null): void {
    if (wakeAt !== null) this.#outboxTimer.start(wakeAt - nowMs);
    else if (this.#outbox.some(({ status }) => status === "queued")) {
      const waitMs = msUntilToken(this.#bucket, this.env.pace);
      if (waitMs > 0) this.#outboxTimer.start(waitMs);
    }
  }

  #settle(messages: readonly Message[]): void {
    const { outbox, settled } = settle(this.#outbox, messages, this.#timeline.user_id);
    if (settled.length === 0) return;
    const isAwaited = this.#outbox.some(
      ({ key, status, refusals }) =>
        status === "queued" && refusals > 0 && settled.some((done) => done.key === key),
    );
    this.#outbox = outbox;
    // Done by somebody else before it was repeated: the session would go on waiting for it.
    if (isAwaited && this.status === "live") this.connection.drop("out_of_step");
    for (const { key, message } of settled) {
      const answer = this.#answers.get(key);
      this.#answers.delete(key);
      this.news.push(() => answer?.resolve(message));
    }
    if (!isUnsettled(outbox)) this.news.push(() => this.releaseIfUnused());
  }

  #failEverything(reason: StopReason): void {
    const errors = new Map(
      this.#outbox
        .filter(({ status }) => status !== "failed")
        .map((entry) => [entry.key, errorAfter(reason, entry)]),
    );
    this.#outbox = failAll(this.#outbox, (entry) => errors.get(entry.key) ?? errorAfter(reason, entry));
    for (const [key, error] of errors) this.#reject(key, error);
  }

  #answer(key: string): Promise<Message> {
    const known = this.#answers.get(key);
    if (known) return known.promise;
    const answer = Promise.withResolvers<Message>();
    // The state shows what failed, so a caller need not look at the promise.
    answer.promise.catch(() => undefined);
    this.#answers.set(key, answer);
    return answer.promise;
  }

  #reject(key: string, error: ChatError): void {
    const answer = this.#answers.get(key);
    this.#answers.delete(key);
    this.news.push(() => answer?.reject(error));
    if (!isUnsettled(this.#outbox)) this.news.push(() => this.releaseIfUnused());
  }

  // State

  protected snapshot(): ConversationState {
    const { conversation, participants, messages, has_older, last_message_id, seq, epoch } = this.#timeline;
    const pending = pendingMessages(this.#outbox);
    if (!isSamePending(this.#pending, pending)) this.#pending = pending;
    return Object.freeze({
      status: this.status,
      reason: this.reason,
      conversation,
      participants,
      messages,
      pending: this.#pending,
      typing: this.#typists.userIds,
      has_older,
      loading_older: this.#loadingOlder !== null,
      last_message_id,
      seq,
      epoch,
    });
  }
}

/** Whether the event is no change but the answer to a repeated command. */
const isAnswer = (event: DurableEvent): boolean => "duplicate" in event && event.duplicate === true;

const messageOf = (event: DurableEvent): Message[] => ("message" in event ? [event.message] : []);

const invalid = (message: string): ChatError =>
  new ChatError("VALIDATION_FAILED", message, { retryable: false });

/** Why a command that can no longer be sent failed. One that had been sent may have been carried out all the same. */
function errorAfter(reason: StopReason, { is_uncertain }: OutboxEntry): ChatError {
  if (is_uncertain) {
    return ChatError.network(
      "The connection ended before an answer: whether it was carried out is not known.",
    );
  }
  switch (reason) {
    case "unauthorized":
    case "token_malformed":
      return new ChatError("UNAUTHORIZED", "The service accepts no token of this client.", {
        retryable: false,
      });
    case "removed":
    case "not_found":
    case "deleted":
      return new ChatError("CONVERSATION_NOT_FOUND", "There is no such conversation.", { retryable: false });
    default:
      return new ChatError("MESSAGE_SEND_FAILED", `The connection is closed for good: ${reason}.`, {
        retryable: false,
      });
  }
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

import type { Conversation, Message, Participant } from "../protocol/entities.ts";
import type { Command, DurableEvent, ErrorEvent, LiveEvent, Ready, ServerEvent } from "../protocol/frames.ts";
import { backoffMs } from "./backoff.ts";
import type { Verdict } from "./connection.ts";
import type { Environment } from "./environment.ts";
import { type ChatError, fromWire } from "./errors.ts";
import { PAGE_SIZE } from "./limits.ts";
import { type LinkState, LiveLink } from "./live-link.ts";
import { type Evidence, LONGEST_WAIT_MS, type MessageInput, type PendingMessage } from "./outbox.ts";
import { ReadPosition } from "./read-position.ts";
import { conversationPath, type Page, type Request, withQuery } from "./request.ts";
import { type OutboxNews, Sender, type Sending } from "./sender.ts";
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

/** One conversation, whoever looks at it: its timeline, what is unsent and its connection. */
export class LiveConversation extends LiveLink<ConversationState, ServerEvent> {
  readonly id: string;
  readonly #request: Request;
  readonly #observer: ConversationObserver;
  readonly #sender: Sender;
  readonly #typists: Typists;
  readonly #ownTyping = new OwnTyping();
  readonly #reads: ReadPosition;

  #timeline: Timeline = EMPTY_TIMELINE;
  /** What has arrived since `ready`; null outside a sync. */
  #sync: { ready: Ready; events: DurableEvent[]; live: LiveEvent[] } | null = null;
  /** The next connection asks for everything anew. */
  #mustReset = false;
  #loadingOlder: Promise<void> | null = null;

  constructor(id: string, env: Environment, request: Request, observer: ConversationObserver) {
    super(conversationPath(id), env);
    this.id = id;
    this.#request = request;
    this.#observer = observer;
    this.#sender = new Sender(env, {
      id,
      isLive: () => this.status === "live",
      closedFor: () => (this.status === "closed" ? this.reason : null),
      say: (frame) => this.connection.send(frame),
      reconnect: () => this.connection.drop("out_of_step"),
      changed: () => {
        // A closed conversation takes more than a message to open again.
        if (this.status === "disconnected") this.connect();
        this.publish();
      },
      after: (tell) => {
        this.news.push(tell, () => this.releaseIfUnused());
      },
    });
    this.#typists = new Typists(env, () => this.publish());
    this.#reads = new ReadPosition(env, {
      known: () => (this.status === "live" ? this.#lastReadId : null),
      say: (last_read_id, ref) => this.#say({ type: "read.update", last_read_id, ref }),
    });
  }

  send(body: MessageInput, tempId: string, replyToId: number | null): Sending<Message> {
    this.#ownTyping.end();
    return this.#sender.submit(tempId, {
      type: "message.send",
      temp_id: tempId,
      body,
      ...(replyToId === null ? {} : { reply_to_id: replyToId }),
    });
  }

  edit(id: number, body: MessageInput): Sending<Message> {
    const ref = this.env.newId();
    return this.#sender.submit(ref, { type: "message.edit", id, body, ref });
  }

  delete(id: number): Sending<Message> {
    const ref = this.env.newId();
    return this.#sender.submit(ref, { type: "message.delete", id, ref });
  }

  react(id: number, emoji: string, isAdded: boolean): Sending<unknown> {
    const ref = this.env.newId();
    return this.#sender.submit(ref, { type: isAdded ? "reaction.add" : "reaction.remove", id, emoji, ref });
  }

  retry(tempId: string): Sending<Message> {
    return this.#sender.retry(tempId);
  }

  discard(tempId: string): boolean {
    return this.#sender.discard(tempId);
  }

  /** It is known only now whose it is. */
  restoreUnsent(): Promise<void> {
    return this.#sender.restore();
  }

  /** Another tab tells of what is unsent. */
  hear(news: OutboxNews): void {
    this.#sender.hear(news);
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
    const query = { before_id: firstId(this.#timeline), limit: this.env.pageSize };
    const path = withQuery(`${conversationPath(this.id)}/messages`, query);
    const page = (await this.#request("GET", path)) as Page<Message>;
    this.#timeline = applyOlder(this.#timeline, page);
    this.#settle(page.data);
  }

  // Connection

  protected override get isUnsaid(): boolean {
    return this.#sender.isBusy || this.#reads.isAhead(this.#lastReadId);
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
    this.#sender.interrupt();
    this.#reads.interrupt();
    this.#ownTyping.end();
    this.#typists.clear();
    if (this.status === "closed") this.#sender.failEverything(verdict.reason);
    this.news.push(() => this.#observer.disconnect(this.id, verdict));
  }

  protected failed(error: ChatError): void {
    this.#observer.failure(error, this.id);
  }

  protected released(): void {
    if (this.#sender.isEmpty && !this.#loadingOlder) this.#observer.released(this.id);
  }

  // Events

  protected override received(text: string): void {
    super.received(text);
    this.#sender.flushSoon();
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
    this.#settle([...(ready.messages ?? []), ...events.flatMap(evidenceOf)]);
    for (const event of changes) this.#tell(event);
    this.#reads.limit(this.#timeline.last_message_id);
    for (const event of live) this.#changeLive(event);
    this.#reads.flush();
    this.#announce(before);
    this.news.push(() => this.#observer.connect(this.id));
  }

  #change(event: DurableEvent): void {
    if (isAnswer(event)) {
      this.#settle(evidenceOf(event));
      return;
    }
    const before = this.#timeline;
    const applied = applyEvent(before, event);
    switch (applied.outcome) {
      case "applied":
        this.#timeline = applied.timeline;
        this.#settle(evidenceOf(event));
        this.#tell(event);
        this.#announce(before);
        if (event.type === "conversation.deleted") this.connection.stop("deleted");
        break;
      case "known":
        this.#settle(evidenceOf(event));
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
    const error = fromWire(wire);
    const { reconnect, random, now } = this.env;
    this.#reads.refused(ref, error);
    this.#sender.refused([temp_id, ref], error, (refusals) => {
      const waitMs = error.retry_after_ms ?? backoffMs(reconnect, refusals, random());
      return now() + Math.min(waitMs, LONGEST_WAIT_MS);
    });
    this.news.push(
      () => this.releaseIfUnused(),
      () => this.#observer.failure(error, this.id),
    );
  }

  #tell(event: ServerEvent): void {
    this.news.push(() => this.#observer.server(event, this.id));
  }

  #announce(before: Timeline): void {
    for (const message of messagesSince(before, this.#timeline)) {
      this.news.push(() => this.#observer.message(message));
    }
  }

  #settle(evidences: readonly Evidence[]): void {
    this.#sender.settle(evidences, this.#timeline.user_id);
  }

  #say(command: Command): void {
    this.#sender.say(JSON.stringify(command));
  }

  // State

  protected snapshot(): ConversationState {
    const { conversation, participants, messages, has_older, last_message_id, seq, epoch } = this.#timeline;
    return Object.freeze({
      status: this.status,
      reason: this.reason,
      conversation,
      participants,
      messages,
      pending: this.#sender.pending,
      typing: this.#typists.userIds,
      has_older,
      loading_older: this.#loadingOlder !== null,
      last_message_id,
      seq,
      epoch,
    });
  }

  protected get version(): string {
    return `${this.#timeline.epoch} ${this.#timeline.seq} ${this.#lastReadId}`;
  }

  /** The newest messages; who is online is another matter by the time it is read. */
  protected copy(): Timeline {
    const { messages, has_older, participants } = this.#timeline;
    const kept = messages.slice(-PAGE_SIZE);
    return {
      ...this.#timeline,
      messages: kept,
      has_older: has_older || kept.length < messages.length,
      participants: participants.map((participant) => ({ ...participant, online: false })),
      newer_than_page: null,
    };
  }

  protected restore(copy: object): void {
    if (this.#timeline === EMPTY_TIMELINE) this.#timeline = copy as Timeline;
  }

  protected override restored(): Promise<void> {
    return this.#sender.restore();
  }
}

/** Whether the event is no change but the answer to a repeated command. */
const isAnswer = (event: DurableEvent): boolean => "duplicate" in event && event.duplicate === true;

const evidenceOf = (event: DurableEvent): Evidence[] =>
  "message" in event ? [event.message] : event.type === "reaction.updated" ? [event] : [];

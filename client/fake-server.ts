import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import type { Conversation, Message, MessageBody, Participant } from "../protocol/entities.ts";
import { type ErrorCode, isRetryable } from "../protocol/errors.ts";
import {
  type Command,
  command,
  type DurableEvent,
  type InboxEvent,
  type InboxReady,
  refreshCommand,
  type ServerEvent,
} from "../protocol/frames.ts";
import { LIMITS } from "../protocol/limits.ts";

export const CONVERSATION_ID = "0193b0a0-0000-7000-8000-000000000001";
const TIME = "2026-11-22T00:00:00.000Z";

export function makeMessage(id: number, fields: Partial<Message> = {}): Message {
  return {
    id,
    conversation_id: CONVERSATION_ID,
    sender_id: "bo",
    temp_id: `bo-${id}`,
    type: "user",
    body: { text: `message ${id}` },
    reply_to_id: null,
    reactions: [],
    created_at: TIME,
    edited_at: null,
    deleted_at: null,
    seq: id,
    ...fields,
  };
}

export function makeParticipant(userId: string, fields: Partial<Participant> = {}): Participant {
  return {
    user_id: userId,
    role: "member",
    joined_at: TIME,
    last_read_id: 0,
    online: false,
    last_seen_at: null,
    user: { id: userId, name: userId, avatar_url: null },
    ...fields,
  };
}

export function makeConversation(fields: Partial<Conversation> = {}): Conversation {
  return {
    id: CONVERSATION_ID,
    type: "group",
    title: null,
    created_by: "ann",
    created_at: TIME,
    updated_at: TIME,
    last_message_id: 0,
    last_message: null,
    participant_count: 2,
    history_visibility: "beginning",
    me: { role: "admin", last_read_id: 0, unread_count: 0, muted_until: null },
    ...fields,
  };
}

export const readUpdated = (userId: string, lastReadId: number) => ({
  type: "read.updated" as const,
  conversation_id: CONVERSATION_ID,
  user_id: userId,
  last_read_id: lastReadId,
});

export function makeInboxReady(
  conversations: readonly Conversation[],
  fields: Partial<InboxReady> = {},
): InboxReady {
  const counts = conversations.map(({ id, last_message_id, me: { last_read_id, unread_count } }) => ({
    id,
    last_message_id,
    last_read_id,
    unread_count,
  }));
  return {
    type: "ready",
    protocol: 1,
    user_id: "ann",
    conversations: [...conversations],
    has_more: false,
    unread: { total: counts.reduce((sum, { unread_count }) => sum + unread_count, 0), conversations: counts },
    settings: { invisible: false, read_receipts: true },
    expires_at: null,
    ...fields,
  };
}

/**
 * One conversation over a real network, as strict as the service: it records whatever a correct client would
 * not do. Its user is `ann`.
 */
export class FakeServer {
  readonly violations: string[] = [];
  /** Query of each socket request, in order. */
  readonly requests: Array<{ since: string | null; epoch: string | null; token: string }> = [];
  readonly frames: Command[][] = [];
  readonly messages: Message[] = [];
  epoch = "epoch-1";
  seq = 0;
  pageSize = 50;
  /** Close codes for the next sockets, before `ready`. */
  readonly refusals: number[] = [];
  /** Errors for the next commands. */
  readonly errors: Array<{ code: ErrorCode; retry_after_ms?: number }> = [];
  /** Tokens of `auth.refresh`. */
  readonly refreshedWith: string[] = [];
  /** Commands are carried out, but nothing is answered. */
  isDeaf = false;
  /** Commands get lost on the way. */
  isDiscarding = false;
  /** Nothing at all is sent any more, not even a pong. */
  isSilent = false;
  /** What clients say does not arrive; what the server says does. */
  isUnheard = false;
  pings = 0;
  /** How far `ann` has read. */
  readTo = 0;
  /** Events between `ready` and `synced`. */
  readonly beforeSynced: ServerEvent[] = [];
  /** What inboxes are greeted with, and how many were. */
  inbox = makeInboxReady([]);
  inboxes = 0;
  /** Requests for messages that fail from now on. */
  failures = 0;
  /** The page behind `next_cursor` of the inbox. */
  readonly older: Conversation[] = [];

  readonly #inboxes = new Set<WebSocket>();

  readonly #createdSeq = new Map<number, number>();
  readonly #http = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://localhost");
    const before = Number(url.searchParams.get("before_id") ?? Number.MAX_SAFE_INTEGER);
    const limit = Number(url.searchParams.get("limit") ?? 50);
    const older = this.messages.filter(({ id }) => id < before);
    response.setHeader("content-type", "application/json");
    if (url.pathname === "/api/conversations") {
      response.end(JSON.stringify({ data: this.older, has_more: false, next_cursor: null }));
      return;
    }
    if (!url.pathname.endsWith("/messages")) {
      response.statusCode = 404;
      const error = { code: "NOT_FOUND", message: "No.", retryable: false, request_id: "r" };
      response.end(JSON.stringify({ error }));
      return;
    }
    const after = url.searchParams.get("after_id");
    if (this.failures > 0) {
      this.failures -= 1;
      response.statusCode = 503;
      response.end();
    } else if (after === null) {
      response.end(JSON.stringify({ data: older.slice(-limit), has_more: older.length > limit }));
    } else {
      const newer = this.messages.filter(({ id }) => id > Number(after));
      response.end(JSON.stringify({ data: newer.slice(0, limit), has_more: newer.length > limit }));
    }
  });
  readonly #sockets = new WebSocketServer({
    server: this.#http,
    handleProtocols: (offered) => (offered.has("arcyou.v1") ? "arcyou.v1" : false),
  });

  static async start(): Promise<FakeServer> {
    const server = new FakeServer();
    server.#sockets.on("connection", (socket, request) => server.#accept(socket, request));
    await new Promise<void>((resolve) => server.#http.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  get openSockets(): number {
    return [...this.#sockets.clients].filter((socket) => socket.readyState === socket.OPEN).length;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  /** Cuts every socket without a closing handshake. */
  cut(): void {
    for (const socket of this.#sockets.clients) socket.terminate();
  }

  close(code: number): void {
    for (const socket of this.#sockets.clients) socket.close(code, "test");
  }

  /** Somebody else writes. */
  write(text: string, options: { isLost?: boolean } = {}): Message {
    const message = this.#append("bo", `bo-${this.seq}`, { text });
    if (!options.isLost) this.broadcast({ type: "message.created", seq: message.seq, message });
    return message;
  }

  edit(id: number, text: string): void {
    this.#change(id, { body: { text }, edited_at: TIME });
  }

  broadcast(...events: ServerEvent[]): void {
    for (const socket of this.#sockets.clients) {
      if (!this.#inboxes.has(socket)) this.#send(socket, ...events);
    }
  }

  tellInbox(...events: InboxEvent[]): void {
    for (const socket of this.#inboxes) this.#send(socket, ...events);
  }

  #accept(socket: WebSocket, request: IncomingMessage): void {
    const url = new URL(request.url ?? "", "http://localhost");
    const offered = request.headers["sec-websocket-protocol"] ?? "";
    const token = /^arcyou\.v1,\s*bearer\.(.+)$/.exec(offered)?.[1];
    if (token === undefined) this.violations.push(`protocols: ${offered}`);
    if (url.pathname === "/api/inbox/socket") {
      this.#acceptInbox(socket);
      return;
    }
    if (url.pathname !== `/api/conversations/${CONVERSATION_ID}/socket`) this.violations.push(url.pathname);
    const since = url.searchParams.get("since");
    const epoch = url.searchParams.get("epoch");
    this.requests.push({ since, epoch, token: token ?? "" });
    const refusal = this.refusals.shift();
    if (refusal !== undefined) {
      socket.close(refusal, "refused");
      return;
    }
    let isSynced = false;
    socket.on("message", (data, isBinary) => {
      const text = String(data);
      if (this.isUnheard) return;
      if (text === "ping") {
        this.pings += 1;
        if (!this.isSilent) socket.send("pong");
        return;
      }
      if (isBinary || Buffer.byteLength(text) > LIMITS.frameBytes) this.violations.push("frame");
      if (!isSynced) this.violations.push("a command before synced");
      const parsed: unknown = JSON.parse(text);
      const commands = (Array.isArray(parsed) ? parsed : [parsed]).map((item) => command.parse(item));
      this.frames.push(commands);
      if (this.isDiscarding) return;
      for (const item of commands) this.#carryOut(socket, item);
    });
    const canResume = since !== null && epoch === this.epoch && Number(since) <= this.seq;
    const page = this.messages.slice(-this.pageSize);
    this.#send(socket, {
      type: "ready",
      protocol: 1,
      user_id: "ann",
      epoch: this.epoch,
      seq: this.seq,
      last_message_id: this.messages.length,
      conversation: makeConversation({
        last_message_id: this.messages.length,
        me: {
          role: "admin",
          last_read_id: this.readTo,
          unread_count: this.messages.length - this.readTo,
          muted_until: null,
        },
      }),
      participants: [makeParticipant("ann", { last_read_id: this.readTo }), makeParticipant("bo")],
      resume: canResume ? "complete" : "reset",
      expires_at: null,
      ...(canResume ? {} : { messages: page, has_more: page.length < this.messages.length }),
    });
    if (canResume) {
      const missed = this.messages
        .filter(({ seq }) => seq > Number(since))
        .sort((a, b) => a.seq - b.seq)
        .map((message): DurableEvent => {
          const isNew = (this.#createdSeq.get(message.id) ?? 0) > Number(since);
          return { type: isNew ? "message.created" : "message.updated", seq: message.seq, message };
        });
      if (missed.length > 0) this.#send(socket, ...missed);
    }
    if (this.beforeSynced.length > 0) this.#send(socket, ...this.beforeSynced);
    this.#send(socket, { type: "synced", seq: this.seq });
    isSynced = true;
  }

  #acceptInbox(socket: WebSocket): void {
    this.inboxes += 1;
    this.#inboxes.add(socket);
    socket.on("close", () => this.#inboxes.delete(socket));
    socket.on("message", (data) => {
      const text = String(data);
      if (text === "ping") socket.send("pong");
      else this.refreshedWith.push(refreshCommand.parse(JSON.parse(text)).token);
    });
    this.#send(socket, this.inbox);
    this.#send(socket, { type: "synced" });
  }

  #carryOut(socket: WebSocket, item: Command): void {
    const error = this.errors.shift();
    if (error) {
      this.#send(socket, {
        type: "error",
        ...(item.ref === undefined ? {} : { ref: item.ref }),
        ...("temp_id" in item ? { temp_id: item.temp_id } : {}),
        error: { message: error.code, retryable: isRetryable(error.code), request_id: "r", ...error },
      });
      return;
    }
    switch (item.type) {
      case "message.send": {
        const known = this.messages.find(
          ({ temp_id, sender_id }) => temp_id === item.temp_id && sender_id === "ann",
        );
        if (known) {
          this.#answer(socket, { type: "message.created", seq: known.seq, message: known, duplicate: true });
          return;
        }
        const message = this.#append("ann", item.temp_id, item.body as MessageBody);
        if (!this.isDeaf) this.broadcast({ type: "message.created", seq: message.seq, message });
        return;
      }
      case "message.edit":
        this.#change(item.id, { body: item.body as MessageBody, edited_at: TIME });
        return;
      case "message.delete":
        this.#change(item.id, { body: null, deleted_at: TIME });
        return;
      case "reaction.add":
      case "reaction.remove":
        this.#react(socket, item.id, item.emoji, item.type === "reaction.add");
        return;
      case "read.update":
        if (item.last_read_id > this.messages.length) this.violations.push("read beyond the end");
        this.readTo = Math.max(this.readTo, item.last_read_id);
        this.#answer(socket, readUpdated("ann", this.readTo));
        return;
      case "typing":
        return;
      case "auth.refresh":
        this.refreshedWith.push(item.token);
        this.#answer(socket, { type: "auth.refreshed", expires_at: TIME });
    }
  }

  #react(socket: WebSocket, id: number, emoji: string, added: boolean): void {
    const message = { ...makeMessage(id), ...this.messages[id - 1] };
    const event = {
      type: "reaction.updated" as const,
      message_id: id,
      emoji,
      user_id: "ann",
      added,
      count: 1,
    };
    const has = message.reactions.some((reaction) => reaction.emoji === emoji);
    if (has === added) {
      this.#answer(socket, { ...event, seq: this.seq, duplicate: true });
      return;
    }
    this.seq += 1;
    const reactions = added ? [{ emoji, count: 1, user_ids: ["ann"] }] : [];
    this.messages[id - 1] = { ...message, reactions, seq: this.seq };
    if (!this.isDeaf) this.broadcast({ ...event, seq: this.seq });
  }

  #append(senderId: string, tempId: string, body: MessageBody): Message {
    this.seq += 1;
    const id = this.messages.length + 1;
    const message = makeMessage(id, { sender_id: senderId, temp_id: tempId, body, seq: this.seq });
    this.messages.push(message);
    this.#createdSeq.set(id, this.seq);
    return message;
  }

  #change(id: number, fields: Partial<Message>): void {
    this.seq += 1;
    const message = { ...makeMessage(id), ...this.messages[id - 1], ...fields, seq: this.seq };
    this.messages[id - 1] = message;
    const type = message.deleted_at === null ? "message.updated" : "message.deleted";
    if (!this.isDeaf) this.broadcast({ type, seq: this.seq, message });
  }

  #answer(socket: WebSocket, event: ServerEvent): void {
    if (!this.isDeaf) this.#send(socket, event);
  }

  #send(socket: WebSocket, ...events: Array<ServerEvent | InboxEvent>): void {
    if (!this.isSilent) socket.send(JSON.stringify(events.length === 1 ? events[0] : events));
  }
}

import { ChatApi } from "../../client/api.ts";
import { ChatClient } from "../../client/chat-client.ts";
import type { ConversationHandle } from "../../client/conversation-handle.ts";
import { ChatError, fromWire, type WireError } from "../../client/errors.ts";
import type { SocketHandlers } from "../../client/socket.ts";
import type { Message } from "../../protocol/entities.ts";
import type { OperationEntry } from "../checker/history.ts";
import { systemBody } from "../stack/system-body.ts";
import { hashOf, rangesOf, rowOf } from "./digest.ts";
import type { Disk } from "./disk.ts";
import type { Edge, Reply } from "./edge.ts";
import { Connection, FAIR, type Weather } from "./network.ts";
import type { World } from "./world.ts";

/** Refusals after which it is certain that nothing was done. */
const CERTAIN: ReadonlySet<string> = new Set([
  "VALIDATION_FAILED",
  "FORBIDDEN",
  "CONFLICT",
  "NOT_FOUND",
  "CONVERSATION_NOT_FOUND",
  "MESSAGE_NOT_FOUND",
  "RATE_LIMITED",
  "PAYLOAD_TOO_LARGE",
]);

type Asked = Pick<OperationEntry, "op"> & Partial<OperationEntry>;

/** A tab or an app of one user: the real client on a simulated network, and a record of all it asks, gets and shows. */
export class Device {
  readonly name: string;
  readonly user: string;
  readonly chat: ChatClient;
  readonly handle: ConversationHandle;
  readonly #api: ChatApi;
  readonly #world: World;
  readonly #edge: Edge;
  readonly #conversation: string;
  readonly #connections = new Set<Connection>();
  readonly #undecided = new Set<OperationEntry>();
  /** Own messages that were acknowledged, by id: what a user could edit or delete. */
  readonly own: number[] = [];
  weather: Weather = FAIR;
  clockSkewMs = 0;
  #isOffline = false;
  #held: "up" | "down" | "both" | null = null;
  #isAlive = true;
  /** What a frozen tab will do when it is thawed; null while it is not frozen. */
  #frozen: Array<() => void> | null = null;
  #operations = 0;
  #lastRanges = "";

  constructor(
    world: World,
    edge: Edge,
    conversation: string,
    user: string,
    name: string,
    disk: Disk | null = null,
  ) {
    this.#world = world;
    this.#edge = edge;
    this.#conversation = conversation;
    this.user = user;
    this.name = name;
    let ids = 0;
    this.chat = new ChatClient({
      url: "https://chat.example",
      ...(disk ? { userId: user, storage: disk.open((callback) => this.#run(callback)) } : {}),
      token: () => edge.issueToken(user),
      random: () => world.random.next(),
      now: () => world.now + this.clockSkewMs,
      setTimeout: (callback, delayMs) => world.after(delayMs, () => this.#run(callback)),
      clearTimeout: (cancel) => (cancel as () => void)(),
      newId: () => {
        ids += 1;
        return `${name}-${ids}`;
      },
      openSocket: (url, protocols, handlers) => this.#openSocket(url, protocols, handlers),
      fetch: (input, init) => this.#fetch(String(input), init),
    });
    this.#api = new ChatApi(this.chat);
    this.chat.onMessage(({ id }) => world.record({ kind: "announced", ...this.#names(), id }));
    this.chat.connect();
    this.handle = this.chat.joinConversation(conversation);
    this.handle.subscribe(() => this.#show());
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isFrozen(): boolean {
    return this.#frozen !== null;
  }

  /** Operations without an end. */
  get undecided(): number {
    return this.#undecided.size;
  }

  // What a user does

  send(text: string, replyToId: number | null): void {
    const temp_id = `${this.name}-t${this.#operations}`;
    const body = { text };
    this.#operate({ op: "send", temp_id, hash: hashOf(body) }, async (end) => {
      const sending = this.handle.send(body, {
        tempId: temp_id,
        ...(replyToId === null ? {} : { replyToId }),
      });
      const keep = (kept: boolean): void => {
        if (this.#isAlive) this.#world.record({ kind: "kept", ...this.#names(), temp_id, kept });
      };
      void sending.queued.then((isKept) => isKept && keep(true));
      // Told to have failed, it is the user's to try again.
      sending.catch(() => keep(false));
      const message = await sending;
      this.own.push(message.id);
      end({ id: message.id, seq: message.seq });
    });
  }

  /** A message sent over REST, as a server would. */
  post(text: string): void {
    const temp_id = `${this.name}-t${this.#operations}`;
    const body = { text };
    this.#operate(
      { op: "send", temp_id, hash: hashOf(body), client: `${this.name}-rest${this.#operations}` },
      async (end) => {
        const reply = await this.#rest("POST", "/messages", { temp_id, body });
        const { data } = reply as { data: Message };
        end({ id: data.id, seq: data.seq });
      },
    );
  }

  edit(id: number, text: string): void {
    const body = { text };
    this.#operate({ op: "edit", id, hash: hashOf(body) }, async (end) => {
      const { seq } = await this.handle.edit(id, body);
      end({ id, seq });
    });
  }

  delete(id: number): void {
    this.#operate({ op: "delete", id }, async (end) => {
      const { seq } = await this.handle.delete(id);
      end({ id, seq });
    });
  }

  markRead(id: number): void {
    const asked = this.#world.instant();
    this.#operate({ op: "read", id }, async (end) => {
      const state = await this.#api.markRead(this.#conversation, id);
      this.#counted(asked, state.last_message_id, state.last_read_id, state.unread_count);
      end({ id });
    });
  }

  /** Says over the socket how far was read, which is answered by nothing but that it shows. */
  glance(id: number): void {
    if (this.#knownReadId >= id) return;
    this.#operate(
      { op: "read", id },
      (end) =>
        new Promise((resolve, reject) => {
          const look = (): void => {
            const isKnown = this.#knownReadId >= id;
            // Who was removed is never answered.
            if (!isKnown && this.handle.state.status !== "closed") return;
            unsubscribe();
            // Learned after a removal, it is no answer: another command may have said it before.
            if (isKnown && this.#edge.takesPart(this.user)) resolve(end({ id }));
            else reject(new Error("closed"));
          };
          const unsubscribe = this.handle.subscribe(look);
          this.handle.markRead(id);
          look();
        }),
    );
  }

  /** How far the user has read, as this device knows. */
  get #knownReadId(): number {
    return this.handle.state.conversation?.me.last_read_id ?? 0;
  }

  /** Gives a message the one emoji of this world: nothing that is said changes, but the order of changes does. */
  react(id: number): void {
    this.#api.addReaction(this.#conversation, id, "👍").catch(() => undefined);
  }

  change(
    op: "add" | "remove" | "rename" | "end" | "promote",
    { target = "", title = "" }: { target?: string; title?: string },
  ): void {
    const api = this.#api;
    const id = this.#conversation;
    // A role is no part of the history: nothing is promised about it that the others do not show.
    if (op === "promote") {
      this.#rest("PATCH", `/participants/${target}`, { role: "admin" }).catch(() => undefined);
      return;
    }
    const calls = {
      add: () => api.addParticipants(id, [target]),
      remove: () => api.removeParticipant(id, target),
      rename: () => api.renameConversation(id, title),
      end: () => api.deleteConversation(id),
    };
    const named = op === "rename" ? { title } : op === "end" ? {} : { target };
    const said = systemBody(this.user, { op, ...named });
    this.#operate({ op, ...named, ...(said ? { hash: hashOf(said) } : {}) }, async (end) => {
      await calls[op]();
      end({});
    });
  }

  /** Reads a page over REST; a user who looks, not an operation that changes anything. */
  readPage(query: { before_id?: number; after_id?: number; limit: number }): void {
    const asked = this.#world.instant();
    this.#api.listMessages(this.#conversation, query).then(
      ({ data }) => {
        for (const message of data) this.#saw(message, asked);
      },
      () => undefined,
    );
  }

  readSummary(): void {
    const asked = this.#world.instant();
    this.#api.getConversation(this.#conversation).then(
      ({ last_message_id, me }) => this.#counted(asked, last_message_id, me.last_read_id, me.unread_count),
      () => undefined,
    );
  }

  #counted(asked: number, head: number, last_read_id: number, unread: number): void {
    this.#world.record({
      kind: "count",
      asked,
      ...this.#names(),
      via: "rest",
      head,
      seq: null,
      last_read_id,
      unread,
    });
  }

  loadOlder(): void {
    this.handle.loadOlder().catch(() => undefined);
  }

  /** Everything, page by page, as somebody sees it who comes anew. Null for an outsider. */
  async #readEverything() {
    const messages: Message[] = [];
    const api = this.#api;
    try {
      const conversation = await api.getConversation(this.#conversation);
      const participants = await api.listParticipants(this.#conversation);
      for (;;) {
        const after_id = messages.at(-1)?.id ?? 0;
        const page = await api.listMessages(this.#conversation, { after_id, limit: 7 });
        messages.push(...page.data);
        if (!page.has_more) return { conversation, participants: participants.data, messages };
      }
    } catch (error) {
      if (error instanceof ChatError && error.code === "CONVERSATION_NOT_FOUND") return null;
      throw error;
    }
  }

  /** The app wants to be connected; the tab may be closed by now. */
  connect(): void {
    if (this.#isAlive) this.chat.connect();
  }

  /** The tab is closed: nothing of it runs any more, and what was undecided stays so. */
  kill(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    for (const connection of this.#connections) connection.clientCloses();
    for (const operation of [...this.#undecided]) this.#end(operation, "info", { error: "closed" });
  }

  /** The browser lets it sleep: no timer goes off and nothing that arrives is looked at until {@link thaw}. */
  freeze(): void {
    this.#frozen ??= [];
  }

  thaw(): void {
    const due = this.#frozen ?? [];
    this.#frozen = null;
    for (const run of due) this.#run(run);
  }

  #run(callback: () => void): void {
    if (!this.#isAlive) return;
    if (this.#frozen) this.#frozen.push(callback);
    else callback();
  }

  // What the network does to it

  /** Every connection breaks, and none can be made until {@link heal}. */
  goOffline(): void {
    this.#isOffline = true;
    this.tear();
  }

  /** Every connection breaks. */
  tear(serverNoticesMs = this.#world.delay(0, 5_000)): void {
    for (const connection of this.#connections) connection.cut(serverNoticesMs);
    this.#connections.clear();
  }

  /** The connections there are get stuck; new ones get through. @returns lets what was stuck arrive after all */
  strand(): () => void {
    const stranded = [...this.#connections];
    for (const connection of stranded) connection.hold("both");
    return () => {
      for (const connection of stranded) connection.release();
    };
  }

  /** Nothing gets through in this direction, and nobody is told. */
  hold(direction: "up" | "down" | "both"): void {
    this.#held = direction;
    for (const connection of this.#connections) connection.hold(direction);
  }

  /** @param isForgotten whether what was held back is lost, or comes late */
  heal(isForgotten: boolean): void {
    this.#isOffline = false;
    this.weather = FAIR;
    if (this.#held && isForgotten) this.tear();
    this.#held = null;
    for (const connection of this.#connections) connection.release();
  }

  dump(): void {
    const { state } = this.handle;
    this.#world.record({
      kind: "held",
      ...this.#names(),
      live: state.status === "live",
      unsettled: state.pending.filter(({ status }) => status !== "failed").length,
      seq: state.seq,
      last_message_id: state.last_message_id,
      title: state.conversation?.title ?? null,
      participants: state.participants.map(({ user_id }) => user_id),
      rows: state.messages.map(rowOf),
    });
  }

  async dumpFresh(): Promise<void> {
    const all = await this.#readEverything().catch(() => null);
    this.#world.record({
      kind: "fresh",
      user: this.user,
      conversation: this.#conversation,
      found: all !== null,
      last_message_id: all?.conversation.last_message_id ?? 0,
      title: all?.conversation.title ?? null,
      participants: (all?.participants ?? []).map(({ user_id }) => user_id),
      rows: (all?.messages ?? []).map(rowOf),
    });
  }

  #operate(asked: Asked, run: (end: (fields: Partial<OperationEntry>) => void) => Promise<void>): void {
    this.#operations += 1;
    const operation = {
      kind: "operation",
      ...this.#names(),
      operation: `${this.name}-o${this.#operations}`,
      phase: "invoke",
      ...asked,
    } as OperationEntry;
    this.#world.record(operation);
    this.#undecided.add(operation);
    run((fields) => this.#end(operation, "ok", fields)).catch((error: unknown) => {
      const code = error instanceof ChatError ? error.code : "";
      // An edit or a delete may have been done by an earlier attempt whose answer was lost.
      const isCertain = CERTAIN.has(code) && asked.op !== "edit" && asked.op !== "delete";
      this.#end(operation, isCertain ? "fail" : "info", { error: code || String(error) });
    });
  }

  #end(operation: OperationEntry, phase: "ok" | "fail" | "info", fields: Partial<OperationEntry>): void {
    if (!this.#undecided.delete(operation)) return;
    const { hash: _, ...named } = operation;
    this.#world.record({ ...named, ...fields, phase });
  }

  #saw(message: Message, asked: number): void {
    const { id, seq, sender, temp_id, hash } = rowOf(message);
    this.#world.record({
      kind: "seen",
      at: "client",
      asked,
      via: "rest",
      ...this.#names(),
      epoch: null,
      id,
      seq,
      sender,
      temp_id,
      hash,
    });
  }

  #show(): void {
    if (!this.#isAlive) return;
    const ranges = rangesOf(this.handle.state.messages);
    const text = JSON.stringify(ranges);
    if (text === this.#lastRanges) return;
    this.#lastRanges = text;
    this.#world.record({ kind: "shown", ...this.#names(), ranges });
  }

  #names(): { client: string; user: string; conversation: string } {
    return { client: this.name, user: this.user, conversation: this.#conversation };
  }

  // The network

  #openSocket(url: string, protocols: string[], handlers: SocketHandlers) {
    const token = protocols[1]?.replace("bearer.", "") ?? "";
    const connection = new Connection(
      this.#world,
      { client: this.name, user: this.user, weather: () => this.weather },
      {
        opened: () => this.#run(() => handlers.opened()),
        received: (data) => this.#run(() => handlers.received(data)),
        closed: (code) => this.#run(() => handlers.closed(code)),
      },
    );
    if (this.#isOffline) connection.cut(0);
    else {
      this.#connections.add(connection);
      if (this.#held) connection.hold(this.#held);
      connection.request(() => this.#edge.upgrade(connection, new URL(url), token));
    }
    return {
      send: (text: string) => connection.clientSends(text),
      close: () => {
        this.#connections.delete(connection);
        connection.clientCloses();
      },
    };
  }

  async #fetch(address: string, init?: RequestInit): Promise<Response> {
    const url = new URL(address);
    const { status, body } = await this.#exchange({
      user: this.user,
      method: init?.method ?? "GET",
      path: url.pathname.replace(/^\/api\/conversations\/[^/]+/, ""),
      query: url.searchParams,
      body: typeof init?.body === "string" ? JSON.parse(init.body) : undefined,
    });
    const text = body === undefined ? "" : JSON.stringify(body);
    return { ok: status < 300, status, text: () => Promise.resolve(text) } as Response;
  }

  async #rest(method: string, path: string, body: unknown): Promise<unknown> {
    const reply = await this.#exchange({ user: this.user, method, path, query: new URLSearchParams(), body });
    if (reply.status < 300) return reply.body;
    throw fromWire((reply.body as { error: WireError }).error);
  }

  /** A request and its reply, either of which may be lost. */
  async #exchange(request: Parameters<Edge["request"]>[0]): Promise<Reply> {
    await this.#travel();
    const reply = await this.#edge.request(request);
    await this.#travel();
    return structuredClone(reply);
  }

  async #travel(): Promise<void> {
    const { latencyMs } = this.weather;
    await this.#world.pause(this.#world.delay(latencyMs / 10, latencyMs));
    if (this.#isOffline || this.#held) throw new TypeError("The network is unreachable.");
  }
}

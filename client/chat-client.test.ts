import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { ChatClient } from "./chat-client.ts";
import type { ChatClientOptions } from "./environment.ts";
import { CONVERSATION_ID, FakeServer, makeMessage } from "./fake-server.ts";
import { FakeTimers } from "./fake-timers.ts";
import type { ConversationState } from "./live-conversation.ts";

let server: FakeServer;
let clients: ChatClient[] = [];

beforeEach(async () => {
  server = await FakeServer.start();
});
afterEach(async () => {
  for (const chat of clients) chat.disconnect();
  clients = [];
  await server.stop();
  expect(server.violations).toEqual([]);
});

function client(options: Partial<ChatClientOptions> = {}): ChatClient {
  const chat = new ChatClient({
    url: server.url,
    token: () => "ann",
    WebSocket,
    reconnect: { firstMs: 5, maxMs: 20 },
    ...options,
  });
  clients.push(chat);
  return chat;
}

const until = (check: () => void) => vi.waitFor(check, { timeout: 10_000, interval: 5 });
const ids = ({ messages }: ConversationState) => messages.map(({ id }) => id);
const texts = ({ messages }: ConversationState) => messages.map(({ body }) => body?.text);

async function joined(options: Partial<ChatClientOptions> = {}) {
  const chat = client(options);
  const conversation = chat.joinConversation(CONVERSATION_ID);
  chat.connect();
  await until(() => expect(conversation.state.status).toBe("live"));
  return { chat, conversation };
}

describe("sending", () => {
  it("C1: queues before there is a connection, and sends in order as one frame", async () => {
    const chat = client();
    const conversation = chat.joinConversation(CONVERSATION_ID);
    const sent = ["one", "two", "three"].map((text) => conversation.send({ text }));
    expect(conversation.state.status).toBe("disconnected");
    expect(conversation.state.pending.map(({ status }) => status)).toEqual(["queued", "queued", "queued"]);
    chat.connect();
    expect((await Promise.all(sent)).map(({ id }) => id)).toEqual([1, 2, 3]);
    expect(server.frames).toHaveLength(1);
    expect(texts(conversation.state)).toEqual(["one", "two", "three"]);
    expect(conversation.state.pending).toEqual([]);
  });

  it("never shows a message twice, nor loses sight of it, between pending and confirmed", async () => {
    const { conversation } = await joined();
    const shown: string[][] = [];
    conversation.subscribe(() => {
      const { messages, pending } = conversation.state;
      shown.push([
        ...messages.map(({ temp_id }) => String(temp_id)),
        ...pending.map(({ temp_id }) => temp_id),
      ]);
    });
    await conversation.send({ text: "hello" }, { tempId: "t" });
    expect(shown.length).toBeGreaterThan(1);
    expect(shown.every((list) => list.join() === "t")).toBe(true);
  });

  it("C1: sends again with the same temp_id when the answer was lost, and takes the replay as the answer", async () => {
    const { conversation } = await joined();
    server.isDeaf = true;
    const sent = conversation.send({ text: "once" }, { tempId: "t" });
    await until(() => expect(server.messages).toHaveLength(1));
    server.isDeaf = false;
    server.cut();
    expect((await sent).id).toBe(1);
    expect(server.frames).toHaveLength(1);
    expect(server.messages).toHaveLength(1);
    expect(conversation.state.pending).toEqual([]);
  });

  it("sends again, in order and with the same temp_ids, what never arrived", async () => {
    const { conversation } = await joined();
    server.isDiscarding = true;
    const sent = ["t1", "t2"].map((tempId) => conversation.send({ text: tempId }, { tempId }));
    await until(() => expect(server.frames).toHaveLength(1));
    expect(conversation.state.pending.map(({ status }) => status)).toEqual(["sending", "sending"]);
    server.isDiscarding = false;
    server.cut();
    expect((await Promise.all(sent)).map(({ id, temp_id }) => [id, temp_id])).toEqual([
      [1, "t1"],
      [2, "t2"],
    ]);
    expect(server.frames[1]).toEqual(server.frames[0]);
  });

  it("takes the answer to a repeated temp_id as its own, and keeps its seq", async () => {
    const first = await joined();
    const original = await first.conversation.send({ text: "once" }, { tempId: "t" });
    for (let index = 0; index < 3; index += 1) server.write("more");
    server.pageSize = 2;
    const { conversation } = await joined();
    expect(await conversation.send({ text: "once" }, { tempId: "t" })).toEqual(original);
    expect(ids(conversation.state)).toEqual([3, 4]);
    expect(conversation.state.seq).toBe(4);
    server.write("after");
    await until(() => expect(ids(conversation.state)).toEqual([3, 4, 5]));
  });

  it("C6: keeps and repeats what was refused for now, before what comes after it", async () => {
    const { chat, conversation } = await joined();
    const errors: string[] = [];
    chat.onError((error, { conversation_id }) => errors.push(`${error.code} ${conversation_id}`));
    server.errors.push({ code: "MESSAGE_SEND_FAILED" }, { code: "RATE_LIMITED", retry_after_ms: 30 });
    const sent = [conversation.send({ text: "one" }), conversation.send({ text: "two" })];
    await Promise.all(sent);
    expect(texts(conversation.state)).toEqual(["one", "two"]);
    expect(errors).toEqual([`MESSAGE_SEND_FAILED ${CONVERSATION_ID}`, `RATE_LIMITED ${CONVERSATION_ID}`]);
  });

  it("C6: fails what was refused for good, until it is retried or discarded", async () => {
    const { conversation } = await joined();
    server.errors.push({ code: "VALIDATION_FAILED" }, { code: "VALIDATION_FAILED" });
    const [one, two] = await Promise.allSettled([
      conversation.send({ text: "one" }, { tempId: "t1" }),
      conversation.send({ text: "two" }, { tempId: "t2" }),
    ]);
    expect(one).toMatchObject({ reason: { code: "VALIDATION_FAILED", retryable: false } });
    expect(two.status).toBe("rejected");
    expect(conversation.state.pending.map(({ status }) => status)).toEqual(["failed", "failed"]);
    expect(conversation.discard("t2")).toBe(true);
    expect((await conversation.retry("t1")).temp_id).toBe("t1");
    expect(conversation.state.pending).toEqual([]);
  });

  it("edits and deletes, also when the answer was lost", async () => {
    const { conversation } = await joined();
    await conversation.send({ text: "one" });
    expect((await conversation.edit(1, { text: "uno" })).body).toEqual({ text: "uno" });
    server.isDeaf = true;
    const edited = conversation.edit(1, { text: "eins" });
    await until(() => expect(server.messages[0]?.body?.text).toBe("eins"));
    server.isDeaf = false;
    server.cut();
    expect((await edited).body).toEqual({ text: "eins" });
    expect((await conversation.delete(1)).deleted_at).not.toBeNull();
    server.errors.push({ code: "FORBIDDEN" });
    await expect(conversation.delete(1)).rejects.toMatchObject({ code: "FORBIDDEN" });
    expect(conversation.state.messages[0]?.body).toBeNull();
  });

  it("refuses what no frame can hold", async () => {
    const { conversation } = await joined();
    const sent = conversation.send({ text: "x".repeat(70_000) });
    await expect(sent).rejects.toMatchObject({ code: "PAYLOAD_TOO_LARGE" });
  });

  it("keeps at most the given number in flight, and below the pace", async () => {
    const timers = new FakeTimers();
    const { conversation } = await joined({ ...timers.options, pace: { perSecond: 10, burst: 25 } });
    const sent = Array.from({ length: 30 }, (_, index) => conversation.send({ text: String(index) }));
    await until(() => expect(server.messages).toHaveLength(25));
    expect(server.frames[0]).toHaveLength(20);
    await until(() => expect(conversation.state.pending).toHaveLength(5));
    timers.advance(500);
    await Promise.all(sent);
    expect(texts(conversation.state)).toEqual(Array.from({ length: 30 }, (_, index) => String(index)));
  });

  it("delivers without a handle, and closes the connection afterwards", async () => {
    const chat = client();
    chat.connect();
    expect((await chat.sendMessage(CONVERSATION_ID, { text: "hi" }, "t")).temp_id).toBe("t");
    await until(() => expect(server.openSockets).toBe(0));
  });
});

describe("resuming", () => {
  it("asks for what it missed by since and epoch, and announces each message once", async () => {
    server.write("one");
    const { chat, conversation } = await joined();
    const announced: number[] = [];
    chat.onMessage(({ id }) => announced.push(id));
    server.write("two");
    await until(() => expect(ids(conversation.state)).toEqual([1, 2]));
    server.write("three", { isLost: true });
    server.write("four", { isLost: true });
    server.edit(3, "drei");
    server.cut();
    await until(() => expect(texts(conversation.state)).toEqual(["one", "two", "drei", "four"]));
    expect(server.requests.at(0)).toMatchObject({ since: null, epoch: null });
    expect(server.requests.at(-1)).toMatchObject({ since: "2", epoch: "epoch-1" });
    expect(announced).toEqual([2, 3, 4]);
  });

  it("C5: reconnects when a seq is missing", async () => {
    const { chat, conversation } = await joined();
    const reasons: string[] = [];
    chat.onDisconnect(({ reason }) => reasons.push(reason));
    server.write("lost", { isLost: true });
    server.write("seen");
    await until(() => expect(texts(conversation.state)).toEqual(["lost", "seen"]));
    expect(reasons).toEqual(["out_of_step"]);
    expect(server.requests.at(-1)).toMatchObject({ since: "0" });
  });

  it("C5: replaces its list on a reset without ever being empty, and loads what is older", async () => {
    for (let index = 0; index < 4; index += 1) server.write("old");
    const { conversation } = await joined({ pageSize: 2 });
    const lengths: number[] = [];
    conversation.subscribe(() => lengths.push(conversation.state.messages.length));
    server.epoch = "epoch-2";
    server.pageSize = 3;
    for (let index = 0; index < 4; index += 1) server.write("new", { isLost: true });
    server.cut();
    await until(() => expect(ids(conversation.state)).toEqual([6, 7, 8]));
    expect(Math.min(...lengths)).toBe(3);
    expect(conversation.state).toMatchObject({ epoch: "epoch-2", has_older: true });
    await conversation.loadOlder();
    expect(ids(conversation.state)).toEqual([4, 5, 6, 7, 8]);
    await conversation.loadOlder();
    await conversation.loadOlder();
    expect(ids(conversation.state)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(conversation.state).toMatchObject({ has_older: false, loading_older: false });
  });

  it("asks for everything anew when messages would not be contiguous", async () => {
    server.write("one");
    const { conversation } = await joined();
    server.broadcast({ type: "message.created", seq: 2, message: makeMessage(5, { seq: 2 }) });
    await until(() => expect(server.requests).toHaveLength(2));
    expect(server.requests[1]).toMatchObject({ since: null, epoch: null });
    await until(() => expect(conversation.state.status).toBe("live"));
    expect(ids(conversation.state)).toEqual([1]);
  });

  it("keeps its state object until something changes, and ignores unknown events", async () => {
    const { conversation } = await joined();
    const { state } = conversation;
    server.broadcast({ type: "weather.updated" } as never);
    server.write("one");
    await until(() => expect(ids(conversation.state)).toEqual([1]));
    expect(conversation.state).not.toBe(state);
    expect(conversation.state.participants).toBe(state.participants);
    expect(conversation.state.pending).toBe(state.pending);
  });
});

describe("connecting", () => {
  it("C4: gets a fresh token after 4401", async () => {
    let count = 0;
    server.refusals.push(4401, 4401);
    const token = async () => {
      count += 1;
      return `token-${count}`;
    };
    await joined({ token });
    expect(server.requests.map((request) => request.token)).toEqual(["token-1", "token-2", "token-3"]);
  });

  it("stops after three refused tokens, fails what is queued, and comes back on connect", async () => {
    server.refusals.push(4401, 4401, 4401);
    const chat = client();
    const conversation = chat.joinConversation(CONVERSATION_ID);
    const sent = conversation.send({ text: "hi" }, { tempId: "t" });
    chat.connect();
    await expect(sent).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    expect(conversation.state).toMatchObject({ status: "closed", reason: "unauthorized" });
    expect(server.requests).toHaveLength(3);
    chat.connect();
    await until(() => expect(conversation.state.status).toBe("live"));
    expect((await conversation.retry("t")).id).toBe(1);
  });

  it.each([
    [4403, "removed"],
    [4404, "not_found"],
    [4400, "protocol"],
    [1009, "frame_too_large"],
  ])("stays closed after %i", async (code, reason) => {
    const { chat, conversation } = await joined();
    const infos: unknown[] = [];
    chat.onDisconnect((info) => infos.push(info));
    server.close(code);
    await until(() => expect(conversation.state).toMatchObject({ status: "closed", reason }));
    expect(infos).toEqual([{ conversation_id: CONVERSATION_ID, reason, will_reconnect: false }]);
    await expect(conversation.send({ text: "late" })).rejects.toMatchObject({ retryable: false });
    expect(conversation.state.pending).toMatchObject([{ status: "failed" }]);
    expect(server.requests).toHaveLength(1);
  });

  it.each([1000, 1012, 4429, 4500])("comes back after %i", async (code) => {
    const { conversation } = await joined();
    server.close(code);
    await until(() => expect(server.requests).toHaveLength(2));
    await until(() => expect(conversation.state.status).toBe("live"));
  });

  it("closes with a reason when the conversation is deleted", async () => {
    const { conversation } = await joined();
    server.broadcast({ type: "conversation.deleted", seq: 1 });
    await until(() => expect(conversation.state).toMatchObject({ status: "closed", reason: "deleted" }));
  });

  it("says so when a token cannot be a subprotocol", async () => {
    const chat = client({ token: () => "a b/c=" });
    const errors: string[] = [];
    chat.onError((error) => errors.push(error.message));
    const conversation = chat.joinConversation(CONVERSATION_ID);
    chat.connect();
    await until(() =>
      expect(conversation.state).toMatchObject({ status: "closed", reason: "token_malformed" }),
    );
    expect(errors[0]).toContain("subprotocol");
    expect(server.requests).toEqual([]);
  });

  it("tries again when the token function throws", async () => {
    let count = 0;
    const chat = client({
      token: () => {
        count += 1;
        if (count === 1) throw new Error("offline");
        return "ann";
      },
    });
    const errors: string[] = [];
    chat.onError(({ code }) => errors.push(code));
    const conversation = chat.joinConversation(CONVERSATION_ID);
    chat.connect();
    await until(() => expect(conversation.state.status).toBe("live"));
    expect(errors).toEqual(["NETWORK_ERROR"]);
  });

  it("C3: notices a half-open connection within 30 s, and leaves no timer behind", async () => {
    const timers = new FakeTimers();
    const { chat, conversation } = await joined(timers.options);
    timers.advance(12_000);
    await until(() => expect(server.pings).toBe(1));
    server.write("alive");
    await until(() => expect(ids(conversation.state)).toEqual([1]));
    timers.advance(11_000);
    expect(conversation.state.status).toBe("live");
    server.isSilent = true;
    timers.advance(12_000 + 10_000);
    expect(conversation.state).toMatchObject({ status: "connecting", reason: "no_answer" });
    server.isSilent = false;
    timers.advance(1_000);
    await until(() => expect(conversation.state.status).toBe("live"));
    expect(timers.running).toBeGreaterThan(0);
    chat.disconnect();
    expect(timers.running).toBe(0);
    expect(conversation.state).toMatchObject({ status: "disconnected", reason: "left" });
  });

  it("C3: notices that its own words go nowhere although others are heard", async () => {
    const timers = new FakeTimers();
    const { conversation } = await joined(timers.options);
    server.isUnheard = true;
    for (let elapsedMs = 0, id = 1; elapsedMs < 36_000; elapsedMs += 6_000, id += 1) {
      expect(conversation.state.status).toBe("live");
      server.write(`message ${id}`);
      await until(() => expect(ids(conversation.state).at(-1)).toBe(id));
      timers.advance(6_000);
    }
    expect(conversation.state).toMatchObject({ status: "connecting", reason: "no_answer" });
  });

  it("S15: begins a new session when a refused message is discarded, which the old one waits for", async () => {
    const { conversation } = await joined();
    server.errors.push({ code: "RATE_LIMITED", retry_after_ms: 60_000 });
    conversation.send({ text: "never mind" }, { tempId: "gone" }).catch(() => undefined);
    await until(() => expect(conversation.state.pending[0]?.error?.code).toBe("RATE_LIMITED"));
    const before = server.requests.length;
    expect(conversation.discard("gone")).toBe(true);
    await until(() => expect(server.requests.length).toBe(before + 1));
    await conversation.send({ text: "this one" });
    expect(ids(conversation.state)).toEqual([1]);
  });

  it("gives up an attempt that makes no progress", async () => {
    const timers = new FakeTimers();
    server.isSilent = true;
    const chat = client(timers.options);
    const conversation = chat.joinConversation(CONVERSATION_ID);
    chat.connect();
    await until(() => expect(conversation.state.status).toBe("syncing"));
    server.isSilent = false;
    timers.advance(15_000);
    timers.advance(1_000);
    await until(() => expect(conversation.state.status).toBe("live"));
  });

  it("tries at once when the browser comes online", async () => {
    const page = new EventTarget();
    vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
    vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
    try {
      const timers = new FakeTimers();
      const { chat, conversation } = await joined(timers.options);
      server.cut();
      await until(() => expect(conversation.state.status).toBe("connecting"));
      page.dispatchEvent(new Event("online"));
      await until(() => expect(conversation.state.status).toBe("live"));
      page.dispatchEvent(new Event("offline"));
      await until(() => expect(server.pings).toBe(1));
      server.write("alive");
      await until(() => expect(ids(conversation.state)).toEqual([1]));
      page.dispatchEvent(new Event("online"));
      await until(() => expect(server.pings).toBe(2));
      chat.disconnect();
    } finally {
      vi.unstubAllGlobals();
    }
  });

  it("shares one connection between handles until the last one leaves", async () => {
    const { chat, conversation } = await joined();
    const second = chat.joinConversation(CONVERSATION_ID);
    expect(second.state).toBe(conversation.state);
    conversation.leave();
    conversation.leave();
    const third = chat.joinConversation(CONVERSATION_ID);
    second.leave();
    server.write("one");
    await until(() => expect(ids(third.state)).toEqual([1]));
    expect(server.requests).toHaveLength(1);
    third.leave();
    await until(() => expect(server.openSockets).toBe(0));
  });

  it("S18: keeps its connection with a new token when the old one ends", async () => {
    const tokens = ["first", "second"];
    const { conversation } = await joined({ token: () => tokens.shift() ?? "third" });
    server.broadcast({ type: "auth.expiring", expires_at: "2026-01-01T00:00:00.000Z" });
    await until(() => expect(server.refreshedWith).toEqual(["second"]));
    server.write("one");
    await until(() => expect(ids(conversation.state)).toEqual([1]));
    expect(server.requests).toHaveLength(1);
  });

  it("tells of connections and of typed events", async () => {
    const chat = client();
    const seen: unknown[] = [];
    chat.onConnect((info) => seen.push(info));
    const off = chat.on("message.created", ({ message }, id) => seen.push([message.id, id]));
    chat.joinConversation(CONVERSATION_ID);
    chat.connect();
    await until(() => expect(seen).toHaveLength(1));
    server.write("one");
    await until(() => expect(seen).toHaveLength(2));
    off();
    server.write("two");
    expect(seen).toEqual([{ conversation_id: CONVERSATION_ID }, [1, CONVERSATION_ID]]);
  });
});

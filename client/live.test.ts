import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { TYPING_EXPIRES_MS } from "../protocol/frames.ts";
import { ChatApi } from "./api.ts";
import { ChatClient } from "./chat-client.ts";
import type { ChatClientOptions } from "./environment.ts";
import {
  CONVERSATION_ID,
  FakeServer,
  makeConversation,
  makeInboxReady,
  makeParticipant,
  readUpdated,
} from "./fake-server.ts";
import { FakeTimers } from "./fake-timers.ts";

let server: FakeServer;
let timers: FakeTimers;
let clients: ChatClient[] = [];

beforeEach(async () => {
  server = await FakeServer.start();
  timers = new FakeTimers();
});
afterEach(async () => {
  for (const chat of clients) chat.disconnect();
  expect(timers.running).toBe(0);
  clients = [];
  await server.stop();
  expect(server.violations).toEqual([]);
});

const until = (check: () => void) => vi.waitFor(check, { timeout: 10_000, interval: 5 });

function client(options: Partial<ChatClientOptions> = {}): ChatClient {
  const chat = new ChatClient({
    url: server.url,
    token: () => "ann",
    WebSocket,
    ...timers.options,
    ...options,
  });
  clients.push(chat);
  chat.connect();
  return chat;
}

async function joined(options: Partial<ChatClientOptions> = {}) {
  const chat = client(options);
  const conversation = chat.joinConversation(CONVERSATION_ID);
  await until(() => expect(conversation.state.status).toBe("live"));
  return { chat, conversation };
}

async function joinedInbox() {
  const chat = client();
  const inbox = chat.joinInbox();
  await until(() => expect(inbox.state.status).toBe("live"));
  return { chat, inbox };
}

const typing = (userId: string, isTyping = true) =>
  server.broadcast({ type: "user.typing", user_id: userId, typing: isTyping });
const said = (type: string) => server.frames.flat().filter((command) => command.type === type);
const reads = () =>
  server.frames.flat().flatMap((command) => (command.type === "read.update" ? command.last_read_id : []));

/** Cuts the connection and waits for the next one. */
async function reconnect(status: () => string): Promise<void> {
  server.cut();
  await until(() => expect(status()).toBe("connecting"));
  timers.advance(1_000);
  await until(() => expect(status()).toBe("live"));
}

test("T2: typing ends by itself, when it is said, and with the user's next message", async () => {
  const { conversation } = await joined();
  typing("bo");
  typing("cy");
  await until(() => expect(conversation.state.typing).toEqual(["bo", "cy"]));
  const { typing: before } = conversation.state;
  timers.advance(TYPING_EXPIRES_MS - 1_000);
  typing("cy");
  server.broadcast({ type: "presence.updated", user_id: "bo", online: true, last_seen_at: null });
  await until(() => expect(conversation.state.participants[1]?.online).toBe(true));
  expect(conversation.state.typing).toBe(before);
  timers.advance(1_000);
  expect(conversation.state.typing).toEqual(["cy"]);
  typing("bo");
  typing("cy", false);
  await until(() => expect(conversation.state.typing).toEqual(["bo"]));
  server.write("done");
  await until(() => expect(conversation.state.messages).toHaveLength(1));
  expect(conversation.state.typing).toEqual([]);
  typing("bo");
  await until(() => expect(conversation.state.typing).toEqual(["bo"]));
  server.cut();
  await until(() => expect(conversation.state.status).toBe("connecting"));
  expect(conversation.state.typing).toEqual([]);
});

test("T1 T2: says that one types every half of the time it lasts, and that one stopped once", async () => {
  const { conversation } = await joined();
  const kinds = () => said("typing").map((command) => "typing" in command && command.typing);
  for (let key = 0; key < 70; key += 1) {
    conversation.setTyping(true);
    timers.advance(100);
  }
  await until(() => expect(kinds()).toEqual([true, true, true]));
  conversation.setTyping(false);
  conversation.setTyping(false);
  await until(() => expect(kinds()).toEqual([true, true, true, false]));
  conversation.setTyping(true);
  await conversation.send({ text: "done" });
  conversation.setTyping(false);
  await reconnect(() => conversation.state.status);
  conversation.setTyping(false);
  server.cut();
  await until(() => expect(conversation.state.status).toBe("connecting"));
  conversation.setTyping(true);
  timers.advance(1_000);
  await until(() => expect(conversation.state.status).toBe("live"));
  await conversation.send({ text: "sent last" });
  expect(kinds()).toEqual([true, true, true, false, true]);
});

test("U5: says how far one has read: at once, then at most once a second, and the highest", async () => {
  for (let index = 0; index < 5; index += 1) server.write("news");
  const { conversation } = await joined();
  expect(conversation.state.conversation?.me.unread_count).toBe(5);
  conversation.markRead(2);
  await until(() => expect(reads()).toEqual([2]));
  await until(() =>
    expect(conversation.state.conversation?.me).toMatchObject({ last_read_id: 2, unread_count: 3 }),
  );
  conversation.markRead(3);
  conversation.markRead(99);
  conversation.markRead(1);
  timers.advance(999);
  expect(reads()).toEqual([2]);
  timers.advance(1);
  await until(() =>
    expect(conversation.state.conversation?.me).toMatchObject({ last_read_id: 5, unread_count: 0 }),
  );
  expect(reads()).toEqual([2, 5]);
  // What did not exist when it was said to be read is not.
  server.write("newer");
  await until(() => expect(conversation.state.last_message_id).toBe(6));
  timers.advance(20_000);
  conversation.markRead();
  await until(() => expect(reads()).toEqual([2, 5, 6]));
});

test("U5: says it again until it is answered, on the same connection and on the next", async () => {
  server.write("one");
  const { conversation } = await joined();
  server.isDiscarding = true;
  conversation.markRead();
  await until(() => expect(reads()).toEqual([1]));
  timers.advance(10_000);
  await until(() => expect(reads()).toEqual([1, 1]));
  server.isDiscarding = false;
  await reconnect(() => conversation.state.status);
  timers.advance(1_000);
  await until(() => expect(conversation.state.conversation?.me.last_read_id).toBe(1));
  expect(reads()).toEqual([1, 1, 1]);
  await reconnect(() => conversation.state.status);
  timers.advance(20_000);
  await conversation.send({ text: "two" });
  expect(reads()).toHaveLength(3);
});

test("U5: what is said to be read before anything is known is said later, and not beyond the newest", async () => {
  server.write("one");
  const conversation = client().joinConversation(CONVERSATION_ID);
  conversation.markRead();
  conversation.markRead(99);
  await until(() => expect(conversation.state.conversation?.me.last_read_id).toBe(1));
  server.write("two");
  await until(() => expect(conversation.state.last_message_id).toBe(2));
  timers.advance(20_000);
  await conversation.send({ text: "three" });
  expect(reads()).toEqual([1]);
});

test("U5: a connection that nobody needs any more waits for what was read", async () => {
  server.write("one");
  const { conversation } = await joined();
  server.write("two");
  await until(() => expect(conversation.state.last_message_id).toBe(2));
  conversation.markRead(1);
  conversation.markRead(2);
  conversation.leave();
  await until(() => expect(server.readTo).toBe(1));
  expect(server.openSockets).toBe(1);
  timers.advance(1_000);
  await until(() => expect(server.readTo).toBe(2));
  await until(() => expect(server.openSockets).toBe(0));
});

test("S13: a refusal of these fails nothing else, and one that is for now is tried again", async () => {
  server.write("one");
  const { chat, conversation } = await joined();
  const errors: string[] = [];
  chat.onError(({ code }) => errors.push(code));
  server.errors.push({ code: "RATE_LIMITED", retry_after_ms: 2_000 });
  conversation.markRead();
  await until(() => expect(errors).toEqual(["RATE_LIMITED"]));
  expect((await conversation.send({ text: "goes on" }, { tempId: "t" })).temp_id).toBe("t");
  server.write("two");
  await until(() => expect(conversation.state.last_message_id).toBe(3));
  conversation.markRead();
  expect(reads()).toEqual([1]);
  timers.advance(2_000);
  await until(() => expect(reads()).toEqual([1, 3]));
  server.errors.push({ code: "FORBIDDEN" });
  server.write("three");
  await until(() => expect(conversation.state.last_message_id).toBe(4));
  timers.advance(1_000);
  conversation.markRead();
  await until(() => expect(errors).toHaveLength(2));
  timers.advance(20_000);
  await conversation.send({ text: "still" });
  expect(reads()).toEqual([1, 3, 4]);
});

test("U6 W2: read positions only rise, and presence replaces, without a change of the timeline", async () => {
  server.write("one");
  const { chat, conversation } = await joined();
  const told: string[] = [];
  chat.on("read.updated", ({ user_id, last_read_id }) => told.push(`${user_id} ${last_read_id}`));
  const bo = () => conversation.state.participants.find(({ user_id }) => user_id === "bo");
  const { messages, seq } = conversation.state;
  server.broadcast(readUpdated("bo", 1), readUpdated("bo", 0));
  await until(() => expect(told).toEqual(["bo 1", "bo 0"]));
  expect(bo()?.last_read_id).toBe(1);
  const last_seen_at = "2026-11-22T01:00:00.000Z";
  server.broadcast({ type: "presence.updated", user_id: "bo", online: true, last_seen_at: null });
  await until(() => expect(bo()?.online).toBe(true));
  server.broadcast({ type: "presence.updated", user_id: "bo", online: false, last_seen_at });
  await until(() => expect(bo()).toMatchObject({ online: false, last_seen_at }));
  expect(conversation.state.messages).toBe(messages);
  expect(conversation.state.seq).toBe(seq);
});

test("U6 W2: what is told between ready and synced is not lost", async () => {
  server.write("one");
  server.beforeSynced.push(
    readUpdated("bo", 1),
    readUpdated("ann", 1),
    { type: "presence.updated", user_id: "bo", online: true, last_seen_at: null },
    { type: "user.typing", user_id: "bo", typing: true },
  );
  const { conversation } = await joined();
  expect(conversation.state.participants[1]).toMatchObject({ last_read_id: 1, online: true });
  expect(conversation.state.conversation?.me).toMatchObject({ last_read_id: 1, unread_count: 0 });
  expect(conversation.state.typing).toEqual(["bo"]);
  server.beforeSynced.length = 0;
  await reconnect(() => conversation.state.status);
  expect(conversation.state.participants).toContainEqual(makeParticipant("bo"));
});

const a = makeConversation({ id: "a", last_message_id: 1, updated_at: "2026-11-22T00:01:00.000Z" });
const b = makeConversation({ id: "b", last_message_id: 1, updated_at: "2026-11-22T00:02:00.000Z" });

test("I2 I3: the inbox is live once it is synced, and follows what it is told", async () => {
  server.inbox = makeInboxReady([b, a]);
  const { chat, inbox } = await joinedInbox();
  expect(inbox.state.conversations.map(({ id }) => id)).toEqual(["b", "a"]);
  expect(inbox.state.settings).toEqual({ invisible: false, read_receipts: true });
  const told: Array<[string, number]> = [];
  chat.onInbox("unread.updated", ({ type, total }) => told.push([type, total + inbox.state.unread_total]));
  const me = { ...a.me, unread_count: 2 };
  const news = { ...a, last_message_id: 3, updated_at: "2026-11-22T00:03:00.000Z", me };
  const { state } = inbox;
  server.tellInbox(
    { type: "conversation.updated", conversation: news },
    { type: "unread.updated", total: 2 },
  );
  await until(() => expect(told).toEqual([["unread.updated", 4]]));
  expect(inbox.state).toMatchObject({ unread_total: 2, conversations: [news, b] });
  expect(inbox.state.presence).toBe(state.presence);
  server.tellInbox({ type: "presence.updated", user_id: "bo", online: true, last_seen_at: null });
  server.tellInbox({ type: "settings.updated", settings: { invisible: true, read_receipts: true } });
  server.tellInbox({ type: "weather.updated" } as never, {
    type: "conversation.removed",
    conversation_id: "b",
  });
  await until(() => expect(inbox.state.conversations).toEqual([news]));
  expect(inbox.state.presence.get("bo")).toEqual({ online: true, last_seen_at: null });
  expect(inbox.state.settings?.invisible).toBe(true);
});

test("I2: while it reconnects the inbox shows what it had, and then what holds", async () => {
  server.inbox = makeInboxReady([b, a]);
  const { inbox } = await joinedInbox();
  const lengths: number[] = [];
  inbox.subscribe(() => lengths.push(inbox.state.conversations.length));
  server.inbox = makeInboxReady([a]);
  server.cut();
  await until(() => expect(inbox.state).toMatchObject({ status: "connecting", reason: "connection_lost" }));
  expect(inbox.state.conversations).toHaveLength(2);
  timers.advance(1_000);
  await until(() => expect(inbox.state).toMatchObject({ status: "live", reason: null }));
  expect(inbox.state.conversations).toEqual([a]);
  expect(Math.min(...lengths)).toBe(1);
});

test("the inbox loads older conversations by its cursor", async () => {
  server.inbox = makeInboxReady([b], { has_more: true, next_cursor: "n" });
  server.older.push(a);
  const { inbox } = await joinedInbox();
  expect(inbox.state.has_more).toBe(true);
  const [first, second] = [inbox.loadMore(), inbox.loadMore()];
  expect(first).toBe(second);
  expect(inbox.state.loading_more).toBe(true);
  await first;
  expect(inbox.state).toMatchObject({ conversations: [b, a], has_more: false, loading_more: false });
  await inbox.loadMore();
});

test("I1: the inbox connects while anybody holds it and the client is connected, once for all", async () => {
  const chat = client();
  expect(server.inboxes).toBe(0);
  const one = chat.joinInbox();
  const two = chat.joinInbox();
  await until(() => expect(one.state.status).toBe("live"));
  expect(two.state).toBe(one.state);
  one.leave();
  one.leave();
  server.tellInbox({ type: "unread.updated", total: 4 });
  await until(() => expect(two.state.unread_total).toBe(4));
  chat.disconnect();
  await until(() => expect(server.openSockets).toBe(0));
  expect(two.state).toMatchObject({ status: "disconnected", unread_total: 4 });
  chat.connect();
  await until(() => expect(two.state.status).toBe("live"));
  expect(server.inboxes).toBe(2);
  two.leave();
  await until(() => expect(server.openSockets).toBe(0));
});

test("S18: the inbox keeps its connection with a new token", async () => {
  const { inbox } = await joinedInbox();
  server.tellInbox({ type: "auth.expiring", expires_at: "2026-01-01T00:00:00.000Z" });
  await until(() => expect(server.refreshedWith).toEqual(["ann"]));
  expect(inbox.state.status).toBe("live");
  expect(server.inboxes).toBe(1);
});

test("W8: settings are read and changed over REST", async () => {
  const calls: string[] = [];
  const chat = client({
    fetch: async (input, init) => {
      calls.push(`${init?.method} ${String(input).replace(server.url, "")} ${String(init?.body ?? "")}`);
      return Response.json({ data: { invisible: true, read_receipts: true } });
    },
  });
  expect(await new ChatApi(chat).getSettings()).toEqual({ invisible: true, read_receipts: true });
  await new ChatApi(chat).updateSettings({ invisible: true });
  expect(calls).toEqual(["GET /api/settings ", 'PATCH /api/settings {"invisible":true}']);
});

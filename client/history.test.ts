import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { ChatClient } from "./chat-client.ts";
import { CONVERSATION_ID, FakeServer } from "./fake-server.ts";
import { FakeTimers } from "./fake-timers.ts";
import { History } from "./history.ts";

let server: FakeServer;
let timers: FakeTimers;
let chat: ChatClient;

beforeEach(async () => {
  server = await FakeServer.start();
  timers = new FakeTimers();
  chat = new ChatClient({ url: server.url, token: () => "ann", WebSocket, ...timers.options });
  chat.connect();
  for (let n = 1; n <= 400; n += 1) server.write(`text ${n}`);
});
afterEach(async () => {
  chat.disconnect();
  await server.stop();
  expect(server.violations).toEqual([]);
});

const until = (check: () => void) => vi.waitFor(check, { timeout: 10_000, interval: 5 });
const ids = (history: History) => history.state.messages.map(({ id }) => id);
const from = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

async function joined() {
  const conversation = chat.joinConversation(CONVERSATION_ID);
  await until(() => expect(conversation.state.status).toBe("live"));
  return conversation;
}

async function openedAt(id: number): Promise<History> {
  const history = new History(chat, CONVERSATION_ID, id);
  await until(() => expect(history.state).toMatchObject({ loading: null, error: null }));
  return history;
}

test("C13: begins around a message, without those between it and the newest, and goes on in both directions", async () => {
  const history = await openedAt(200);
  expect(ids(history)).toEqual(from(176, 225));
  expect(history.state).toMatchObject({ has_older: true, has_newer: true });
  await history.loadOlder();
  expect(ids(history)).toEqual(from(126, 225));
  for (let page = 0; page < 4; page += 1) await history.loadNewer();
  expect(ids(history)).toEqual(from(126, 400));
  expect(history.state.has_newer).toBe(false);
  await history.loadNewer();
  expect(ids(history)).toHaveLength(275);
});

test("a message at an end of the conversation", async () => {
  expect(ids(await openedAt(1))).toEqual(from(1, 26));
  const last = await openedAt(400);
  expect(ids(last)).toEqual(from(376, 400));
  expect(last.state.has_newer).toBe(false);
});

test("C13: follows edits and reactions of what it shows, live and after an absence", async () => {
  const conversation = await joined();
  const history = await openedAt(100);
  const text = (id: number) => history.state.messages.find((message) => message.id === id)?.body?.text;
  server.edit(100, "edited");
  await until(() => expect(text(100)).toBe("edited"));
  await conversation.addReaction(101, "👍");
  const { reactions } = history.state.messages.find(({ id }) => id === 101) ?? {};
  expect(reactions).toEqual([{ emoji: "👍", count: 1, user_ids: ["ann"] }]);

  server.cut();
  await until(() => expect(conversation.state.status).toBe("connecting"));
  // It cannot be told one by one: the client begins anew.
  server.edit(99, "changed meanwhile");
  server.epoch = "epoch-2";
  timers.advance(1_000);
  await until(() => expect(text(99)).toBe("changed meanwhile"));
});

test("C13: what is told while a page is on its way is not undone by it", async () => {
  await joined();
  const history = new History(chat, CONVERSATION_ID, 100);
  server.edit(100, "newer than the page");
  await until(() => expect(history.state.messages).not.toEqual([]));
  await until(() =>
    expect(history.state.messages.find(({ id }) => id === 100)?.body?.text).toBe("newer than the page"),
  );
});

test("a page that does not come is said, and can be asked for again", async () => {
  server.failures = 2;
  const history = new History(chat, CONVERSATION_ID, 100);
  await until(() => expect(history.state.error).toMatchObject({ code: "SERVICE_UNAVAILABLE" }));
  await until(() => expect(server.failures).toBe(0));
  await history.reload();
  expect(history.state.error).toBeNull();
  server.failures = 1;
  await history.loadOlder();
  expect(history.state).toMatchObject({ loading: null, error: { code: "SERVICE_UNAVAILABLE" } });
  expect(ids(history)).toEqual(from(76, 125));
  await history.loadOlder();
  expect(ids(history)).toEqual(from(26, 125));
});

test("nothing is said after it is closed", async () => {
  await joined();
  const history = await openedAt(100);
  const changed = vi.fn();
  history.subscribe(changed);
  const before = history.state;
  history.close();
  server.edit(100, "unseen");
  await history.loadOlder();
  expect(changed).not.toHaveBeenCalled();
  expect(history.state).toBe(before);
});

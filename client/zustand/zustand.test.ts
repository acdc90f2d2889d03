import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { CLOSE } from "../../protocol/close-codes.ts";
import { FakeServer, CONVERSATION_ID as ID, makeConversation, makeInboxReady } from "../fake-server.ts";
import { ChatClient } from "../index.ts";
import { createConversationStore, createInboxStore } from "./index.ts";

let server: FakeServer;
let chat: ChatClient;

beforeEach(async () => {
  server = await FakeServer.start();
  chat = new ChatClient({
    url: server.url,
    token: () => "ann",
    WebSocket,
    reconnect: { firstMs: 5, maxMs: 20 },
  });
  chat.connect();
});
afterEach(async () => {
  chat.disconnect();
  await server.stop();
  expect(server.violations).toEqual([]);
});

const until = (check: () => void) => vi.waitFor(check, { timeout: 20_000, interval: 5 });

it("shows a conversation in a store, and does in it what can be done", async () => {
  server.pageSize = 1;
  for (const text of ["one", "two"]) server.write(text);
  const store = createConversationStore(chat, ID);
  const first = store.getState();
  expect(first).toMatchObject({ status: "connecting", messages: [] });
  const statuses: string[] = [];
  store.subscribe(({ status }, { status: former }) => {
    if (status !== former) statuses.push(status);
  });
  await until(() => expect(store.getState()).toMatchObject({ status: "live", has_older: true }));
  expect(statuses).toEqual(["syncing", "live"]);
  await first.loadOlder();
  first.markRead();
  await until(() => expect(server.readTo).toBe(2));
  first.setTyping(true);
  expect((await first.send({ text: "three" })).id).toBe(3);
  await first.edit(3, { text: "drei" });
  await first.addReaction(3, "👍");
  await first.removeReaction(3, "👍");
  const [one, two] = store.getState().messages;
  await first.delete(3);
  expect(store.getState().messages.map(({ id, body }) => [id, body?.text])).toEqual([
    [1, "one"],
    [2, "two"],
    [3, undefined],
  ]);
  expect(store.getState().messages[0]).toBe(one);
  expect(store.getState().messages[1]).toBe(two);
  server.errors.push({ code: "VALIDATION_FAILED" }, { code: "VALIDATION_FAILED" });
  await expect(first.send({ text: "four" }, { tempId: "t" })).rejects.toThrow("VALIDATION_FAILED");
  await expect(first.retry("t")).rejects.toThrow("VALIDATION_FAILED");
  expect(store.getState().pending).toMatchObject([{ temp_id: "t", status: "failed" }]);
  expect(first.discard("t")).toBe(true);
  expect(store.getState()).toMatchObject({ pending: [], send: first.send });
});

it("leaves the conversation when it is destroyed, and stays as it was", async () => {
  const store = createConversationStore(chat, ID);
  await until(() => expect(store.getState().status).toBe("live"));
  store.destroy();
  store.destroy();
  await until(() => expect(server.openSockets).toBe(0));
  expect(store.getState().status).toBe("live");
});

it("goes on when the user, having been removed, is added again", async () => {
  server.refusals.push(CLOSE.removed);
  const inbox = createInboxStore(chat);
  const store = createConversationStore(chat, ID);
  await until(() => expect(store.getState()).toMatchObject({ status: "closed", reason: "removed" }));
  await until(() => expect(inbox.getState().status).toBe("live"));
  server.tellInbox({ type: "conversation.added", conversation: makeConversation() });
  await until(() => expect(store.getState().status).toBe("live"));
});

it("shows the inbox in a store", async () => {
  const b = makeConversation({ id: "b", updated_at: "2026-11-23T00:00:00.000Z" });
  const a = makeConversation({ id: "a" });
  server.inbox = makeInboxReady([b], { has_more: true, next_cursor: "n" });
  server.older.push(a);
  const store = createInboxStore(chat);
  await until(() => expect(store.getState()).toMatchObject({ status: "live", conversations: [b] }));
  await store.getState().loadMore();
  expect(store.getState()).toMatchObject({ conversations: [b, a], has_more: false });
  server.tellInbox({ type: "presence.updated", user_id: "bo", online: true, last_seen_at: null });
  await until(() => expect(store.getState().presence.get("bo")?.online).toBe(true));
  store.destroy();
  await until(() => expect(server.openSockets).toBe(0));
});

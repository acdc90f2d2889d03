import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { ChatClient } from "./chat-client.ts";
import type { ChatClientOptions } from "./environment.ts";
import { FakeDisk, type FakeTab } from "./fake-disk.ts";
import { CONVERSATION_ID, FakeServer, makeConversation, makeInboxReady } from "./fake-server.ts";
import { FakeTimers } from "./fake-timers.ts";

let server: FakeServer;
let disk: FakeDisk;
let tabs: Array<{ chat: ChatClient; tab: FakeTab }> = [];

beforeEach(async () => {
  server = await FakeServer.start();
  disk = new FakeDisk();
});
afterEach(async () => {
  for (const { chat, tab } of tabs) {
    chat.disconnect();
    tab.die();
  }
  tabs = [];
  await server.stop();
  expect(server.violations).toEqual([]);
});

/** A tab of `ann`. Its end is sudden: nothing of it runs any more. */
function openTab(options: Partial<ChatClientOptions> = {}) {
  const tab = disk.open();
  const chat = new ChatClient({
    url: server.url,
    userId: "ann",
    token: () => "ann",
    WebSocket,
    reconnect: { firstMs: 5, maxMs: 20 },
    storage: tab.storage,
    ...options,
  });
  const conversation = chat.joinConversation(CONVERSATION_ID);
  const opened = { chat, tab, conversation, kill: () => kill(opened) };
  tabs.push(opened);
  return opened;
}

function kill({ chat, tab }: { chat: ChatClient; tab: FakeTab }): void {
  tab.die();
  chat.disconnect();
}

const until = (check: () => void) => vi.waitFor(check, { timeout: 20_000, interval: 5 });
const live = (opened: ReturnType<typeof openTab>) => {
  opened.chat.connect();
  return until(() => expect(opened.conversation.state.status).toBe("live"));
};
const texts = () => server.messages.map(({ body }) => body?.text);
const statuses = ({ conversation }: ReturnType<typeof openTab>) =>
  conversation.state.pending.map(({ body, status }) => `${body.text} ${status}`);

describe("what is unsent", () => {
  it("C7: is on the disk before it is queued, and is sent by the next client, once and in order", async () => {
    const first = openTab();
    const sent = ["one", "two", "three"].map((text) => first.conversation.send({ text }));
    expect(statuses(first)).toEqual(["one saving", "two saving", "three saving"]);
    expect(await Promise.all(sent.map(({ queued }) => queued))).toEqual([true, true, true]);
    expect(disk.unsent).toEqual(sent.map(({ key }) => key));
    expect(statuses(first)).toEqual(["one queued", "two queued", "three queued"]);
    first.kill();

    const second = openTab();
    await until(() => expect(statuses(second)).toEqual(["one queued", "two queued", "three queued"]));
    const again = second.conversation.send({ text: "four" });
    await live(second);
    expect((await again).id).toBe(4);
    expect(texts()).toEqual(["one", "two", "three", "four"]);
    await until(() => expect(disk.unsent).toEqual([]));
  });

  it("C7: is sent without anybody looking at the conversation, and its connection ends after that", async () => {
    const first = openTab();
    await first.conversation.send({ text: "one" }).queued;
    first.kill();
    const tab = disk.open();
    const chat = new ChatClient({
      url: server.url,
      userId: "ann",
      token: () => "ann",
      WebSocket,
      storage: tab.storage,
    });
    tabs.push({ chat, tab });
    chat.connect();
    await until(() => expect(texts()).toEqual(["one"]));
    await until(() => expect(disk.unsent).toEqual([]));
    await until(() => expect(server.openSockets).toBe(0));
  });

  it("C7: does not become two when the client dies between sending and the answer", async () => {
    const first = openTab();
    await live(first);
    server.isDeaf = true;
    first.conversation.send({ text: "once" });
    await until(() => expect(texts()).toEqual(["once"]));
    first.kill();
    server.isDeaf = false;
    const second = openTab();
    await live(second);
    await until(() => expect(disk.unsent).toEqual([]));
    expect(second.conversation.state.pending).toEqual([]);
    expect(texts()).toEqual(["once"]);
  });

  it("C7: edits, deletes and reactions are kept as well, behind what came before them", async () => {
    const message = server.write("hello");
    const first = openTab();
    await live(first);
    first.chat.disconnect();
    const done = [
      first.conversation.send({ text: "and" }),
      first.conversation.addReaction(message.id, "👍"),
      first.conversation.edit(message.id, { text: "hello!" }),
    ];
    await Promise.all(done.map(({ queued }) => queued));
    first.kill();
    const second = openTab();
    await live(second);
    await until(() => expect(disk.unsent).toEqual([]));
    expect(texts()).toEqual(["hello!", "and"]);
    const [shown] = second.conversation.state.messages;
    expect(shown?.reactions).toEqual([{ emoji: "👍", count: 1, user_ids: ["ann"] }]);
    expect(server.frames.flat().map(({ type }) => type)).toEqual([
      "message.send",
      "reaction.add",
      "message.edit",
    ]);
  });

  it("C6: what was refused stays refused, with its error, until it is tried again or discarded", async () => {
    const first = openTab();
    await live(first);
    server.errors.push({ code: "FORBIDDEN" }, { code: "VALIDATION_FAILED" });
    const refused = [first.conversation.send({ text: "a" }), first.conversation.send({ text: "b" })];
    await expect(refused[0]).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(refused[1]).rejects.toMatchObject({ code: "VALIDATION_FAILED" });
    await until(() => expect([...disk.values.values()].join()).toContain("VALIDATION_FAILED"));
    first.kill();
    const second = openTab();
    await live(second);
    await until(() => expect(statuses(second)).toEqual(["a failed", "b failed"]));
    expect(second.conversation.state.pending[0]?.error).toMatchObject({ code: "FORBIDDEN" });
    expect(server.messages).toEqual([]);
    expect(second.conversation.discard(refused[1]?.key ?? "")).toBe(true);
    await second.conversation.retry(refused[0]?.key ?? "");
    expect(texts()).toEqual(["a"]);
    await until(() => expect(disk.unsent).toEqual([]));
  });

  it("C7: a message discarded before it is sent is gone from the disk", async () => {
    const { conversation } = openTab();
    const sending = conversation.send({ text: "no" });
    await sending.queued;
    expect(conversation.discard(sending.key)).toBe(true);
    await expect(sending).rejects.toMatchObject({ code: "MESSAGE_SEND_FAILED" });
    await until(() => expect(disk.unsent).toEqual([]));
  });

  it("C8: belongs to its user: another sends nothing of it, and a token of another ends the connection", async () => {
    const first = openTab();
    await first.conversation.send({ text: "mine" }).queued;
    first.kill();
    const other = openTab({ userId: "bo" });
    await until(() => expect(other.conversation.state.pending).toEqual([]));
    other.chat.connect();
    await until(() =>
      expect(other.conversation.state).toMatchObject({ status: "closed", reason: "wrong_user" }),
    );
    expect(server.messages).toEqual([]);
    expect(disk.unsent).toHaveLength(1);
  });

  it("C8: of a client that is not told whose it is, is kept and sent from the first connection on", async () => {
    const first = openTab();
    await first.conversation.send({ text: "earlier" }).queued;
    first.kill();
    const tab = disk.open();
    const chat = new ChatClient({ url: server.url, token: () => "ann", WebSocket, storage: tab.storage });
    tabs.push({ chat, tab });
    const conversation = chat.joinConversation(CONVERSATION_ID);
    expect(chat.storage).toEqual({ kept: "memory", reason: "unknown_user" });
    expect(await conversation.send({ text: "later" }).queued).toBe(false);
    chat.connect();
    await until(() => expect(texts().toSorted()).toEqual(["earlier", "later"]));
    expect(chat.storage).toEqual({ kept: "disk", reason: null });
    await until(() => expect(disk.unsent).toEqual([]));
  });
});

describe("several tabs", () => {
  it("C9: one sends at a time, what each has said in order, and all show what waits", async () => {
    const open = [openTab(), openTab(), openTab()];
    const sent = open.flatMap(({ conversation }, tab) =>
      [1, 2, 3, 4].map((n) => conversation.send({ text: `${tab}.${n}` })),
    );
    await Promise.all(sent.map(({ queued }) => queued));
    for (const each of open) await until(() => expect(each.conversation.state.pending).toHaveLength(12));
    for (const { chat } of open) chat.connect();
    await Promise.all(sent);
    expect(new Set(texts()).size).toBe(12);
    for (const tab of [0, 1, 2]) {
      const own = texts().filter((text) => text?.startsWith(`${tab}.`));
      expect(own).toEqual([1, 2, 3, 4].map((n) => `${tab}.${n}`));
    }
    expect(server.frames.flat()).toHaveLength(12);
    await until(() => expect(disk.unsent).toEqual([]));
    for (const each of open) await until(() => expect(each.conversation.state.pending).toEqual([]));
  });

  it("C9: another goes on when the one that sends is closed", async () => {
    const one = openTab();
    await live(one);
    await one.conversation.send({ text: "first" });
    const two = openTab();
    await live(two);
    server.isDiscarding = true;
    await two.conversation.send({ text: "second" }).queued;
    await until(() => expect(statuses(one)).toEqual(["second sending"]));
    server.isDiscarding = false;
    one.kill();
    await until(() => expect(texts()).toEqual(["first", "second"]));
  });

  it("C9: another takes its place when it sends nothing", async () => {
    const one = openTab();
    await live(one);
    await one.conversation.send({ text: "first" });
    // It has the turn, and does not hear of anything any more: a tab that the browser has frozen.
    one.tab.storage.sharing?.channel.addEventListener("message", (event) => event.stopImmediatePropagation());
    const frozen = vi.spyOn(one.tab.storage, "list").mockReturnValue(new Promise(() => undefined));
    const two = openTab();
    await live(two);
    await two.conversation.send({ text: "second" });
    expect(frozen).toHaveBeenCalled();
    expect(texts()).toEqual(["first", "second"]);
  });

  it("C9: a message discarded in one is not sent by the other", async () => {
    const one = openTab();
    const two = openTab();
    const sending = one.conversation.send({ text: "no" });
    await until(() => expect(statuses(two)).toEqual(["no queued"]));
    one.conversation.discard(sending.key);
    await until(() => expect(statuses(two)).toEqual([]));
    await live(two);
    expect(server.frames).toEqual([]);
  });

  it("C10: one asks for a token for all, and asks anew before it ends or when it is refused", async () => {
    const issued: string[] = [];
    const token = async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      const payload = { sub: "ann", exp: Math.floor(Date.now() / 1000) + 3600, n: issued.length };
      issued.push(`e30.${btoa(JSON.stringify(payload)).replaceAll("=", "")}.c2ln`);
      return issued.at(-1) ?? "";
    };
    const open = [1, 2, 3, 4, 5].map(() => openTab({ token }));
    await Promise.all(open.map(live));
    expect(issued).toHaveLength(1);
    expect(server.requests.map((request) => request.token)).toEqual(Array(5).fill(issued[0]));
    server.close(4401);
    await until(() => expect(server.requests).toHaveLength(10));
    expect(issued.length).toBe(2);
    expect(server.requests.slice(5).map((request) => request.token)).toEqual(Array(5).fill(issued[1]));
  });
});

describe("a storage that fails", () => {
  it("C11: without room, copies make way for what is unsent", async () => {
    server.write("x".repeat(5_000));
    const first = openTab();
    await live(first);
    first.chat.disconnect();
    await until(() => expect([...disk.values.keys()].join()).toContain(" copy "));
    disk.room = 2_000;
    expect(await first.conversation.send({ text: "kept" }).queued).toBe(true);
    expect([...disk.values.keys()].join()).not.toContain(" copy ");
    expect(first.chat.storage).toEqual({ kept: "disk", reason: null });
  });

  it("C11: without any room, messages are sent all the same, and the client says what it cannot promise", async () => {
    disk.room = 0;
    const { chat, conversation } = openTab();
    const told: unknown[] = [];
    chat.onStorage((state) => told.push(state));
    const sending = conversation.send({ text: "risky" });
    expect(await sending.queued).toBe(false);
    expect(told).toEqual([{ kept: "memory", reason: "full" }]);
    disk.room = Number.POSITIVE_INFINITY;
    expect(await conversation.send({ text: "safe" }).queued).toBe(true);
    expect(disk.unsent).toHaveLength(2);
    expect(told.at(-1)).toEqual({ kept: "disk", reason: null });
    chat.connect();
    await sending;
    await until(() => expect(texts()).toEqual(["risky", "safe"]));
  });

  it.each(["isBroken", "isStuck"] as const)("C11: %s: it works from memory", async (fault) => {
    disk[fault] = true;
    const { chat, conversation } = openTab();
    const sending = conversation.send({ text: "on" });
    chat.connect();
    expect(await sending.queued).toBe(false);
    expect((await sending).id).toBe(1);
    expect(chat.storage).toEqual({ kept: "memory", reason: "unavailable" });
  });
});

describe("what was seen", () => {
  it("C12: is there at once and offline, and goes on where it ended", async () => {
    for (const text of ["one", "two"]) server.write(text);
    const first = openTab();
    await live(first);
    first.chat.disconnect();
    await until(() => expect([...disk.values.keys()].join()).toContain(" copy "));
    server.write("three");
    const second = openTab({ openSocket: () => ({ send: () => undefined, close: () => undefined }) });
    await until(() => expect(second.conversation.state.messages).toHaveLength(2));
    expect(second.conversation.state).toMatchObject({ last_message_id: 2, seq: 2, status: "disconnected" });
    const third = openTab();
    await live(third);
    expect(server.requests.at(-1)).toMatchObject({ since: "2", epoch: "epoch-1" });
    expect(third.conversation.state.messages.map(({ id }) => id)).toEqual([1, 2, 3]);
  });

  it("C12: the list is there at once and offline, with its unread counts and nobody online", async () => {
    server.inbox = makeInboxReady([makeConversation({ last_message_id: 3 })]);
    const first = openTab();
    const list = first.chat.joinInbox();
    first.chat.connect();
    await until(() => expect(list.state.status).toBe("live"));
    server.tellInbox(
      { type: "conversation.updated", conversation: makeConversation({ title: "Kept", last_message_id: 4 }) },
      { type: "unread.updated", total: 4 },
      { type: "presence.updated", user_id: "bo", online: true, last_seen_at: null },
    );
    await until(() => expect(list.state.unread_total).toBe(4));
    first.chat.disconnect();
    await until(() => expect([...disk.values.keys()].join()).toContain(" copy inbox"));
    const second = openTab();
    const again = second.chat.joinInbox();
    await until(() => expect(again.state.conversations.map(({ title }) => title)).toEqual(["Kept"]));
    expect(again.state).toMatchObject({ status: "disconnected", unread_total: 4 });
    expect(again.state.unread.get(CONVERSATION_ID)).toMatchObject({ last_message_id: 4 });
    expect(again.state.presence.size).toBe(0);
  });

  it("C12: is not written again for who is typing or there", async () => {
    const timers = new FakeTimers();
    const { chat, conversation } = openTab({ ...timers.options, heartbeat: { everyMs: 1e9 } });
    chat.connect();
    await until(() => expect(conversation.state.status).toBe("live"));
    const copies = () => disk.writes.filter((write) => write.includes("+") && write.includes(" copy "));
    timers.advance(2_000);
    await until(() => expect(copies()).toHaveLength(1));
    server.broadcast({
      type: "presence.updated",
      user_id: "bo",
      online: true,
      last_seen_at: null,
    });
    await until(() => expect(conversation.state.participants.some(({ online }) => online)).toBe(true));
    timers.advance(2_000);
    server.write("new");
    await until(() => expect(conversation.state.messages).toHaveLength(1));
    timers.advance(2_000);
    await until(() => expect(copies()).toHaveLength(2));
  });

  it("C12: is gone when the user was removed, and when everything is erased", async () => {
    const first = openTab();
    await live(first);
    first.chat.disconnect();
    await until(() => expect([...disk.values.keys()].join()).toContain(" copy "));
    const second = openTab();
    await live(second);
    server.close(4403);
    await until(() => expect(second.conversation.state.reason).toBe("removed"));
    await until(() => expect([...disk.values.keys()].join()).not.toContain(" copy "));
    await second.conversation.send({ text: "left" }).queued;
    await second.chat.erase();
    expect([...disk.values.keys()]).toEqual([]);
  });
});

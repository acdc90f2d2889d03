import { expect, test } from "vitest";
import type { Conversation } from "../protocol/entities.ts";
import type { InboxEvent } from "../protocol/frames.ts";
import { makeConversation, makeInboxReady, makeMessage } from "./fake-server.ts";
import { applyInboxEvent, applyPage, EMPTY_INBOX, type InboxList } from "./inbox-list.ts";

const time = (minute: number): string => new Date(Date.UTC(2026, 10, 22, 0, minute)).toISOString();

/** A conversation as it is after `last` messages of others, of which `read` are read. */
const state = (id: string, last: number, read: number, fields: Partial<Conversation> = {}): Conversation =>
  makeConversation({
    id,
    updated_at: time(last),
    last_message_id: last,
    last_message: last === 0 ? null : makeMessage(last, { conversation_id: id }),
    me: { role: "member", last_read_id: read, unread_count: last - read, muted_until: null },
    ...fields,
  });

const updated = (conversation: Conversation): InboxEvent => ({ type: "conversation.updated", conversation });
const added = (conversation: Conversation): InboxEvent => ({ type: "conversation.added", conversation });
const removed = (id: string): InboxEvent => ({ type: "conversation.removed", conversation_id: id });
const read = (id: string, lastReadId: number, userId = "ann"): InboxEvent => ({
  type: "read.updated",
  conversation_id: id,
  user_id: userId,
  last_read_id: lastReadId,
});

const after = (list: InboxList, ...events: InboxEvent[]): InboxList => events.reduce(applyInboxEvent, list);
const ready = (...conversations: Conversation[]): InboxList =>
  after(EMPTY_INBOX, makeInboxReady(conversations));
const ids = ({ conversations }: InboxList) => conversations.map(({ id }) => id);

test("I2: ready replaces everything, newest activity first, and what was told of people before it", () => {
  const before = after(ready(state("a", 1, 0), state("gone", 9, 0)), {
    type: "presence.updated",
    user_id: "bo",
    online: true,
    last_seen_at: null,
  });
  const list = after(before, makeInboxReady([state("a", 1, 1), state("c", 5, 5), state("b", 5, 2)]));
  expect(ids(list)).toEqual(["c", "b", "a"]);
  expect(list).toMatchObject({ unread_total: 3, presence: new Map(), next_cursor: null });
});

test("I3: what is added or changed moves to its place, and what is removed goes", () => {
  let list = ready(state("a", 3, 3), state("b", 2, 2));
  list = after(list, added(state("c", 5, 0)), updated(state("b", 6, 2)));
  expect(ids(list)).toEqual(["b", "c", "a"]);
  expect(list.unread.get("c")?.unread_count).toBe(5);
  list = after(list, removed("c"));
  expect(ids(list)).toEqual(["b", "a"]);
  expect(list.unread.has("c")).toBe(false);
});

test("I3: a conversation that was not loaded is counted by what ready said of it", () => {
  const unread = {
    total: 7,
    conversations: [{ id: "x", unread_count: 4, last_read_id: 0, last_message_id: 4 }],
  };
  const list = after(EMPTY_INBOX, makeInboxReady([], { unread, has_more: true, next_cursor: "n" }));
  const next = after(list, updated(state("x", 6, 5)));
  expect(next.unread.get("x")).toEqual({ unread_count: 1, last_read_id: 5, last_message_id: 6 });
});

test("I6 I10: the total is what the inbox says, which counts what is not told of each", () => {
  const unread = { total: 9, conversations: [] };
  const start = after(EMPTY_INBOX, makeInboxReady([], { unread, has_more: true, next_cursor: "n" }));
  const list = applyPage(start, { data: [state("a", 3, 0)], has_more: false });
  expect([list.unread_total, list.unread.get("a")?.unread_count]).toEqual([9, 3]);
  // It becomes active, and is counted for itself from then on.
  expect(after(list, added(state("a", 4, 0)), { type: "unread.updated", total: 10 }).unread_total).toBe(10);
});

test("I5: a notice that is late changes nothing, until ready says so", () => {
  const list = ready(state("a", 5, 3));
  expect(after(list, updated(state("a", 4, 4)))).toBe(list);
  expect(after(list, updated(state("a", 5, 2)))).toBe(list);
  const edited = state("a", 5, 3, { last_message: makeMessage(5, { seq: 9 }) });
  const next = after(list, updated(edited));
  expect(next.conversations[0]?.last_message?.seq).toBe(9);
  expect(after(next, updated(state("a", 5, 3)))).toBe(next);
  expect(after(next, makeInboxReady([state("a", 4, 0)])).conversations[0]?.last_message_id).toBe(4);
});

test("I7: one's own reading elsewhere clears the count; that of others is no news", () => {
  const list = ready(state("a", 5, 2), state("b", 1, 0));
  expect(after(list, read("a", 5, "bo"))).toBe(list);
  const next = after(list, read("a", 5));
  expect(next.unread.get("a")?.unread_count).toBe(0);
  expect(next.conversations.find(({ id }) => id === "a")?.me).toMatchObject({
    last_read_id: 5,
    unread_count: 0,
  });
  expect(after(next, read("a", 3))).toBe(next);
});

test("I8: only being added again brings a removed conversation back", () => {
  const list = after(ready(state("a", 1, 0)), removed("a"), updated(state("a", 2, 0)));
  expect(ids(list)).toEqual([]);
  expect(ids(applyPage(list, { data: [state("a", 2, 0)], has_more: false }))).toEqual([]);
  expect(ids(after(list, added(state("a", 4, 3))))).toEqual(["a"]);
});

test("a page that was read before newer news loses to it", () => {
  const start = after(
    EMPTY_INBOX,
    makeInboxReady([state("a", 9, 9)], { has_more: true, next_cursor: "n" }),
    updated(state("b", 8, 0)),
  );
  const list = applyPage(start, { data: [state("b", 3, 0), state("c", 2, 2)], has_more: false });
  expect(ids(list)).toEqual(["a", "b", "c"]);
  expect(list.conversations[1]?.last_message_id).toBe(8);
  expect(list.next_cursor).toBeNull();
});

/** Mulberry32. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

test("I5 I6: whatever comes late or twice, the newest notice of each conversation holds", () => {
  for (let seed = 1; seed <= 500; seed += 1) {
    const random = seeded(seed);
    const names = ["a", "b", "c", "d"].slice(0, 1 + random(4));
    let list = ready(...names.slice(0, 2).map((id) => state(id, 0, 0)));
    const newest = new Map(list.conversations.map((conversation) => [conversation.id, conversation]));
    const told: InboxEvent[] = [];
    for (let step = 0; step < 40; step += 1) {
      const id = names[random(names.length)] ?? "a";
      const known = newest.get(id);
      const { last_message_id: last = 0, me, last_message: message } = known ?? {};
      const readTo = me?.last_read_id ?? 0;
      let next: Conversation;
      switch (random(4)) {
        case 0:
          next = state(id, last, readTo + random(last - readTo + 1), { last_message: message ?? null });
          break;
        case 1:
          // An edit of the last message.
          next = state(id, last, readTo, {
            last_message: message ? { ...message, seq: message.seq + 100 } : null,
          });
          break;
        default:
          next = state(id, last + 1 + random(3), readTo);
      }
      newest.set(id, next);
      const notice = known ? updated(next) : added(next);
      told.push(notice);
      list = after(list, notice);
      if (next.me.last_read_id > readTo && random(2) === 0)
        list = after(list, read(id, next.me.last_read_id));
      for (let late = random(4); late > 0; late -= 1) {
        const again = told[random(told.length)];
        if (again) list = after(list, again);
      }
    }
    const expected = [...newest.values()].sort((a, b) =>
      a.updated_at === b.updated_at ? (a.id < b.id ? 1 : -1) : a.updated_at < b.updated_at ? 1 : -1,
    );
    expect(list.conversations, `seed ${seed}`).toEqual(expected);
    for (const { id, me } of expected)
      expect(list.unread.get(id)?.unread_count, `seed ${seed}`).toBe(me.unread_count);
  }
});

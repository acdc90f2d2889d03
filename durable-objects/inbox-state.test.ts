import { expect, test } from "vitest";
import type { Conversation } from "../protocol/entities.ts";
import type { InboxEvent } from "../protocol/frames.ts";
import { Random } from "../test/simulation/random.ts";
import { type ConversationState, InboxState, keepsakeOf, restoreKeepsake } from "./inbox-state.ts";

const at = (
  id: string,
  seq: number,
  lastReadId: number,
  unreadCount: number,
  epoch = "e",
): ConversationState => ({
  epoch,
  seq,
  conversation: {
    id,
    type: "group",
    title: null,
    created_by: "u",
    created_at: "2026-01-01T00:00:00.000Z",
    updated_at: "2026-01-01T00:00:00.000Z",
    last_message_id: seq,
    last_message: null,
    participant_count: 2,
    history_visibility: "beginning",
    me: { role: "member", last_read_id: lastReadId, unread_count: unreadCount, muted_until: null },
  } satisfies Conversation,
});

const totalIn = (events: readonly InboxEvent[]): number | undefined => {
  const last = events.findLast(({ type }) => type === "unread.updated");
  return last?.type === "unread.updated" ? last.total : undefined;
};

/** The states a conversation goes through for one user: messages of others, one's own, and reading. */
function life(id: string, random: Random, length: number): ConversationState[] {
  let [seq, read, unread] = [0, 0, 0];
  return Array.from({ length }, () => {
    const step = random.integer(0, 2);
    if (step === 2 && unread > 0) {
      const some = random.integer(1, unread);
      read += some;
      unread -= some;
    } else {
      seq += 1;
      unread = step === 1 ? 0 : unread + 1;
      if (step === 1) read = seq;
    }
    return at(id, seq, read, unread);
  });
}

test.each(Array.from({ length: 50 }, (_, seed) => seed))(
  "I5: notices that come late, twice or out of order end in the newest state, seed %d",
  (seed) => {
    const random = new Random(seed);
    const state = new InboxState();
    const ids = ["a", "b", "c"];
    const notices = ids.flatMap((id) => life(id, random, 20));
    const newest = new Map(notices.map((notice) => [notice.conversation.id, notice]));
    const told = [...notices, ...notices]
      .map((notice) => ({ notice, at: random.integer(0, 1_000) }))
      .sort((one, other) => one.at - other.at)
      .map(({ notice }) => notice);
    let total = 0;
    for (const notice of told) {
      const events = state.tell(notice, "me");
      total = totalIn(events) ?? total;
      expect(state.total).toBe(total);
      // What is not newer says nothing at all.
      expect(state.tell(notice, "me")).toEqual([]);
    }
    let expected = 0;
    for (const [id, { seq, conversation }] of newest) {
      const { last_read_id: lastReadId, unread_count: unreadCount } = conversation.me;
      expect(state.get(id)).toMatchObject({ epoch: "e", seq, lastReadId, unreadCount });
      expected += unreadCount;
    }
    expect(state.total).toBe(expected);
  },
);

test("I3 I7: what is told of a conversation: added, updated, read elsewhere, removed", () => {
  const state = new InboxState();
  expect(state.tell(at("a", 1, 0, 1), "me").map(({ type }) => type)).toEqual([
    "conversation.added",
    "unread.updated",
  ]);
  expect(state.tell(at("a", 2, 0, 1), "me").map(({ type }) => type)).toEqual(["conversation.updated"]);
  expect(state.tell(at("a", 2, 2, 0), "me").map(({ type }) => type)).toEqual([
    "conversation.updated",
    "read.updated",
    "unread.updated",
  ]);
  expect(state.remove("a")).toEqual([{ type: "conversation.removed", conversation_id: "a" }]);
  expect(state.remove("a")).toEqual([]);
});

test("I5: storage that was lost and begins anew, in another epoch, is believed", () => {
  const state = new InboxState();
  state.tell(at("a", 9, 3, 6), "me");
  // A notice may be of the one before or of the one after: only an answer of the conversation says it.
  expect(state.isDoubtful(at("a", 7, 3, 4, "another"))).toBe(true);
  expect(state.tell(at("a", 7, 3, 4, "another"), "me").map(({ type }) => type)).toEqual([
    "conversation.removed",
    "conversation.added",
    "unread.updated",
  ]);
  expect(state.total).toBe(4);
  expect(state.isDoubtful(at("a", 8, 3, 5, "another"))).toBe(false);
  expect(state.isDoubtful(at("a", 10, 3, 7))).toBe(true);
  // After a sleep no epoch is known: what has more is newer, and only what has less is in doubt.
  const woken = new InboxState();
  woken.recall("a", { seq: 9, lastReadId: 3, unreadCount: 6 }, true);
  expect(woken.isDoubtful(at("a", 10, 3, 7, "another"))).toBe(false);
  expect(woken.tell(at("a", 9, 3, 6, "another"), "me")).toEqual([]);
  expect(woken.get("a")?.epoch).toBe("another");
  expect(woken.isDoubtful(at("a", 7, 3, 4, "another"))).toBe(false);
  expect(woken.tell(at("a", 7, 3, 4, "another"), "me")).toEqual([]);
});

test("I11: what Postgres said to nobody but the inbox is told with the next word of it, once, and kept by no sleep", () => {
  const state = new InboxState();
  state.recall("a", { seq: 4, lastReadId: 0, unreadCount: 4 }, false);
  const counts = { seq: 4, lastReadId: 0, unreadCount: 4 };
  expect([state.knows("a", counts), keepsakeOf(state, ["a"], 1)]).toEqual([false, undefined]);
  expect(state.tell(at("a", 4, 0, 4), "me").map(({ type }) => type)).toEqual(["conversation.added"]);
  expect(state.tell(at("a", 4, 0, 4), "me")).toEqual([]);
  expect(state.knows("a", counts)).toBe(true);
  expect(keepsakeOf(state, ["a"], 1)).toBeDefined();
});

test("S14: what an inbox keeps while it sleeps is what it knew", () => {
  const random = new Random(7);
  const state = new InboxState();
  const ids = Array.from({ length: 1_000 }, (_, n) => `c${n}`);
  for (const id of ids)
    state.tell(at(id, random.integer(1, 4e9), random.integer(0, 4e9), random.integer(0, 9_999)), "me");
  state.setOthers([
    ["far", 5],
    ["farther", 7],
  ]);
  const keepsake = keepsakeOf(state, ids, 3);
  expect(keepsake?.counts.byteLength).toBeLessThan(14_000);
  const woken = new InboxState();
  expect(restoreKeepsake(woken, ids, 3, structuredClone(keepsake ?? null))).toBe(true);
  expect(woken.total).toBe(state.total);
  for (const id of ids) expect(woken.get(id)).toEqual({ ...state.get(id), epoch: null });
  // Of another list, or none: not to be believed.
  expect(restoreKeepsake(new InboxState(), ids, 4, keepsake ?? null)).toBe(false);
  expect(restoreKeepsake(new InboxState(), ids.slice(1), 3, keepsake ?? null)).toBe(false);
  expect(restoreKeepsake(new InboxState(), ids, 3, null)).toBe(false);
});

test("I6 I10: a conversation that is heard of though there are too many to follow is counted once", () => {
  const state = new InboxState();
  state.recall("a", { seq: 4, lastReadId: 0, unreadCount: 4 }, true);
  state.setOthers([
    ["b", 7],
    ["c", 2],
    ["a", 3],
  ]);
  expect(state.total).toBe(13);
  expect(state.tell(at("b", 8, 0, 8), "me").at(-1)).toEqual({ type: "unread.updated", total: 14 });
  expect(state.remove("c").map(({ type }) => type)).toEqual(["conversation.removed", "unread.updated"]);
  expect(state.remove("c")).toEqual([]);
  expect(state.total).toBe(12);
  // Of a sleep it kept only the sum, and cannot say which is a part of it.
  const woken = new InboxState();
  state.setOthers([["d", 3]]);
  restoreKeepsake(woken, ["a", "b"], 1, keepsakeOf(state, ["a", "b"], 1) ?? null);
  expect(woken.total).toBe(15);
  expect([woken.isAccountable("a"), woken.isAccountable("d")]).toEqual([true, false]);
  expect(state.isAccountable("d")).toBe(true);
});

test("W2 I11: when all have said who is online, whoever nobody spoke of is not", () => {
  const fact = (user_id: string, online: boolean) => ({ user_id, online, last_seen_at: null, turn: 1 });
  const state = new InboxState();
  // Whoever was once online here, and was never spoken of, is no news.
  expect(state.tellPresence([fact("bo", true), fact("cy", true), fact("di", false)]).length).toBe(2);
  state.beginRound();
  state.tellPresence([fact("bo", true)]);
  expect(state.endRound()).toMatchObject([{ user_id: "cy", online: false }]);
  expect(state.online()).toMatchObject([{ user_id: "bo" }]);
  // After a sleep it may be news.
  const woken = new InboxState();
  woken.awake();
  expect(woken.tellPresence([fact("di", false)])).toMatchObject([{ user_id: "di", online: false }]);
});

test("W2 W4: of what conversations say of somebody, the newest turn counts, whichever says it", () => {
  const state = new InboxState();
  const fact = (online: boolean, turn: number) => ({
    user_id: "bo",
    online,
    last_seen_at: online ? null : "2026-01-01T00:00:00.000Z",
    turn,
  });
  expect(state.tellPresence([fact(true, 1)]).length).toBe(1);
  expect(state.tellPresence([fact(true, 1)])).toEqual([]);
  expect(state.tellPresence([fact(true, 2), fact(false, 1)])).toEqual([]);
  expect(state.online()).toMatchObject([{ user_id: "bo", online: true }]);
  expect(state.tellPresence([fact(false, 2)])).toMatchObject([{ online: false }]);
  expect(state.online()).toEqual([]);
});

import { describe, expect, it } from "vitest";
import type { DurableEvent, Ready } from "../protocol/frames.ts";
import { makeConversation, makeMessage, makeParticipant } from "./fake-server.ts";
import {
  applyEvent,
  applyOlder,
  applySync,
  beginOlder,
  EMPTY_TIMELINE,
  messagesSince,
  type Timeline,
} from "./timeline.ts";

function ready(fields: Partial<Ready> = {}): Ready {
  return {
    type: "ready",
    protocol: 1,
    user_id: "ann",
    epoch: "e1",
    seq: 12,
    last_message_id: 12,
    conversation: makeConversation({ last_message_id: 12 }),
    participants: [makeParticipant("ann"), makeParticipant("bo")],
    resume: "complete",
    expires_at: null,
    ...fields,
  };
}

const created = (id: number, fields = {}): DurableEvent => {
  const message = makeMessage(id, fields);
  return { type: "message.created", seq: message.seq, message };
};

function applied(result: ReturnType<typeof applyEvent>): Timeline {
  if (result.outcome !== "applied") throw new Error(result.outcome);
  return result.timeline;
}

const page = [makeMessage(10), makeMessage(11), makeMessage(12)];
const base = applied(
  applySync(EMPTY_TIMELINE, ready({ resume: "reset", messages: page, has_more: true }), []),
);
const ids = ({ messages }: Timeline) => messages.map(({ id }) => id);

describe("sync", () => {
  it("starts from the page of a reset", () => {
    expect(ids(base)).toEqual([10, 11, 12]);
    expect(base).toMatchObject({ seq: 12, epoch: "e1", has_older: true, last_message_id: 12 });
  });

  it("takes a replay whose seqs skip and whose ids are out of order", () => {
    const replay = [
      created(14, { seq: 14 }),
      created(13, { seq: 15, edited_at: "x" }),
      { type: "message.updated", seq: 17, message: makeMessage(11, { seq: 17, body: { text: "new" } }) },
    ] as DurableEvent[];
    const next = applied(applySync(base, ready({ seq: 17, last_message_id: 14 }), replay));
    expect(ids(next)).toEqual([10, 11, 12, 13, 14]);
    expect(next.messages[1]?.body).toEqual({ text: "new" });
    expect(next.seq).toBe(17);
    expect(messagesSince(base, next).map(({ id }) => id)).toEqual([13, 14]);
  });

  it("refuses a replay that leaves a hole, or is short", () => {
    expect(applySync(base, ready({ seq: 14, last_message_id: 14 }), [created(14)]).outcome).toBe("hole");
    expect(applySync(base, ready({ seq: 14, last_message_id: 14 }), [created(13)]).outcome).toBe("hole");
    expect(applySync(base, ready({ epoch: "e2" }), []).outcome).toBe("hole");
  });

  it("replaces everything on a reset, and shows no part before a hole in the page", () => {
    const reset = ready({
      resume: "reset",
      epoch: "e2",
      seq: 3,
      last_message_id: 40,
      messages: [makeMessage(37), makeMessage(39), makeMessage(40)],
      has_more: false,
    });
    const next = applied(applySync(base, reset, []));
    expect(ids(next)).toEqual([39, 40]);
    expect(next).toMatchObject({ epoch: "e2", seq: 3, has_older: true });
    expect(messagesSince(base, next)).toEqual([]);
  });

  it("applies what came after the seq of ready as live events", () => {
    const next = applied(applySync(base, ready(), [created(13)]));
    expect(next.conversation).toMatchObject({ last_message_id: 13, me: { unread_count: 1 } });
  });
});

describe("live events", () => {
  it("ignores what is known and sees a gap", () => {
    expect(applyEvent(base, created(12)).outcome).toBe("known");
    expect(applyEvent(base, created(14)).outcome).toBe("gap");
    expect(applyEvent(base, created(14, { seq: 13 })).outcome).toBe("hole");
  });

  it("counts unread messages and follows the last one", () => {
    let timeline = applied(applyEvent(base, created(13)));
    expect(timeline.conversation?.me.unread_count).toBe(1);
    const gone = makeMessage(13, { seq: 14, body: null, deleted_at: "x" });
    timeline = applied(applyEvent(timeline, { type: "message.deleted", seq: 14, message: gone }));
    expect(timeline.conversation).toMatchObject({ me: { unread_count: 0 }, last_message: { body: null } });
    timeline = applied(applyEvent(timeline, created(14, { seq: 15 })));
    timeline = applied(applyEvent(timeline, created(15, { seq: 16, type: "system", sender_id: "bo" })));
    expect(timeline.conversation?.me).toMatchObject({ unread_count: 1, last_read_id: 0 });
    timeline = applied(applyEvent(timeline, created(16, { seq: 17, sender_id: "ann" })));
    expect(timeline.conversation?.me).toMatchObject({ unread_count: 0, last_read_id: 16 });
  });

  it("M10: counts reactions, also of the last message and of one in a page on its way", () => {
    const react = (seq: number, message_id: number, user_id: string, added = true): DurableEvent => ({
      type: "reaction.updated",
      seq,
      message_id,
      emoji: "👍",
      user_id,
      added,
      count: 0,
    });
    let timeline = applied(applyEvent(base, created(13)));
    timeline = applied(applyEvent(timeline, react(14, 13, "bo")));
    timeline = applied(applyEvent(timeline, react(15, 13, "ann")));
    const both = [{ emoji: "👍", count: 2, user_ids: ["bo", "ann"] }];
    expect(timeline.messages.at(-1)).toMatchObject({ seq: 15, reactions: both });
    expect(timeline.conversation?.last_message?.reactions).toEqual(both);
    timeline = applied(applyEvent(timeline, react(16, 13, "bo", false)));
    timeline = applied(applyEvent(timeline, react(17, 13, "ann", false)));
    expect(timeline.messages.at(-1)?.reactions).toEqual([]);

    timeline = beginOlder(timeline);
    timeline = applied(applyEvent(timeline, react(18, 9, "bo")));
    timeline = applied(applyEvent(timeline, react(19, 8, "bo")));
    // The page was read after the one, and before the other.
    const known = makeMessage(9, { seq: 18, reactions: [{ emoji: "👍", count: 1, user_ids: ["bo"] }] });
    const page = { data: [makeMessage(8, { seq: 8 }), known], has_more: false };
    const reactions = applyOlder(timeline, page)
      .messages.slice(0, 2)
      .map((message) => message.reactions);
    expect(reactions).toEqual([known.reactions, known.reactions]);
  });

  it("leaves out changes of messages that are not loaded", () => {
    const message = makeMessage(4, { seq: 13 });
    const next = applied(applyEvent(base, { type: "message.updated", seq: 13, message }));
    expect(ids(next)).toEqual([10, 11, 12]);
  });

  it("follows title, participants and role", () => {
    const { id, updated_at } = makeConversation();
    const events: DurableEvent[] = [
      {
        type: "conversation.updated",
        seq: 13,
        conversation: {
          id,
          title: "Tea",
          updated_at,
          participant_count: 2,
          history_visibility: "beginning",
        },
      },
      { type: "conversation.participant_added", seq: 14, participant: makeParticipant("cy") },
      {
        type: "conversation.participant_updated",
        seq: 15,
        participant: makeParticipant("ann", { role: "member" }),
      },
      { type: "conversation.participant_removed", seq: 16, user_id: "bo" },
    ];
    const next = events.reduce((timeline, event) => applied(applyEvent(timeline, event)), base);
    expect(next.conversation).toMatchObject({ title: "Tea", participant_count: 2, me: { role: "member" } });
    expect(next.participants.map(({ user_id }) => user_id)).toEqual(["ann", "cy"]);
  });
});

describe("older pages", () => {
  it("puts a page in front, with changes that came while it was on its way", () => {
    const message = makeMessage(9, { seq: 13, body: { text: "new" } });
    const waiting = applied(applyEvent(beginOlder(base), { type: "message.updated", seq: 13, message }));
    const next = applyOlder(waiting, { data: [makeMessage(8), makeMessage(9)], has_more: false });
    expect(ids(next)).toEqual([8, 9, 10, 11, 12]);
    expect(next.messages[1]?.body).toEqual({ text: "new" });
    expect(next).toMatchObject({ has_older: false, newer_than_page: null });
  });

  it("keeps a page's message when it is newer than an event that follows", () => {
    const waiting = beginOlder(base);
    const next = applyOlder(waiting, { data: [makeMessage(9, { seq: 20 })], has_more: true });
    const message = makeMessage(9, { seq: 13 });
    const later = applied(applyEvent(next, { type: "message.updated", seq: 13, message }));
    expect(later.messages[0]?.seq).toBe(20);
  });

  it("leaves out a page that does not reach the list", () => {
    const next = applyOlder(beginOlder(base), { data: [makeMessage(5), makeMessage(6)], has_more: true });
    expect(ids(next)).toEqual([10, 11, 12]);
    expect(next.has_older).toBe(true);
  });
});

import { evictDurableObject } from "cloudflare:test";
import { sql } from "drizzle-orm";
import { expect, test } from "vitest";
import type { Message } from "../../protocol/entities.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { call, db, join, newConversation, newUser, objectOf, untilDrained } from "./harness.ts";

const reactionPath = (id: string, message: number, emoji: string) =>
  `/conversations/${id}/messages/${message}/reactions/${encodeURIComponent(emoji)}`;

test("M10: a reaction is an event for everybody, and stands in the message everywhere", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const [a, b] = [await join(ana, id), await join(bo, id)];
  await a.say("김밥 먹자");
  const { epoch } = await a.ready();
  b.send({ type: "reaction.add", id: 1, emoji: "👍", ref: "r" });
  const event = { type: "reaction.updated", message_id: 1, emoji: "👍", user_id: bo, added: true, count: 1 };
  for (const socket of [a, b]) expect(await socket.next("reaction.updated")).toEqual({ ...event, seq: 2 });
  expect((await call(ana, "PUT", reactionPath(id, 1, "👍"))).status).toBe(200);
  expect((await call(ana, "PUT", reactionPath(id, 1, ":party:"))).status).toBe(200);
  const reactions = [
    { emoji: "👍", count: 2, user_ids: [bo, ana] },
    { emoji: ":party:", count: 1, user_ids: [ana] },
  ];
  const page = await call<Message[]>(bo, "GET", `/conversations/${id}/messages`);
  expect(page.body.data[0]).toMatchObject({ id: 1, seq: 4, reactions, edited_at: null });
  await untilDrained(id);
  await evictDurableObject(objectOf(id));
  const back = await join(bo, id, { since: 1, epoch });
  expect(back.events.slice(1, -1)).toMatchObject([
    { type: "message.updated", seq: 4, message: { reactions } },
  ]);
  const { rows } = await db.execute(sql`select reactions from messages where conversation_id = ${id}::uuid`);
  expect(rows).toEqual([{ reactions }]);
  b.close();
});

test("M10: giving twice and taking back what was not given change nothing, and only the asker hears", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const [a, b] = [await join(ana, id), await join(bo, id)];
  await a.say("hello");
  for (const type of ["reaction.remove", "reaction.add", "reaction.add", "reaction.remove"] as const) {
    b.send({ type, id: 1, emoji: "❤️" });
  }
  await a.next("reaction.updated", ({ added }) => !added);
  await b.next("reaction.updated", ({ added, duplicate }) => !added && !duplicate);
  const told = (socket: typeof a) =>
    socket.events.flatMap((event) =>
      event.type === "reaction.updated"
        ? [[event.seq, event.added, event.count, event.duplicate ?? false]]
        : [],
    );
  expect(told(a)).toEqual([
    [2, true, 1, false],
    [3, false, 0, false],
  ]);
  // In one frame: what only the asker hears comes after what everybody hears.
  expect(told(b).filter(([, , , duplicate]) => duplicate)).toHaveLength(2);
  expect(a.liveSeqs()).toEqual([1, 2, 3]);
  const [message] = (await call<Message[]>(ana, "GET", `/conversations/${id}/messages`)).body.data;
  expect(message?.reactions).toEqual([]);
  // A heart with and without its variation selector is one emoji.
  await call(bo, "PUT", reactionPath(id, 1, "❤"));
  const again = await call<Message>(ana, "PUT", reactionPath(id, 1, "❤️"));
  expect(again.body.data.reactions).toEqual([{ emoji: "❤️", count: 2, user_ids: [bo, ana] }]);
});

test("M10: two who react at the same moment are both counted", async () => {
  const users = Array.from({ length: 8 }, newUser) as [string, ...string[]];
  const id = await newConversation(...users);
  await (await join(users[0], id)).say("vote");
  await Promise.all(users.map((user) => call(user, "PUT", reactionPath(id, 1, "✅"))));
  const [message] = (await call<Message[]>(users[0], "GET", `/conversations/${id}/messages`)).body.data;
  expect(message?.reactions).toMatchObject([{ emoji: "✅", count: 8 }]);
  expect([...(message?.reactions[0]?.user_ids ?? [])].sort()).toEqual([...users].sort());
});

test("M10: what is no emoji, too much, or no message is refused; deleting takes reactions along", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const a = await join(ana, id);
  await a.say("hello");
  for (const emoji of ["x", "👍👍", ":Party:", "<b>", " ", "a".repeat(65)]) {
    const reply = await call(ana, "PUT", reactionPath(id, 1, emoji));
    expect([emoji, reply.status, reply.body.error.code]).toEqual([emoji, 400, "VALIDATION_FAILED"]);
  }
  expect((await call(ana, "PUT", reactionPath(id, 2, "👍"))).body.error.code).toBe("MESSAGE_NOT_FOUND");
  for (let n = 0; n < LIMITS.reactionsPerMessage; n += 1) {
    expect((await call(ana, "PUT", reactionPath(id, 1, `:e${n}:`))).status).toBe(200);
  }
  const last = await call(ana, "PUT", reactionPath(id, 1, ":one-more:"));
  expect([last.status, last.body.error.code]).toEqual([409, "CONFLICT"]);
  const deleted = await call<Message>(ana, "DELETE", `/conversations/${id}/messages/1`);
  expect(deleted.body.data).toMatchObject({ body: null, reactions: [] });
  expect((await call(ana, "PUT", reactionPath(id, 1, "👍"))).body.error.code).toBe("MESSAGE_NOT_FOUND");
});

test("M8: a reply names its message, live and in history, also after that was deleted", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const [a, b] = [await join(ana, id), await join(bo, id)];
  await a.say("question");
  b.send({ type: "message.send", temp_id: "reply", body: { text: "answer" }, reply_to_id: 1 });
  expect((await a.next("message.created", ({ message }) => message.id === 2)).message.reply_to_id).toBe(1);
  await call(ana, "DELETE", `/conversations/${id}/messages/1`);
  const page = await call<Message[]>(ana, "GET", `/conversations/${id}/messages`);
  expect(page.body.data).toMatchObject([
    { id: 1, body: null },
    { id: 2, reply_to_id: 1 },
  ]);
});

import { expect, test } from "vitest";
import { call, join, newConversation, newUser, open } from "./harness.ts";

test("S1 S3 S4: a fresh socket gets ready with the latest page, then synced; the token stays out of the answer", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const first = await join(ana, id);
  for (let n = 1; n <= 3; n += 1) await first.say(`m${n}`);
  const second = await join(ana, id);
  expect(second.response.headers.get("Sec-WebSocket-Protocol")).toBe("arcyou.v1");
  const ready = await second.ready();
  expect(ready).toMatchObject({
    protocol: 1,
    user_id: ana,
    seq: 3,
    last_message_id: 3,
    resume: "reset",
    has_more: false,
    expires_at: null,
  });
  expect(ready.messages?.map((message) => message.id)).toEqual([1, 2, 3]);
  expect(ready.participants).toMatchObject([{ user_id: ana, role: "admin", online: true }]);
  expect(second.events.map(({ type }) => type)).toEqual(["ready", "synced"]);
});

test("S4: has_more says that older messages exist", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const socket = await join(ana, id);
  socket.send(
    Array.from({ length: 30 }, (_, n) => ({ type: "message.send", temp_id: `a${n}`, body: { text: "x" } })),
  );
  await socket.next("message.created", ({ message }) => message.id === 30);
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  socket.send(
    Array.from({ length: 25 }, (_, n) => ({ type: "message.send", temp_id: `b${n}`, body: { text: "x" } })),
  );
  await socket.next("message.created", ({ message }) => message.id === 55);
  const ready = await (await join(ana, id)).ready();
  expect(ready.messages?.map((message) => message.id)).toEqual(Array.from({ length: 50 }, (_, n) => n + 6));
  expect(ready.has_more).toBe(true);
});

test("M9 S5 S6: resume tells what changed, current state only, and live events follow without a gap", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  const b = await join(bo, id);
  const { epoch } = await b.ready();
  const one = await a.say("one");
  await b.next("message.created", ({ message }) => message.id === 1);
  b.close();
  await b.untilClosed();

  await a.say("two");
  a.send({ type: "message.edit", id: one.id, body: { text: "one, edited" } });
  await a.next("message.updated");
  const three = await a.say("three");
  a.send({ type: "message.delete", id: three.id });
  await a.next("message.deleted");
  await call(ana, "PATCH", `/conversations/${id}`, { title: "Renamed" });

  const back = await join(bo, id, { since: 1, epoch });
  expect((await back.ready()).resume).toBe("complete");
  expect((await back.ready()).messages).toBeUndefined();
  expect(back.events.slice(1).map((event) => [event.type, "seq" in event ? event.seq : null])).toEqual([
    ["message.created", 2],
    ["message.updated", 3],
    ["message.created", 5],
    ["conversation.updated", 6],
    // The system message about it.
    ["message.created", 7],
    ["synced", 7],
  ]);
  const deleted = await back.next("message.created", ({ message }) => message.id === 3);
  expect(deleted.message).toMatchObject({ body: null });
  expect(JSON.stringify(back.frames)).not.toContain('"three"');
  await a.say("four");
  await back.next("message.created", ({ message }) => message.id === 5);
  expect(back.liveSeqs()).toEqual([8]);
});

test("S5: nothing missed gives an empty replay", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const a = await join(ana, id);
  await a.say("one");
  const { epoch } = await a.ready();
  const again = await join(ana, id, { since: 1, epoch });
  expect(again.events.map(({ type }) => type)).toEqual(["ready", "synced"]);
  expect((await again.ready()).resume).toBe("complete");
});

test.each([
  ["an unknown epoch", { since: 1, epoch: "other" }],
  ["no epoch", { since: 1 }],
  ["a since from the future", { since: 99 }],
])("S5: %s gives a reset", async (_, query) => {
  const ana = newUser();
  const id = await newConversation(ana);
  const a = await join(ana, id);
  await a.say("one");
  const { epoch } = await a.ready();
  const again = await join(ana, id, {
    epoch: "epoch" in query || query.since === 1 ? undefined : epoch,
    ...query,
  } as never);
  expect((await again.ready()).resume).toBe("reset");
});

test("S5: a since that is not a number is a protocol violation", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const socket = await open(ana, id, { since: "x" as never });
  expect(await socket.untilClosed()).toMatchObject({ code: 4400 });
});

test("S5 P5: a resume tells of participants added, changed and removed meanwhile", async () => {
  const [ana, bo, cy, di] = [newUser(), newUser(), newUser(), newUser()];
  const id = await newConversation(ana, bo, cy);
  const a = await join(ana, id);
  const { epoch, seq } = await a.ready();
  a.close();
  await call(ana, "POST", `/conversations/${id}/participants`, { user_ids: [di] });
  await call(ana, "PATCH", `/conversations/${id}/participants/${bo}`, { role: "admin" });
  await call(ana, "DELETE", `/conversations/${id}/participants/${cy}`);
  const back = await join(ana, id, { since: seq, epoch });
  expect(back.events.slice(1, -1)).toMatchObject([
    { type: "conversation.participant_added", seq: 1, participant: { user_id: di, role: "member" } },
    { type: "message.created", seq: 2, message: { body: { data: { event: "participants_added" } } } },
    { type: "conversation.participant_updated", seq: 3, participant: { user_id: bo, role: "admin" } },
    { type: "conversation.participant_removed", seq: 4, user_id: cy },
    { type: "message.created", seq: 5, message: { body: { data: { event: "participant_removed" } } } },
  ]);
  expect((await back.ready()).participants.map(({ user_id }) => user_id).sort()).toEqual(
    [ana, bo, di].sort(),
  );
});

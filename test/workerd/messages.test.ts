import { expect, test } from "vitest";
import type { Message } from "../../protocol/entities.ts";
import { call, inspect, join, newConversation, newUser, rowsOf, untilDrained } from "./harness.ts";

test("M3 S8: a repeated temp_id gets the original back, and nobody else hears of it", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const [a, b] = [await join(ana, id), await join(bo, id)];
  const first = await a.say("hello", "t1");
  a.send({ type: "message.send", temp_id: "t1", body: { text: "something else" } });
  const repeat = await a.next("message.created", (event) => event.duplicate === true);
  expect(repeat).toMatchObject({ seq: 1, message: { id: first.id, body: { text: "hello" } } });
  const viaRest = await call<Message>(ana, "POST", `/conversations/${id}/messages`, {
    temp_id: "t1",
    body: { text: "again" },
  });
  expect([viaRest.status, viaRest.body.data.id]).toEqual([200, first.id]);
  // Another sender's temp_id is another message.
  const other = await b.say("mine", "t1");
  expect(other.id).toBe(2);
  await a.next("message.created", ({ message }) => message.id === 2);
  expect(b.liveSeqs()).toEqual([1, 2]);
  expect(a.liveSeqs()).toEqual([1, 2]);
});

test("M3: the same temp_id many times in one frame and at the same moment over REST is one message", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const a = await join(ana, id);
  const send = { type: "message.send", temp_id: "same", body: { text: "once" } };
  a.send([send, send, send]);
  const replies = await Promise.all(
    Array.from({ length: 5 }, () =>
      call<Message>(ana, "POST", `/conversations/${id}/messages`, {
        temp_id: "same",
        body: { text: "once" },
      }),
    ),
  );
  expect(replies.map(({ body }) => body.data.id)).toEqual([1, 1, 1, 1, 1]);
  await untilDrained(id);
  expect(await rowsOf(id)).toHaveLength(1);
});

test("M1 M2 S6: many senders at once get ids and seqs without gaps", async () => {
  const users = Array.from({ length: 10 }, newUser) as [string, ...string[]];
  const id = await newConversation(...users);
  const sockets = await Promise.all(users.map((user) => join(user, id)));
  for (const [index, socket] of sockets.entries()) {
    for (let n = 0; n < 20; n += 1)
      socket.send({ type: "message.send", temp_id: `${index}-${n}`, body: { text: `${n}` } });
  }
  const all = Array.from({ length: 200 }, (_, n) => n + 1);
  for (const socket of sockets) {
    await socket.next("message.created", ({ message }) => message.id === 200);
    expect(socket.liveSeqs()).toEqual(all);
    expect(
      socket.events.flatMap((event) => (event.type === "message.created" ? [event.message.id] : [])),
    ).toEqual(all);
  }
  // One sender's messages keep the order they were sent in.
  const order = sockets[0]?.events.flatMap((event) =>
    event.type === "message.created" && event.message.sender_id === users[3]
      ? [event.message.body?.text]
      : [],
  );
  expect(order).toEqual(Array.from({ length: 20 }, (_, n) => String(n)));
  await untilDrained(id);
  expect((await rowsOf(id)).map((row) => row.id)).toEqual(all);
});

test("M6: only the sender edits; the edit is told, stored and drained", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const [a, b] = [await join(ana, id), await join(bo, id)];
  const message = await b.say("tpyo");
  a.send({ type: "message.edit", id: message.id, body: { text: "hijack" }, ref: "r1" });
  expect(await a.next("error")).toMatchObject({ ref: "r1", error: { code: "FORBIDDEN", retryable: false } });
  b.send({ type: "message.edit", id: message.id, body: { text: "typo" } });
  const updated = await a.next("message.updated");
  expect(updated).toMatchObject({
    seq: 2,
    message: { id: 1, seq: 2, body: { text: "typo" }, temp_id: message.temp_id },
  });
  expect(updated.message.edited_at).not.toBeNull();
  expect(
    (await call(ana, "PATCH", `/conversations/${id}/messages/1`, { body: { text: "no" } })).body.error.code,
  ).toBe("FORBIDDEN");
  await untilDrained(id);
  await expect.poll(async () => (await rowsOf(id))[0]).toMatchObject({ seq: 2, body: { text: "typo" } });
});

test("M7: a deleted body is gone everywhere; deleting again changes nothing; it cannot be edited", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const [a, b] = [await join(ana, id), await join(bo, id)];
  await b.say("a secret");
  await a.next("message.created");
  const before = a.frames.length;
  // The admin may delete what somebody else wrote.
  a.send({ type: "message.delete", id: 1 });
  const event = await b.next("message.deleted");
  expect(event).toMatchObject({ seq: 2, message: { id: 1, body: null, sender_id: bo } });
  await a.next("message.deleted");
  expect(JSON.stringify(a.frames.slice(before))).not.toContain("a secret");
  b.send({ type: "message.delete", id: 1 });
  expect(await b.next("message.deleted", (deleted) => deleted.duplicate === true)).toMatchObject({ seq: 2 });
  b.send({ type: "message.edit", id: 1, body: { text: "back" } });
  expect((await b.next("error")).error.code).toBe("MESSAGE_NOT_FOUND");
  const page = await call<Message[]>(ana, "GET", `/conversations/${id}/messages`);
  expect(page.body.data).toMatchObject([{ id: 1, body: null }]);
  await expect.poll(async () => (await rowsOf(id))[0]).toMatchObject({ seq: 2, body: null });
  expect((await inspect(id)).seq).toBe(2);
});

test("M7: a member may not delete another's message", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  await (await join(ana, id)).say("mine");
  expect((await call(bo, "DELETE", `/conversations/${id}/messages/1`)).body.error.code).toBe("FORBIDDEN");
  expect((await call(bo, "DELETE", `/conversations/${id}/messages/7`)).body.error.code).toBe(
    "MESSAGE_NOT_FOUND",
  );
});

test("M8: a reply names an existing message of the conversation", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const a = await join(ana, id);
  await a.say("first");
  a.send({ type: "message.send", temp_id: "r", body: { text: "re" }, reply_to_id: 1 });
  expect(
    (await a.next("message.created", ({ message }) => message.temp_id === "r")).message.reply_to_id,
  ).toBe(1);
  a.send({ type: "message.send", temp_id: "s", body: { text: "re" }, reply_to_id: 9 });
  expect(await a.next("error")).toMatchObject({ temp_id: "s", error: { code: "MESSAGE_NOT_FOUND" } });
});

test("M5: data of any JSON shape is kept as it is", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const data = { list: [1, 2.5, null, true], nested: { 키: "값" }, empty: {} };
  const sent = await call<Message>(ana, "POST", `/conversations/${id}/messages`, {
    temp_id: "d",
    body: { data },
  });
  expect(sent.status).toBe(201);
  await untilDrained(id);
  expect((await rowsOf(id))[0]?.body).toEqual({ data });
});

test("R1 R4 R5: pages by before_id, after_id and since, before anything is drained and after", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const a = await join(ana, id);
  a.send(
    Array.from({ length: 30 }, (_, n) => ({
      type: "message.send",
      temp_id: `p${n}`,
      body: { text: `${n}` },
    })),
  );
  await a.next("message.created", ({ message }) => message.id === 30);
  const ids = async (query: string) => {
    const { body } = await call<Message[]>(ana, "GET", `/conversations/${id}/messages${query}`);
    return [body.data.map((message) => message.id), body.has_more];
  };
  for (let round = 0; round < 2; round += 1) {
    expect(await ids("?limit=3")).toEqual([[28, 29, 30], true]);
    expect(await ids("?limit=3&before_id=4")).toEqual([[1, 2, 3], false]);
    expect(await ids("?limit=3&before_id=5")).toEqual([[2, 3, 4], true]);
    expect(await ids("?limit=3&after_id=27")).toEqual([[28, 29, 30], false]);
    expect(await ids("?limit=3&after_id=0")).toEqual([[1, 2, 3], true]);
    expect(await ids("/since/28")).toEqual([[29, 30], false]);
    expect(await ids("/since/30")).toEqual([[], false]);
    expect(await ids("?before_id=1")).toEqual([[], false]);
    expect(await ids("?after_id=900719925474")).toEqual([[], false]);
    await untilDrained(id);
  }
});

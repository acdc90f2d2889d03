import { expect, test } from "vitest";
import type { Participant } from "../../protocol/entities.ts";
import { call, inspect, join, newConversation, newUser, rowsOf, untilDrained } from "./harness.ts";

test("S7 M1 S6: two users talk: one order, own event as acknowledgement, everything in Postgres", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const [a, b] = [await join(ana, id), await join(bo, id)];
  const first = await a.say("안녕하세요");
  const second = await b.say("hello");
  expect([first.id, second.id]).toEqual([1, 2]);
  await a.next("message.created", ({ message }) => message.id === 2);
  await b.next("message.created", ({ message }) => message.id === 2);
  expect(a.liveSeqs()).toEqual([1, 2]);
  expect(b.liveSeqs()).toEqual([1, 2]);
  await untilDrained(id);
  expect((await rowsOf(id)).map(({ id, body }) => [id, body])).toEqual([
    [1, { text: "안녕하세요" }],
    [2, { text: "hello" }],
  ]);
  expect((await inspect(id)).drained).toEqual({ seq: 2, message_id: 2 });
  const list = await call<Array<{ id: string }>>(ana, "GET", "/conversations");
  expect(list.body.data[0]).toMatchObject({ id, last_message_id: 2, me: { role: "admin", unread_count: 1 } });
});

test("S16: a client that connects anew ends its earlier session, and nothing more is carried out over that", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const first = await join(ana, id, { client_id: "tab" });
  const [other, witness] = [
    await join(ana, id, { client_id: "phone" }),
    await join(bo, id, { client_id: "tab" }),
  ];
  await first.say("before");
  const second = await join(ana, id, { client_id: "tab" });
  expect(await first.untilClosed()).toMatchObject({ code: 1000, reason: "replaced" });
  await second.say("after");
  for (const socket of [other, witness]) {
    const { message } = await socket.next("message.created", (event) => event.message.id === 2);
    expect(message.body).toEqual({ text: "after" });
  }
});

test("participants are told how far each has read, by the socket and by REST", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const socket = await join(ana, id);
  await socket.say("one");
  await socket.say("two");
  const expected = [
    [ana, 2],
    [bo, 0],
  ].sort();
  const positions = (participants: Participant[]) =>
    participants.map(({ user_id, last_read_id }) => [user_id, last_read_id]).sort();
  const ready = await (await join(bo, id)).ready();
  expect(positions(ready.participants)).toEqual(expected);
  const { body } = await call<Participant[]>(bo, "GET", `/conversations/${id}/participants`);
  expect(positions(body.data)).toEqual(expected);
});

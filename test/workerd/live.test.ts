import { expect, test } from "vitest";
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

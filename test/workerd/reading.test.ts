import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { sql } from "drizzle-orm";
import { expect, test } from "vitest";
import type { Conversation, Message } from "../../protocol/entities.ts";
import { Random } from "../simulation/random.ts";
import { call, db, join, newConversation, newUser, objectOf, untilDrained } from "./harness.ts";

interface Unread {
  total: number;
  conversations: Array<{ id: string; unread_count: number; last_read_id: number; last_message_id: number }>;
}

const read = (user: string, id: string, lastReadId: number) =>
  call<Unread["conversations"][number]>(user, "PUT", `/conversations/${id}/read`, {
    last_read_id: lastReadId,
  });

const unreadOf = async (user: string, id: string) => {
  const { body } = await call<Unread>(user, "GET", "/conversations/unread-count");
  const found = body.data.conversations.find((conversation) => conversation.id === id);
  const [listed] = (await call<Conversation[]>(user, "GET", "/conversations")).body.data;
  return { total: body.data.total, ...found, listed: listed?.me.unread_count };
};

test("U1 U2 U4: reading counts down, never up, and not beyond the newest message", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  for (let n = 1; n <= 5; n += 1) await a.say(`m${n}`);
  expect(await unreadOf(bo, id)).toMatchObject({ total: 5, unread_count: 5, last_read_id: 0, listed: 5 });
  expect(await unreadOf(ana, id)).toMatchObject({ total: 0, last_read_id: 5, listed: 0 });
  expect((await read(bo, id, 3)).body.data).toEqual({ last_read_id: 3, unread_count: 2, last_message_id: 5 });
  expect((await read(bo, id, 1)).body.data).toEqual({ last_read_id: 3, unread_count: 2, last_message_id: 5 });
  const beyond = await read(bo, id, 6);
  expect([beyond.status, beyond.body.error]).toMatchObject([
    400,
    { code: "VALIDATION_FAILED", details: [{ path: "last_read_id" }] },
  ]);
  // At once, although the conversation may have been silent for long: Postgres had it before the answer.
  expect(await unreadOf(bo, id)).toMatchObject({ unread_count: 2, last_read_id: 3, listed: 2 });
  await evictDurableObject(objectOf(id));
  expect(await unreadOf(bo, id)).toMatchObject({ unread_count: 2, last_read_id: 3, listed: 2 });
});

test("U1: deleted messages, system messages and what came before joining do not count", async () => {
  const [ana, bo, cy] = [newUser(), newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  for (let n = 1; n <= 4; n += 1) await a.say(`m${n}`);
  await call(ana, "DELETE", `/conversations/${id}/messages/2`);
  await call(ana, "POST", `/conversations/${id}/participants`, { user_ids: [cy] });
  await call(ana, "PATCH", `/conversations/${id}`, { title: "New" });
  expect(await unreadOf(bo, id)).toMatchObject({ unread_count: 3, last_message_id: 6, listed: 3 });
  expect(await unreadOf(cy, id)).toMatchObject({ unread_count: 0, last_message_id: 6, listed: 0 });
  await a.say("m7");
  expect(await unreadOf(cy, id)).toMatchObject({ unread_count: 1, listed: 1 });
});

test.each([1, 2, 3, 4, 5, 6])("U1: every count equals a count by brute force, seed %d", async (seed) => {
  const choices = new Random(seed);
  const random = (below: number): number => choices.integer(0, below - 1);
  const [admin, ...others] = Array.from({ length: 5 }, newUser) as [string, ...string[]];
  const ids = [await newConversation(admin, ...others), await newConversation(admin, ...others.slice(0, 2))];
  for (let step = 0; step < 60; step += 1) {
    const id = ids[random(ids.length)] ?? "";
    const user = [admin, ...others][random(others.length + 1)] ?? admin;
    const path = `/conversations/${id}`;
    const head = (await call<Conversation>(admin, "GET", path)).body.data.last_message_id;
    switch (random(8)) {
      case 0:
      case 1:
      case 2:
        await call(user, "POST", `${path}/messages`, { temp_id: `${step}`, body: { text: `m${step}` } });
        break;
      case 3:
        if (head > 0) await call(admin, "DELETE", `${path}/messages/${1 + random(head)}`);
        break;
      case 4:
        await Promise.all([read(user, id, random(head + 1)), read(user, id, random(head + 1))]);
        break;
      case 5:
        if (user !== admin) await call(admin, "DELETE", `${path}/participants/${user}`);
        break;
      case 6:
        await call(admin, "POST", `${path}/participants`, { user_ids: [user] });
        break;
      case 7:
        // An object that nobody has needed yet cannot be evicted.
        if (random(2) === 0) await evictDurableObject(objectOf(id)).catch(() => undefined);
        else await call(admin, "PATCH", path, { title: `t${step}` });
    }
    if (step % 6 !== 5) continue;
    for (const reader of [admin, ...others]) {
      const { data } = (await call<Unread>(reader, "GET", "/conversations/unread-count")).body;
      const { data: list } = (await call<Conversation[]>(reader, "GET", "/conversations")).body;
      let total = 0;
      for (const { id: of, last_read_id, last_message_id, unread_count } of data.conversations) {
        const page = await call<Message[]>(
          reader,
          "GET",
          `/conversations/${of}/messages/since/${last_read_id}`,
        );
        const counted = page.body.data.filter(
          (message) =>
            message.id <= last_message_id &&
            message.type === "user" &&
            message.sender_id !== reader &&
            message.deleted_at === null,
        );
        expect([step, reader, of, unread_count]).toEqual([step, reader, of, counted.length]);
        expect(list.find((conversation) => conversation.id === of)?.me).toMatchObject({
          unread_count,
          last_read_id,
        });
        total += unread_count;
      }
      expect(data.total).toBe(total);
    }
  }
});

test("U3: an acknowledged read position is durable, and reaches Postgres although the object died before it told", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  await a.say("one");
  await untilDrained(id);
  // As if it had died between storing the position and draining it.
  await runInDurableObject(objectOf(id), (_, state) => {
    const query = "select state from participants where user_id = ?";
    const participant = JSON.parse(String(state.storage.sql.exec(query, bo).one().state));
    const stored = JSON.stringify({ ...participant, last_read_id: 1, isUndrained: true });
    state.storage.sql.exec("update participants set state = ? where user_id = ?", stored, bo);
  });
  await evictDurableObject(objectOf(id));
  const back = await join(bo, id);
  expect((await back.ready()).conversation.me.last_read_id).toBe(1);
  await expect.poll(async () => (await unreadOf(bo, id)).last_read_id).toBe(1);
});

test("U1: an object that begins with the newest thousand messages counts what lies before them as well", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  await db.execute(sql`
    insert into messages (conversation_id, id, seq, created_seq, sender_id, temp_id, type, body, created_at, deleted_at)
    select ${id}::uuid, n, n, n, ${ana}, 't' || n, 'user', case when n > 100 then '{"text":"x"}'::jsonb end, now(),
           case when n <= 100 then now() end
    from generate_series(1, 1300) n`);
  await db.execute(sql`update conversations set last_message_id = 1300, seq = 1300 where id = ${id}::uuid`);
  expect(await unreadOf(bo, id)).toMatchObject({ unread_count: 1200, listed: 1200 });
  expect((await call(bo, "GET", `/conversations/${id}/messages?limit=1`)).status).toBe(200);
  expect(await unreadOf(bo, id)).toMatchObject({ unread_count: 1200, listed: 1200 });
  await call(ana, "DELETE", `/conversations/${id}/messages/150`);
  expect((await read(bo, id, 50)).body.data).toMatchObject({ last_read_id: 50, unread_count: 1199 });
});

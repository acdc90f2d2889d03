import {
  abortAllDurableObjects,
  evictDurableObject,
  runDurableObjectAlarm,
  runInDurableObject,
} from "cloudflare:test";
import { sql } from "drizzle-orm";
import { expect, test } from "vitest";
import type { Message } from "../../protocol/entities.ts";
import {
  call,
  db,
  inspect,
  join,
  newConversation,
  newUser,
  objectOf,
  open,
  rowsOf,
  until,
  untilDrained,
} from "./harness.ts";

/** Makes Postgres fail for one conversation's messages alone, with this SQLSTATE, while `work` runs. */
async function whilePostgresFails(id: string, sqlState: string, work: () => Promise<void>): Promise<void> {
  const name = `fail_${id.replaceAll("-", "")}`;
  await db.execute(
    sql.raw(`
    create function ${name}() returns trigger language plpgsql as $$
    begin if new.conversation_id = '${id}' then raise exception 'made to fail' using errcode = '${sqlState}'; end if; return new; end $$`),
  );
  await db.execute(
    sql.raw(
      `create trigger ${name} before insert or update on messages for each row execute function ${name}()`,
    ),
  );
  try {
    await work();
  } finally {
    await db.execute(sql.raw(`drop function ${name}() cascade`));
  }
}

test("S14: an evicted object serves its hibernated sockets, with order and sessions intact", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const [a, b] = [await join(ana, id), await join(bo, id)];
  await a.say("one");
  await untilDrained(id);
  await evictDurableObject(objectOf(id));
  await b.say("two");
  await a.next("message.created", ({ message }) => message.id === 2);
  expect(a.liveSeqs()).toEqual([1, 2]);
  expect((await inspect(id)).sockets).toBe(2);
  // A removal still finds the sockets.
  await evictDurableObject(objectOf(id));
  expect((await call(ana, "DELETE", `/conversations/${id}/participants/${bo}`)).status).toBe(204);
  expect(await b.untilClosed()).toMatchObject({ code: 4403 });
});

test("S10: ping is answered by the runtime", async () => {
  const ana = newUser();
  const a = await join(ana, await newConversation(ana));
  a.send("ping");
  await until(() => a.frames.includes("pong"));
});

test("M3 M4: after the object died, everything acknowledged is there and a repeat finds its original", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const a = await join(ana, id);
  const { epoch } = await a.ready();
  for (let n = 1; n <= 5; n += 1) await a.say(`m${n}`, `t${n}`);
  await abortAllDurableObjects();
  const back = await join(ana, id, { since: 3, epoch });
  expect((await back.ready()).resume).toBe("complete");
  back.send({ type: "message.send", temp_id: "t4", body: { text: "again" } });
  const repeat = await back.next("message.created", (event) => event.duplicate === true);
  expect(repeat.message).toMatchObject({ id: 4, body: { text: "m4" } });
  expect((await back.say("m6")).id).toBe(6);
});

test("D1 D2: while Postgres refuses service messages go on; the alarm drains them afterwards", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const a = await join(ana, id);
  await whilePostgresFails(id, "57P03", async () => {
    for (let n = 1; n <= 5; n += 1) await a.say(`m${n}`);
    await until(async () => (await inspect(id)).drain_failures > 0);
    // More failures, by alarm alone, do not end it.
    for (let n = 0; n < 8; n += 1) {
      await runInDurableObject(objectOf(id), async (_, state) =>
        expect(await state.storage.getAlarm()).not.toBeNull(),
      );
      await runDurableObjectAlarm(objectOf(id));
    }
    expect(await rowsOf(id)).toEqual([]);
    const page = await call<Message[]>(ana, "GET", `/conversations/${id}/messages`);
    expect(page.body.data).toHaveLength(5);
    expect(a.events.filter(({ type }) => type === "error")).toEqual([]);
  });
  await untilDrained(id);
  expect((await rowsOf(id)).map((row) => row.id)).toEqual([1, 2, 3, 4, 5]);
  expect((await inspect(id)).poison).toEqual([]);
});

test("D2: what an instance could not drain before it died, the alarm of the next one does", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const a = await join(ana, id);
  await whilePostgresFails(id, "57P03", async () => {
    await a.say("kept");
    await until(async () => (await inspect(id)).drain_failures > 0);
    await abortAllDurableObjects();
  });
  expect(await runDurableObjectAlarm(objectOf(id))).toBe(true);
  await until(async () => (await rowsOf(id)).length === 1);
});

test("D4: a message that Postgres refuses for its content is set aside and does not hold up the others", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const a = await join(ana, id);
  const constraint = `poison_${id.replaceAll("-", "")}`;
  await db.execute(
    sql.raw(
      `alter table messages add constraint ${constraint} check (conversation_id <> '${id}' or id <> 2)`,
    ),
  );
  try {
    a.send([1, 2, 3].map((n) => ({ type: "message.send", temp_id: `t${n}`, body: { text: `m${n}` } })));
    await a.next("message.created", ({ message }) => message.id === 3);
    await untilDrained(id);
  } finally {
    await db.execute(sql.raw(`alter table messages drop constraint ${constraint}`));
  }
  expect((await rowsOf(id)).map((row) => row.id)).toEqual([1, 3]);
  expect((await inspect(id)).poison).toMatchObject([
    { message_id: 2, error: expect.stringContaining("23514") },
  ]);
  const { rows } = await db.execute(
    sql`select message_id::int, sql_state from poison_messages where conversation_id = ${id}::uuid`,
  );
  expect(rows).toEqual([{ message_id: 2, sql_state: "23514" }]);
  // Readers of the conversation still see it.
  expect((await call<Message[]>(ana, "GET", `/conversations/${id}/messages`)).body.data).toHaveLength(3);
  const found = await call<Message[]>(ana, "GET", `/conversations/${id}/messages/search?q=m2`);
  expect(found.body.data.map((message) => message.id)).toEqual([2]);
});

test("D3: a batch that is written twice, or late, changes nothing", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const a = await join(ana, id);
  await a.say("one");
  a.send({ type: "message.edit", id: 1, body: { text: "edited" } });
  await a.next("message.updated");
  await until(async () => (await rowsOf(id))[0]?.seq === 2);
  const before = await rowsOf(id);
  // An instance that dies leaves the cursor where it was stored last: here, before the edit.
  await runInDurableObject(objectOf(id), (_, state) => {
    expect(state.storage.sql.exec("select seq from drain").one()).toEqual({ seq: 1 });
  });
  await abortAllDurableObjects();
  await (await join(ana, id)).say("two");
  await untilDrained(id);
  expect((await rowsOf(id)).slice(0, 1)).toEqual(before);
});

test("D5: an object whose storage was lost takes everything up again from Postgres, in a new epoch", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  const { epoch } = await a.ready();
  for (let n = 1; n <= 4; n += 1) await a.say(`m${n}`, `t${n}`);
  a.send({ type: "message.delete", id: 2 });
  await a.next("message.deleted");
  await until(async () => (await rowsOf(id)).filter((row) => row.deleted_at !== null).length === 1);
  await runInDurableObject(objectOf(id), (_, state) => state.storage.deleteAll());
  await abortAllDurableObjects();

  const back = await join(ana, id, { since: 5, epoch });
  const ready = await back.ready();
  expect(ready).toMatchObject({ resume: "reset", seq: 5, last_message_id: 4, has_more: false });
  expect(ready.epoch).not.toBe(epoch);
  expect(ready.messages?.map(({ id, body }) => [id, body?.text ?? null])).toEqual([
    [1, "m1"],
    [2, null],
    [3, "m3"],
    [4, "m4"],
  ]);
  back.send({ type: "message.send", temp_id: "t3", body: { text: "again" } });
  expect((await back.next("message.created", (event) => event.duplicate === true)).message.id).toBe(3);
  const next = await back.say("m5");
  expect([next.id, next.seq]).toEqual([5, 6]);
  await (await join(bo, id)).say("me too");
});

test("D5 M3 R5: below what was taken up, repeats, edits and pages reach into Postgres", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  // More messages than an object takes up: written as an earlier life drained them.
  await db.batch([
    db.execute(sql`insert into messages (conversation_id, id, seq, created_seq, sender_id, temp_id, type, body, created_at)
      select ${id}::uuid, n, n, n, ${ana}, 't' || n, 'user', jsonb_build_object('text', 'm' || n), now() from generate_series(1, 1100) n`),
    db.execute(
      sql`update conversations set last_message_id = 1100, seq = 1100, activated_at = now() where id = ${id}::uuid`,
    ),
  ]);
  const a = await join(ana, id);
  expect(await inspect(id)).toMatchObject({ head: 1100, seq: 1100, floor: 101 });
  a.send({ type: "message.send", temp_id: "t7", body: { text: "again" } });
  expect((await a.next("message.created", (event) => event.duplicate === true)).message.id).toBe(7);
  await whilePostgresFails(id, "57P03", async () => {
    a.send({ type: "message.edit", id: 9, body: { text: "edited below" } });
    await a.next("message.updated");
    a.send({ type: "message.delete", id: 11 });
    await a.next("message.deleted");
    const old = await call<Message[]>(ana, "GET", `/conversations/${id}/messages?before_id=13&limit=5`);
    expect(old.body.data.map((message) => [message.id, message.body?.text ?? null])).toEqual([
      [8, "m8"],
      [9, "edited below"],
      [10, "m10"],
      [11, null],
      [12, "m12"],
    ]);
    expect(old.body.has_more).toBe(true);
    const across = await call<Message[]>(ana, "GET", `/conversations/${id}/messages?before_id=104&limit=6`);
    expect(across.body.data.map((message) => message.id)).toEqual([98, 99, 100, 101, 102, 103]);
    const after = await call<Message[]>(ana, "GET", `/conversations/${id}/messages?after_id=98&limit=5`);
    expect(after.body.data.map((message) => message.id)).toEqual([99, 100, 101, 102, 103]);
    const first = await call<Message[]>(ana, "GET", `/conversations/${id}/messages/since/0?limit=3`);
    expect([first.body.data.map((message) => message.id), first.body.has_more]).toEqual([[1, 2, 3], true]);
  });
  expect((await a.say("next")).id).toBe(1101);
});

test("P1: asking for conversations that do not exist leaves nothing stored in their objects", async () => {
  const id = crypto.randomUUID();
  expect((await call(newUser(), "GET", `/conversations/${id}/messages`)).status).toBe(404);
  expect(await (await open(newUser(), id)).untilClosed()).toMatchObject({ code: 4404 });
  await runInDurableObject(objectOf(id), async (_, state) => {
    expect(
      state.storage.sql
        .exec("select name from sqlite_master where name not like '\\_cf%' escape '\\'")
        .toArray(),
    ).toEqual([]);
    expect(await state.storage.getAlarm()).toBeNull();
  });
});

test("a message costs two rows written in the object, besides the batch's own", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const a = await join(ana, id);
  await a.say("warm");
  await untilDrained(id);
  await runInDurableObject(objectOf(id), (_, state) => {
    const cursor = state.storage.sql.exec(
      "insert into messages values (1000, 1000, 1000, 'x', 'y', 'user', '{}', null, 0, null, null, null) returning id",
    );
    cursor.toArray();
    expect(cursor.rowsWritten).toBe(2);
    state.storage.sql.exec("delete from messages where id = 1000");
  });
});

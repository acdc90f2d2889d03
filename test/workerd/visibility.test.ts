import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { sql } from "drizzle-orm";
import { expect, test } from "vitest";
import type { Conversation, Message } from "../../protocol/entities.ts";
import { call, db, join, newUser, objectOf, untilDrained } from "./harness.ts";

/** A group whose later joiners see what comes after they join. */
async function newPrivateGroup(...users: [string, ...string[]]): Promise<string> {
  const [creator, ...participant_ids] = users;
  const created = await call<Conversation>(creator, "POST", "/conversations", {
    type: "group",
    participant_ids,
    history_visibility: "joining",
  });
  expect(created.body.data.history_visibility).toBe("joining");
  return created.body.data.id;
}

const add = (admin: string, id: string, user: string) =>
  call(admin, "POST", `/conversations/${id}/participants`, { user_ids: [user] });

const page = async (user: string, id: string, query = "") => {
  const { body } = await call<Message[]>(user, "GET", `/conversations/${id}/messages${query}`);
  return { ids: body.data.map((message) => message.id), has_more: body.has_more };
};

test("P10 S17: who joins later sees nothing from before, on any path, also while nothing is drained", async () => {
  const [ana, bo, cy] = [newUser(), newUser(), newUser()];
  const id = await newPrivateGroup(ana, bo);
  const a = await join(ana, id);
  for (let n = 1; n <= 4; n += 1) await a.say(`secret ${n}`);
  expect((await add(ana, id, cy)).status).toBe(201);

  const c = await join(cy, id);
  const ready = await c.ready();
  expect(ready).toMatchObject({ last_message_id: 5, has_more: false, messages: [{ id: 5, type: "system" }] });
  expect(ready.conversation).toMatchObject({
    last_message: { id: 5 },
    me: { last_read_id: 4, unread_count: 0 },
  });
  expect(await page(cy, id)).toEqual({ ids: [5], has_more: false });
  expect(await page(cy, id, "?before_id=4")).toEqual({ ids: [], has_more: false });
  expect(await page(cy, id, "?after_id=0")).toEqual({ ids: [5], has_more: false });
  expect(await page(cy, id, "/since/0")).toEqual({ ids: [5], has_more: false });
  expect(await page(bo, id)).toEqual({ ids: [1, 2, 3, 4, 5], has_more: false });

  // What they may not see does not exist for them.
  const path = `/conversations/${id}/messages`;
  const refused = [
    await call(cy, "PATCH", `${path}/2`, { body: { text: "x" } }),
    await call(cy, "DELETE", `${path}/2`),
    await call(cy, "PUT", `${path}/2/reactions/%F0%9F%91%8D`),
    await call(cy, "POST", path, { temp_id: "r", body: { text: "re" }, reply_to_id: 2 }),
  ];
  expect(refused.map(({ body }) => body.error.code)).toEqual(Array(4).fill("MESSAGE_NOT_FOUND"));

  // Changes of it keep their place in the order, and say nothing.
  const edited = await call<Message>(ana, "PATCH", `${path}/1`, { body: { text: "secret, edited" } });
  expect(edited.status).toBe(200);
  await call(ana, "PUT", `${path}/2/reactions/%F0%9F%91%8D`);
  await call(ana, "DELETE", `${path}/3`);
  await a.say("for all");
  await c.next("message.created", ({ message }) => message.id === 6);
  const live = c.events.slice(c.events.findIndex(({ type }) => type === "synced") + 1);
  expect(live.flatMap((event) => ("seq" in event ? [[event.type, event.seq]] : []))).toEqual([
    ["conversation.updated", 7],
    ["conversation.updated", 8],
    ["conversation.updated", 9],
    ["message.created", 10],
  ]);
  expect(c.frames.join()).not.toContain("secret");
  expect(c.liveSeqs()).toEqual([7, 8, 9, 10]);

  // The same after everything that can be forgotten was.
  await untilDrained(id);
  await evictDurableObject(objectOf(id));
  const { epoch } = ready;
  const back = await join(cy, id, { since: 6, epoch });
  expect(back.events.slice(1).map(({ type }) => type)).toEqual(["message.created", "synced"]);
  expect(back.frames.join()).not.toContain("secret");
  const rows = await db.execute(
    sql`select visible_from_id::int from participants where conversation_id = ${id}::uuid and user_id = ${cy}`,
  );
  expect(rows.rows).toEqual([{ visible_from_id: 5 }]);
  const listed = await call<Conversation[]>(cy, "GET", "/conversations");
  expect(listed.body.data).toMatchObject([{ id, last_message: { id: 6 } }]);
});

test("P10: an object that lost its storage still hides it, and reads what it lacks from Postgres no further", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newPrivateGroup(ana);
  const a = await join(ana, id);
  for (let n = 1; n <= 3; n += 1) await a.say(`secret ${n}`);
  await add(ana, id, bo);
  for (let n = 5; n <= 8; n += 1) await a.say(`open ${n}`);
  await untilDrained(id);
  await runInDurableObject(objectOf(id), async (_, state) => {
    await state.storage.deleteAlarm();
    await state.storage.deleteAll();
  });
  await evictDurableObject(objectOf(id));
  const b = await join(bo, id);
  expect((await b.ready()).messages?.map((message) => message.id)).toEqual([4, 5, 6, 7, 8]);
  expect(await page(bo, id, "?limit=2&before_id=6")).toEqual({ ids: [4, 5], has_more: false });
  expect(await page(ana, id, "?limit=2&before_id=3")).toEqual({ ids: [1, 2], has_more: false });
});

test("P10: who leaves and comes back sees neither what was said before nor meanwhile, and starts over", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newPrivateGroup(ana, bo);
  const a = await join(ana, id);
  const b = await join(bo, id);
  await a.say("before");
  const { epoch } = await b.ready();
  await call(ana, "DELETE", `/conversations/${id}/participants/${bo}`);
  await a.say("meanwhile");
  await add(ana, id, bo);
  const back = await join(bo, id, { since: 1, epoch });
  expect(await back.ready()).toMatchObject({
    resume: "reset",
    messages: [{ type: "system" }],
    has_more: false,
  });
  expect(back.frames.join()).not.toContain("meanwhile");
});

test("P10: the setting is an admin's, speaks of later joiners, and not of a direct conversation", async () => {
  const [ana, bo, cy, di] = [newUser(), newUser(), newUser(), newUser()];
  const id = await newPrivateGroup(ana, bo);
  await (await join(ana, id)).say("one");
  const change = (user: string, history_visibility: string) =>
    call<Conversation>(user, "PATCH", `/conversations/${id}`, { history_visibility });
  await add(ana, id, cy);
  expect((await change(bo, "beginning")).status).toBe(403);
  expect((await change(ana, "nothing")).status).toBe(400);
  expect((await call(ana, "PATCH", `/conversations/${id}`, {})).status).toBe(400);
  expect((await change(ana, "beginning")).body.data.history_visibility).toBe("beginning");
  await add(ana, id, di);
  expect((await page(di, id)).ids).toEqual([1, 2, 3]);
  expect((await page(cy, id)).ids).toEqual([2, 3]);
  const direct = await call(ana, "POST", "/conversations", {
    type: "direct",
    participant_ids: [bo],
    history_visibility: "joining",
  });
  expect(direct.status).toBe(400);
});

test("M11: joins, leaves and renames are told by system messages, whoever holds the conversation", async () => {
  const [ana, bo, cy] = [newUser(), newUser(), newUser()];
  const said = async (id: string) => {
    const { body } = await call<Message[]>(ana, "GET", `/conversations/${id}/messages`);
    return body.data.map(({ id: at, type, sender_id, temp_id, body: text }) => [
      at,
      type,
      sender_id,
      temp_id,
      text?.data,
    ]);
  };
  for (const isLoaded of [false, true]) {
    const created = await call<Conversation>(ana, "POST", "/conversations", {
      type: "group",
      participant_ids: [bo],
    });
    const { id } = created.body.data;
    // Nothing is said of creating it; without the object, Postgres itself says the rest.
    expect(created.body.data.last_message_id).toBe(0);
    if (isLoaded) expect((await (await join(ana, id)).ready()).last_message_id).toBe(0);
    await call(ana, "PATCH", `/conversations/${id}`, { title: "New" });
    // Who takes part already is not said to be added.
    await call(ana, "POST", `/conversations/${id}/participants`, { user_ids: [bo, cy] });
    await call(ana, "DELETE", `/conversations/${id}/participants/${bo}`);
    await call(cy, "DELETE", `/conversations/${id}/participants/${cy}`);
    // What changes nothing says nothing.
    await call(ana, "PATCH", `/conversations/${id}`, { title: "New" });
    const listed = await call<Conversation>(ana, "GET", `/conversations/${id}`);
    expect(listed.body.data).toMatchObject({
      last_message_id: 4,
      last_message: { type: "system" },
      me: { unread_count: 0 },
    });
    expect(await said(id)).toEqual([
      [1, "system", ana, null, { event: "conversation_renamed", title: "New" }],
      [2, "system", ana, null, { event: "participants_added", user_ids: [cy] }],
      [3, "system", ana, null, { event: "participant_removed", user_id: bo }],
      [4, "system", cy, null, { event: "participant_left", user_id: cy }],
    ]);
    await untilDrained(id);
    const rows = await db.execute(
      sql`select id::int from messages where conversation_id = ${id}::uuid order by id`,
    );
    expect(rows.rows).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }, { id: 4 }]);
  }
});

test("M11: a change is said once, however often it is told and however often the object dies", async () => {
  const [ana, bo, cy] = [newUser(), newUser(), newUser()];
  const created = await call<Conversation>(ana, "POST", "/conversations", {
    type: "group",
    participant_ids: [],
  });
  const { id } = created.body.data;
  const a = await join(ana, id);
  await add(ana, id, bo);
  await evictDurableObject(objectOf(id));
  await add(ana, id, bo);
  await Promise.all([add(ana, id, cy), add(ana, id, cy)]);
  const { body } = await call<Message[]>(ana, "GET", `/conversations/${id}/messages`);
  expect(body.data.map((message) => message.body?.data)).toEqual([
    { event: "participants_added", user_ids: [bo] },
    { event: "participants_added", user_ids: [cy] },
  ]);
  a.close();
});

test("M11: an object that died in its first load says afterwards what happened meanwhile, once", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const created = await call<Conversation>(ana, "POST", "/conversations", {
    type: "group",
    participant_ids: [],
  });
  const { id } = created.body.data;
  // As far as it came: Postgres takes it for loaded, and it holds nothing.
  await db.execute(sql`update conversations set activated_at = now() where id = ${id}::uuid`);
  await call(ana, "PATCH", `/conversations/${id}`, { title: "New" });
  await add(ana, id, bo);
  const { body } = await call<Message[]>(ana, "GET", `/conversations/${id}/messages`);
  expect(body.data.map((message) => [message.id, message.body?.data])).toEqual([
    [1, { event: "conversation_renamed", title: "New" }],
    [2, { event: "participants_added", user_ids: [bo] }],
  ]);
  await untilDrained(id);
  const { rows } = await db.execute(
    sql`select id::int from messages where conversation_id = ${id}::uuid order by id`,
  );
  expect(rows).toEqual([{ id: 1 }, { id: 2 }]);
});

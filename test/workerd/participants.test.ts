import { sql } from "drizzle-orm";
import { expect, test } from "vitest";
import { purgeDeleted } from "../../db/conversations.ts";
import type { Conversation, Participant } from "../../protocol/entities.ts";
import worker from "../../workers/index.ts";
import {
  call,
  db,
  inspect,
  join,
  newConversation,
  newUser,
  open,
  rowsOf,
  testEnv,
  until,
  untilDrained,
} from "./harness.ts";

test("P4: a removed participant is cut off before the removal is answered, and cannot come back", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const [a, b, b2] = [await join(ana, id), await join(bo, id), await join(bo, id)];
  await a.say("before");
  await Promise.all([b, b2].map((socket) => socket.next("message.created")));
  const removal = await call(ana, "DELETE", `/conversations/${id}/participants/${bo}`);
  expect(removal.status).toBe(204);
  await a.say("after");
  expect(await b.untilClosed()).toMatchObject({ code: 4403 });
  expect(await b2.untilClosed()).toMatchObject({ code: 4403 });
  expect(JSON.stringify([b.frames, b2.frames])).not.toContain("after");
  expect(b.events.map(({ type }) => type)).not.toContain("conversation.participant_removed");
  expect(await (await open(bo, id)).untilClosed()).toMatchObject({ code: 4404 });
  for (const path of ["", "/messages", "/participants", "/messages/since/0"]) {
    expect((await call(bo, "GET", `/conversations/${id}${path}`)).body.error.code).toBe(
      "CONVERSATION_NOT_FOUND",
    );
  }
  expect((await call<unknown[]>(bo, "GET", "/conversations")).body.data).toEqual([]);
  expect((await call(bo, "POST", `/conversations/${id}/participants`, { user_ids: [bo] })).status).toBe(404);
  expect(await a.next("conversation.participant_removed")).toMatchObject({ seq: 2, user_id: bo });
});

test("P4: frames of a removed participant that were on their way change nothing", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const [a, b] = [await join(ana, id), await join(bo, id)];
  const removal = call(ana, "DELETE", `/conversations/${id}/participants/${bo}`);
  for (let n = 0; n < 10; n += 1)
    b.send({ type: "message.send", temp_id: `late${n}`, body: { text: "late" } });
  expect((await removal).status).toBe(204);
  const { seq } = await inspect(id);
  try {
    b.send({ type: "message.send", temp_id: "too late", body: { text: "late" } });
  } catch {
    // The socket is closed already.
  }
  await a.say("next");
  expect((await inspect(id)).seq).toBe(seq + 1);
});

test("P5: added participants can join at once, and everybody is told", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana);
  const a = await join(ana, id);
  expect(await (await open(bo, id)).untilClosed()).toMatchObject({ code: 4404 });
  const added = await call<Participant[]>(ana, "POST", `/conversations/${id}/participants`, {
    user_ids: [bo, bo, ana],
  });
  expect([added.status, added.body.data.map(({ user_id }) => user_id).sort()]).toEqual([
    201,
    [ana, bo].sort(),
  ]);
  expect(await a.next("conversation.participant_added")).toMatchObject({
    seq: 1,
    participant: { user_id: bo },
  });
  await (await join(bo, id)).say("hello");
  await a.next("message.created");
  // Adding again changes nothing.
  await call(ana, "POST", `/conversations/${id}/participants`, { user_ids: [bo] });
  // Two: bo came, and the system message said so.
  expect((await inspect(id)).seq).toBe(3);
});

test("P2 P3: roles, and the last admin", async () => {
  const [ana, bo, cy] = [newUser(), newUser(), newUser()];
  const id = await newConversation(ana, bo, cy);
  const code = async (...args: Parameters<typeof call>) => {
    const { status, body } = await call(...args);
    return status < 300 ? status : body.error.code;
  };
  const path = `/conversations/${id}`;
  expect(await code(bo, "PATCH", path, { title: "x" })).toBe("FORBIDDEN");
  expect(await code(bo, "DELETE", path)).toBe("FORBIDDEN");
  expect(await code(bo, "POST", `${path}/participants`, { user_ids: [newUser()] })).toBe("FORBIDDEN");
  expect(await code(bo, "PATCH", `${path}/participants/${cy}`, { role: "admin" })).toBe("FORBIDDEN");
  expect(await code(bo, "DELETE", `${path}/participants/${cy}`)).toBe("FORBIDDEN");
  expect(await code(ana, "DELETE", `${path}/participants/${ana}`)).toBe("CONFLICT");
  expect(await code(ana, "PATCH", `${path}/participants/${ana}`, { role: "member" })).toBe("CONFLICT");
  expect(await code(ana, "DELETE", `${path}/participants/${newUser()}`)).toBe("NOT_FOUND");
  expect(await code(bo, "DELETE", `${path}/participants/${bo}`)).toBe(204);
  expect(await code(ana, "PATCH", `${path}/participants/${cy}`, { role: "admin" })).toBe(200);
  expect(await code(ana, "DELETE", `${path}/participants/${ana}`)).toBe(204);
  // Alone, the last one may go.
  expect(await code(cy, "DELETE", `${path}/participants/${cy}`)).toBe(204);
});

test("P9: a group that its last participant left is gone, and its rows with it", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  await (await join(ana, id)).say("to nobody");
  await untilDrained(id);
  expect((await call(ana, "DELETE", `/conversations/${id}/participants/${ana}`)).status).toBe(204);
  await purgeDeleted(db);
  expect(await rowsOf(id)).toEqual([]);
});

test("P3: two admins who leave at the same moment do not both leave", async () => {
  for (let round = 0; round < 5; round += 1) {
    const [ana, bo, cy] = [newUser(), newUser(), newUser()];
    const id = await newConversation(ana, bo, cy);
    await call(ana, "PATCH", `/conversations/${id}/participants/${bo}`, { role: "admin" });
    const replies = await Promise.all([
      call(ana, "DELETE", `/conversations/${id}/participants/${ana}`),
      call(bo, "DELETE", `/conversations/${id}/participants/${bo}`),
    ]);
    expect(replies.map(({ status }) => status).sort()).toEqual([204, 409]);
  }
});

test("P7: a direct pair has one conversation, also when both create it at the same moment", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const create = (from: string, to: string) =>
    call<Conversation>(from, "POST", "/conversations", { type: "direct", participant_ids: [to] });
  const replies = await Promise.all([create(ana, bo), create(bo, ana), create(ana, bo), create(bo, ana)]);
  expect(new Set(replies.map(({ body }) => body.data.id)).size).toBe(1);
  expect(replies.map(({ status }) => status).sort()).toEqual([200, 200, 200, 201]);
  const id = replies[0]?.body.data.id;
  expect(
    (await call(ana, "POST", `/conversations/${id}/participants`, { user_ids: [newUser()] })).status,
  ).toBe(409);
  expect((await call(ana, "POST", "/conversations", { type: "direct", participant_ids: [ana] })).status).toBe(
    400,
  );
  expect((await call(ana, "POST", "/conversations", { type: "direct", participant_ids: [] })).status).toBe(
    400,
  );
});

test("P8: a deleted conversation closes its sessions and is gone from every reply", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const b = await join(bo, id);
  await b.say("hello");
  expect((await call(ana, "DELETE", `/conversations/${id}`)).status).toBe(204);
  await b.next("conversation.deleted");
  expect(await b.untilClosed()).toMatchObject({ code: 4404 });
  for (const user of [ana, bo]) {
    expect((await call(user, "GET", `/conversations/${id}`)).status).toBe(404);
    expect((await call(user, "GET", `/conversations/${id}/messages`)).status).toBe(404);
    expect(
      (await call(user, "POST", `/conversations/${id}/messages`, { temp_id: "x", body: { text: "x" } }))
        .status,
    ).toBe(404);
    expect((await call<unknown[]>(user, "GET", "/conversations")).body.data).toEqual([]);
    expect(await (await open(user, id)).untilClosed()).toMatchObject({ code: 4404 });
  }
});

test("P6: the cron tells an object what its Worker could not", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const b = await join(bo, id);
  // What a Worker leaves that dies between the commit and telling the object.
  await db.batch([
    db.execute(sql`delete from participants where conversation_id = ${id}::uuid and user_id = ${bo}`),
    db.execute(sql`update conversations set version = version + 1 where id = ${id}::uuid`),
    db.execute(sql`insert into outbox (conversation_id, version, created_at)
      select id, version, now() - interval '1 minute' from conversations where id = ${id}::uuid`),
  ]);
  await worker.scheduled({} as ScheduledController, testEnv);
  expect(await b.untilClosed()).toMatchObject({ code: 4403 });
  const { rows } = await db.execute(sql`select processed from outbox where conversation_id = ${id}::uuid`);
  expect(rows).toEqual([{ processed: true }, { processed: true }]);
});

test("R7: the list has the newest activity first, pages by cursor, and knows messages that are not drained", async () => {
  const ana = newUser();
  const ids: string[] = [];
  for (let n = 0; n < 5; n += 1) ids.push(await newConversation(ana));
  const [first = ""] = ids;
  await call(ana, "POST", `/conversations/${first}/messages`, { temp_id: "x", body: { text: "newest" } });
  const now = await call<Conversation[]>(ana, "GET", "/conversations");
  expect(now.body.data[0]).toMatchObject({ id: first, last_message: { body: { text: "newest" } } });
  await until(async () => {
    const { rows } = await db.execute(
      sql`select last_message_id::int as head from conversations where id = ${first}::uuid`,
    );
    return (rows[0] as { head: number }).head === 1;
  });
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await call<Conversation[]>(
      ana,
      "GET",
      `/conversations?limit=2${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`,
    );
    seen.push(...page.body.data.map(({ id }) => id));
    cursor = page.body.next_cursor;
  } while (cursor);
  expect(seen).toEqual([first, ...ids.slice(1).reverse()]);
  expect((await call(ana, "GET", "/conversations?cursor=zzz")).body.error.code).toBe("VALIDATION_FAILED");
});

import { sql } from "drizzle-orm";
import { expect, test } from "vitest";
import { purgeIdempotencyKeys } from "../../db/conversations.ts";
import type { Conversation } from "../../protocol/entities.ts";
import { call, db, newUser } from "./harness.ts";

const create = (user: string, key: string, title: string, others: string[] = []) =>
  call<Conversation>(
    user,
    "POST",
    "/conversations",
    { type: "group", title, participant_ids: others },
    { "Idempotency-Key": key },
  );

test("R10: a creation repeated with its key is one creation, also at the same moment", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const replies = await Promise.all(Array.from({ length: 6 }, () => create(ana, "k1", "Lunch", [bo])));
  expect(new Set(replies.map(({ body }) => body.data.id)).size).toBe(1);
  expect(replies.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 200, 201]);
  const listed = await call<Conversation[]>(ana, "GET", "/conversations");
  expect(listed.body.data).toHaveLength(1);
  // A key is its user's own, and another key another creation.
  expect((await create(bo, "k1", "Lunch", [ana])).status).toBe(201);
  expect((await create(ana, "k2", "Lunch", [bo])).status).toBe(201);
  expect((await create(ana, "k1", "Lunch", [bo])).status).toBe(200);
});

test("R10: a key with another request is a conflict, a key that is none is refused", async () => {
  const ana = newUser();
  const first = await create(ana, "k", "Lunch");
  const second = await create(ana, "k", "Dinner");
  expect([second.status, second.body.error.code]).toEqual([409, "CONFLICT"]);
  const listed = await call<Conversation[]>(ana, "GET", "/conversations");
  expect(listed.body.data.map(({ id }) => id)).toEqual([first.body.data.id]);
  for (const key of ["", "x".repeat(256), "ключ"]) {
    const reply = await create(ana, encodeURI(key) === key ? key : "\u00e9", "Lunch");
    expect([reply.status, reply.body.error.code]).toEqual([400, "VALIDATION_FAILED"]);
  }
});

test("R10 P7: a direct pair keeps its one conversation under any key", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const direct = (from: string, to: string, key: string) =>
    call<Conversation>(
      from,
      "POST",
      "/conversations",
      { type: "direct", participant_ids: [to] },
      { "Idempotency-Key": key },
    );
  const replies = await Promise.all([direct(ana, bo, "a"), direct(bo, ana, "b"), direct(ana, bo, "c")]);
  replies.push(await direct(ana, bo, "a"), await direct(ana, bo, "c"));
  expect(new Set(replies.map(({ body }) => body.data.id)).size).toBe(1);
});

test("R10: a key is forgotten after a day", async () => {
  const ana = newUser();
  await create(ana, "old", "Lunch");
  await db.execute(
    sql`update idempotency_keys set created_at = now() - interval '25 hours' where user_id = ${ana}`,
  );
  await purgeIdempotencyKeys(db);
  expect((await create(ana, "old", "Dinner")).status).toBe(201);
});

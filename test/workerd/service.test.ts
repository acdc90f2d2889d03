import { expect, test } from "vitest";
import type { Conversation, Message } from "../../protocol/entities.ts";
import { app } from "../../workers/app.ts";
import { ROUTE_SCOPES } from "../../workers/auth/service.ts";
import { SERVICE_KEYS } from "../setup/session-secrets.ts";
import { call, newUser, open } from "./harness.ts";

const as = (user: string) => ({ "X-On-Behalf-Of": encodeURIComponent(user) });

test("A8: a back end acts for users: it creates, adds, and writes system messages", async () => {
  const [ana, bo] = [`김하늘 ${newUser()}`, newUser()];
  const service = <T>(method: string, path: string, body?: unknown) =>
    call<T>(SERVICE_KEYS.all, method, path, body, as(ana));
  const created = await service<Conversation>("POST", "/conversations", {
    type: "group",
    title: "Order 17",
    participant_ids: [],
  });
  expect([created.status, created.body.data.created_by]).toEqual([201, ana]);
  const { id } = created.body.data;
  expect((await service("POST", `/conversations/${id}/participants`, { user_ids: [bo] })).status).toBe(201);
  const said = await service<Message>("POST", `/conversations/${id}/messages`, {
    temp_id: "shipped-17",
    type: "system",
    body: { text: "Your order was shipped.", data: { order: 17 } },
  });
  expect([said.status, said.body.data]).toMatchObject([
    201,
    { id: 2, type: "system", sender_id: ana, temp_id: "shipped-17" },
  ]);
  const again = await service<Message>("POST", `/conversations/${id}/messages`, {
    temp_id: "shipped-17",
    type: "system",
    body: { text: "Your order was shipped." },
  });
  expect([again.status, again.body.data.id]).toEqual([200, 2]);
  const seen = await call<Conversation>(bo, "GET", `/conversations/${id}`);
  expect(seen.body.data).toMatchObject({ last_message: { id: 2 }, me: { unread_count: 0 } });
  // A user says what users say, in nobody else's name.
  const mine = await call(bo, "POST", `/conversations/${id}/messages`, {
    temp_id: "x",
    type: "system",
    body: { text: "Your order was cancelled." },
  });
  expect([mine.status, mine.body.error.code]).toEqual([403, "FORBIDDEN"]);
});

test("A8: it has the rights of the user it acts for, and no more", async () => {
  const [ana, bo, cy] = [newUser(), newUser(), newUser()];
  const created = await call<Conversation>(ana, "POST", "/conversations", {
    type: "group",
    participant_ids: [bo],
  });
  const { id } = created.body.data;
  const add = (user: string) =>
    call(SERVICE_KEYS.all, "POST", `/conversations/${id}/participants`, { user_ids: [cy] }, as(user));
  expect((await add(cy)).body.error.code).toBe("CONVERSATION_NOT_FOUND");
  expect((await add(bo)).body.error.code).toBe("FORBIDDEN");
  expect((await add(ana)).status).toBe(201);
});

test("A8: scopes, and a user to act for, are required; a wrong key is invalid; sockets take none", async () => {
  const ana = newUser();
  const created = await call<Conversation>(ana, "POST", "/conversations", {
    type: "group",
    participant_ids: [],
  });
  const path = `/conversations/${created.body.data.id}`;
  expect((await call(SERVICE_KEYS.reader, "GET", `${path}/messages`, undefined, as(ana))).status).toBe(200);
  for (const [method, of, body] of [
    ["GET", path, undefined],
    ["POST", `${path}/messages`, { temp_id: "1", body: { text: "x" } }],
    ["POST", "/auth/token", undefined],
    ["POST", "/auth/revoke", { user_id: ana }],
  ] as const) {
    const reply = await call(SERVICE_KEYS.reader, method, of, body, as(ana));
    expect([of, reply.status, reply.body.error.code]).toEqual([of, 403, "FORBIDDEN"]);
  }
  for (const headers of [{}, { "X-On-Behalf-Of": "" }, { "X-On-Behalf-Of": "%zz" }, as("x".repeat(129))]) {
    const reply = await call(SERVICE_KEYS.all, "GET", path, undefined, headers);
    expect([reply.status, reply.body.error.details]).toMatchObject([400, [{ path: "x-on-behalf-of" }]]);
  }
  const wrong = await call(`${SERVICE_KEYS.all.slice(0, -1)}0`, "GET", path, undefined, as(ana));
  expect([wrong.status, wrong.body.error.details]).toMatchObject([401, [{ message: "invalid" }]]);
  // The header of a service means nothing with a user's own credential.
  const mine = await call<Conversation>(
    ana,
    "POST",
    "/conversations",
    { type: "group", participant_ids: [] },
    as(newUser()),
  );
  expect(mine.body.data.created_by).toBe(ana);
  expect(await (await open(SERVICE_KEYS.all, created.body.data.id)).untilClosed()).toEqual({
    code: 4401,
    reason: "invalid",
  });
});

test("A8: it gets a chat token for a user, with the profile it names", async () => {
  const ana = newUser();
  const reply = await call<{ token: string }>(
    SERVICE_KEYS.all,
    "POST",
    "/auth/token",
    { name: "Ana", avatar_url: "https://img.example.com/ana" },
    as(ana),
  );
  const { token } = reply.body.data;
  const created = await call<Conversation>(token, "POST", "/conversations", {
    type: "group",
    participant_ids: [],
  });
  expect(created.body.data.created_by).toBe(ana);
  const members = await call<Array<{ user: object }>>(
    token,
    "GET",
    `/conversations/${created.body.data.id}/participants`,
  );
  expect(members.body.data[0]?.user).toEqual({
    id: ana,
    name: "Ana",
    avatar_url: "https://img.example.com/ana",
  });
});

test("A8: every route that asks for a credential names its scopes, and no other does", () => {
  const sockets = ["GET /api/conversations/:id/socket", "GET /api/inbox/socket"];
  const open = ["GET /api/health", "GET /api/ready", ...sockets];
  const routes = app.routes
    .filter(({ method, path }) => method !== "ALL" && path.startsWith("/api/"))
    .map(({ method, path }) => `${method} ${path}`)
    .filter((route) => !open.includes(route) && !/openapi|asyncapi|docs/.test(route));
  expect(Object.keys(ROUTE_SCOPES).sort()).toEqual([...new Set(routes)].sort());
});

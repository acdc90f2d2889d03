import { SignJWT } from "jose";
import { expect, test, vi } from "vitest";
import type { ZodType } from "zod";
import type { Conversation } from "../../protocol/entities.ts";
import { COMMAND_TYPES, command } from "../../protocol/frames.ts";
import { app } from "../../workers/app.ts";
import { validationOf } from "../../workers/middleware/validated.ts";
import { SERVICE_KEYS } from "../setup/session-secrets.ts";
import {
  call,
  inspect,
  join,
  newConversation,
  newUser,
  open,
  testEnv,
  untilDrained,
  worker,
} from "./harness.ts";

const SECRET = new TextEncoder().encode(testEnv.CHAT_TOKEN_SECRET);
const tokenOf = (sub: string, claims: { jti?: string; lifeSeconds?: number } = {}) =>
  new SignJWT({})
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(sub)
    .setIssuer("arcyou-chat")
    .setAudience("arcyou-chat")
    .setJti(claims.jti ?? crypto.randomUUID())
    .setIssuedAt()
    .setExpirationTime(Math.floor(Date.now() / 1000 + (claims.lifeSeconds ?? 600)))
    .sign(SECRET);

/** A valid command of each type, about the first message of the conversation. */
const COMMANDS: Record<string, () => Record<string, unknown>> = {
  "message.send": () => ({ temp_id: crypto.randomUUID(), body: { text: "x" } }),
  "message.edit": () => ({ id: 1, body: { text: "x" } }),
  "message.delete": () => ({ id: 1 }),
  "reaction.add": () => ({ id: 1, emoji: "👍" }),
  "reaction.remove": () => ({ id: 1, emoji: "👍" }),
  "read.update": () => ({ last_read_id: 1 }),
  typing: () => ({ typing: true }),
  "auth.refresh": () => ({ token: newUser() }),
};

test("every command has a sample here", () => {
  expect(Object.keys(COMMANDS).sort()).toEqual([...COMMAND_TYPES].sort());
  for (const [type, make] of Object.entries(COMMANDS))
    expect(command.safeParse({ type, ...make() }).success).toBe(true);
});

test.each(COMMAND_TYPES)("P1 P4 S11 A9: %s of whoever may not speak changes nothing", async (type) => {
  const [admin, removed, member] = [newUser(), newUser(), newUser()];
  const id = await newConversation(admin, removed, member);
  await (await join(admin, id)).say("the first");
  const revoked = await tokenOf(member, { jti: "lost" });
  const [leaver, loser, ending] = [
    await join(removed, id),
    await join(revoked, id),
    await join(await tokenOf(member, { lifeSeconds: 2 }), id),
  ];
  await call(admin, "DELETE", `/conversations/${id}/participants/${removed}`);
  await call(SERVICE_KEYS.all, "POST", "/auth/revoke", { user_id: member, jti: "lost" });
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  const { seq } = await inspect(id);
  const frame = { type, ...COMMANDS[type]?.() };
  // Open when it ended, and connecting afterwards with a frame on the heels of the request.
  for (const socket of [leaver, loser, ending]) {
    try {
      socket.send(frame);
    } catch {
      // Closed on this side already.
    }
  }
  const late = [
    await open(null, id),
    await open(await tokenOf(admin, { lifeSeconds: -60 }), id),
    await open(revoked, id),
    await open(newUser(), id),
    await open(removed, id),
  ];
  for (const socket of late) {
    try {
      socket.send(frame);
    } catch {
      // As above.
    }
  }
  const codes = await Promise.all(
    [leaver, loser, ending, ...late].map(async (socket) => (await socket.untilClosed()).code),
  );
  expect(codes).toEqual([4403, 4401, 4401, 4401, 4401, 4401, 4404, 4404]);
  expect((await inspect(id)).seq).toBe(seq);
});

test.each(COMMAND_TYPES)("P2 M6 M7: %s of a member and of an admin", async (type) => {
  const [admin, member] = [newUser(), newUser()];
  const id = await newConversation(admin, member);
  await (await join(admin, id)).say("the admin's");
  const expected: Record<string, [member: string, admin: string]> = {
    "message.send": ["message.created", "message.created"],
    "message.edit": ["FORBIDDEN", "message.updated"],
    "message.delete": ["FORBIDDEN", "message.deleted"],
    "reaction.add": ["reaction.updated", "reaction.updated"],
    "reaction.remove": ["reaction.updated", "reaction.updated"],
    "read.update": ["read.updated", "read.updated"],
    // Said to the others, and answered to nobody: what comes back is the answer to what was asked after it.
    typing: ["read.updated", "read.updated"],
    "auth.refresh": ["FORBIDDEN", "FORBIDDEN"],
  };
  const answers: string[] = [];
  for (const user of [member, admin]) {
    const socket = await join(user, id);
    const from = socket.events.length;
    socket.send({ type, ...COMMANDS[type]?.() });
    if (type === "typing") socket.send({ type: "read.update", last_read_id: 1 });
    const answer = await vi.waitUntil(
      () => socket.events.slice(from).find((event) => event.type !== "presence.updated"),
      { timeout: 10_000 },
    );
    answers.push(answer.type === "error" ? answer.error.code : answer.type);
    socket.close();
  }
  expect(answers).toEqual(expected[type]);
});

test("M8 P1: an id that exists only in another conversation leads nowhere, by command and by route", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const [here, there] = [await newConversation(ana, bo), await newConversation(ana, bo)];
  const a = await join(ana, here);
  const b = await join(ana, there);
  for (let n = 0; n < 3; n += 1) await b.say(`there ${n}`);
  await a.say("here");
  for (const type of ["message.edit", "message.delete", "reaction.add", "reaction.remove"]) {
    a.send({ type, ...COMMANDS[type]?.(), id: 3, ref: type });
    const { error } = await a.next("error", ({ ref }) => ref === type);
    expect([type, error.code]).toEqual([type, "MESSAGE_NOT_FOUND"]);
  }
  a.send({ type: "message.send", temp_id: "reply", body: { text: "x" }, reply_to_id: 3 });
  expect((await a.next("error", ({ temp_id }) => temp_id === "reply")).error.code).toBe("MESSAGE_NOT_FOUND");
  const path = `/conversations/${here}/messages`;
  const replies = [
    await call(ana, "PATCH", `${path}/3`, { body: { text: "x" } }),
    await call(ana, "DELETE", `${path}/3`),
    await call(ana, "PUT", `${path}/3/reactions/%F0%9F%91%8D`),
    await call(ana, "DELETE", `${path}/3/reactions/%F0%9F%91%8D`),
    await call(ana, "POST", path, { temp_id: "r", body: { text: "x" }, reply_to_id: 3 }),
  ];
  expect(replies.map(({ body }) => body.error.code)).toEqual(Array(5).fill("MESSAGE_NOT_FOUND"));
  expect((await call(ana, "PUT", `/conversations/${here}/read`, { last_read_id: 3 })).status).toBe(400);
  const { head, seq } = await inspect(there);
  expect([head, seq]).toEqual([3, 3]);
});

/** A valid body of each route that takes one. */
const BODIES: Record<string, Record<string, unknown>> = {
  "POST /api/auth/token": { name: "Ana" },
  "POST /api/auth/revoke": { user_id: "somebody" },
  "PATCH /api/settings": { invisible: true },
  "POST /api/conversations": { type: "group", participant_ids: [] },
  "PATCH /api/conversations/:id": { title: "New" },
  "PUT /api/conversations/:id/read": { last_read_id: 1 },
  "POST /api/conversations/:id/participants": { user_ids: ["somebody"] },
  "PATCH /api/conversations/:id/participants/:user_id": { role: "member" },
  "POST /api/conversations/:id/messages": { temp_id: "t", body: { text: "x" } },
  "PATCH /api/conversations/:id/messages/:message_id": { body: { text: "x" } },
};

/** What a caller might like to set. */
const FOREIGN_KEYS = [
  "id",
  "seq",
  "sender_id",
  "created_by",
  "conversation_id",
  "created_at",
  "deleted_at",
  "direct_key",
  "version",
  "me",
  "is_admin",
  "constructor",
  "prototype",
  "toString",
];

test("V2 V3: no body and no command takes a key that is not its own", () => {
  const schemas = app.routes.flatMap(({ method, path, handler }): Array<[string, ZodType]> => {
    const validation = validationOf(handler);
    return validation?.target === "json" ? [[`${method} ${path}`, validation.schema]] : [];
  });
  expect(Object.keys(BODIES).sort()).toEqual(schemas.map(([route]) => route).sort());
  for (const [type, make] of Object.entries(COMMANDS)) {
    for (const key of FOREIGN_KEYS) {
      const sample = { type, ...make() };
      if (key in make()) continue;
      expect([type, key, command.safeParse({ ...sample, [key]: "x" }).success]).toEqual([type, key, false]);
    }
  }
  for (const [route, schema] of schemas) {
    const body = BODIES[route] ?? {};
    expect([route, schema.safeParse(body).success]).toEqual([route, true]);
    for (const key of FOREIGN_KEYS) {
      const forged = Object.fromEntries([...Object.entries(body), [key, "x"]]);
      expect([route, key, schema.safeParse(forged).success]).toEqual([route, key, false]);
    }
  }
});

test("V3: prototype keys in a body are refused by name, wherever they stand", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  for (const body of [
    '{"temp_id":"a","body":{"text":"x"},"__proto__":{"type":"system"}}',
    '{"temp_id":"a","body":{"text":"x","__proto__":{"data":1}}}',
    '{"temp_id":"a","body":{"data":[{"__proto__":1}]}}',
  ]) {
    const reply = await call(ana, "POST", `/conversations/${id}/messages`, body);
    expect([reply.status, reply.body.error.code]).toEqual([400, "VALIDATION_FAILED"]);
  }
  expect(({} as { type?: string }).type).toBeUndefined();
});

test("what SQL and LIKE would read as their own is data like any other", async () => {
  const nasty = `'; drop table messages; -- %_\\ \${x} {{x}} ' or '1'='1`;
  const [ana, bo] = [`ana ${nasty} ${newUser()}`, newUser()];
  const token = await tokenOf(ana);
  const created = await call<Conversation>(
    token,
    "POST",
    "/conversations",
    { type: "group", title: nasty, participant_ids: [bo, nasty] },
    { "Idempotency-Key": nasty },
  );
  const { id } = created.body.data;
  expect(created.body.data).toMatchObject({ title: nasty, created_by: ana });
  await call(token, "POST", `/conversations/${id}/messages`, { temp_id: nasty, body: { text: nasty } });
  const added = await call(token, "POST", `/conversations/${id}/participants`, { user_ids: [`${nasty} 2`] });
  expect(added.status).toBe(201);
  const path = `/conversations/${id}/participants/${encodeURIComponent(nasty)}`;
  expect((await call(token, "PATCH", path, { role: "admin" })).status).toBe(200);
  expect((await call(token, "DELETE", path)).status).toBe(204);
  await untilDrained(id);
  const found = await call<Array<{ body: { text: string } }>>(
    token,
    "GET",
    `/search?q=${encodeURIComponent("%_\\")}`,
  );
  expect(found.body.data.map((hit) => hit.body.text)).toEqual([nasty]);
});

test("R2 P1: paths and methods that are none of ours get an error, and never a stack, SQL or a setting", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const upper = await call(ana, "GET", `/conversations/${id.toUpperCase()}`);
  expect(upper.status).toBe(200);
  const asked: Array<[string, string, Record<string, string>]> = [
    ["GET", `/conversations/${id}%2fmessages`, {}],
    ["GET", `/conversations/..%2f..%2f`, {}],
    ["GET", `/conversations/%252e%252e/messages`, {}],
    ["GET", `/conversations/${id}/`, {}],
    ["GET", `//conversations/${id}`, {}],
    ["GET", `/conversations/${id}/messages?limit=1&limit=1000`, {}],
    ["GET", `/conversations/${id}/messages?limit=1e3`, {}],
    ["GET", `/conversations/${id}/messages/9999999999999999999999`, {}],
    ["GET", `/conversations/'%20or%201=1--`, {}],
    ["GET", "/conversations/%00", {}],
    ["GET", "/conversations/%ff", {}],
    ["POST", `/conversations/${id}`, { "X-HTTP-Method-Override": "DELETE" }],
    ["PUT", `/conversations/${id}`, {}],
    ["GET", `/conversations/${id}/socket`, {}],
    ["GET", "/constructor", {}],
    ["GET", "/__proto__", {}],
  ];
  for (const [method, path, headers] of asked) {
    const response = await worker.fetch(`https://chat.example.com/api${path}`, {
      method,
      headers: { Authorization: `Bearer ${ana}`, ...headers },
    });
    const text = await response.text();
    expect([path, response.headers.get("X-Content-Type-Options")]).toEqual([path, "nosniff"]);
    if (response.status === 200) expect([path, JSON.parse(text).data.length ?? 0]).toEqual([path, 0]);
    else
      expect([path, JSON.parse(text).error.request_id]).toEqual([path, response.headers.get("X-Request-Id")]);
    expect(text).not.toMatch(/select |insert |update |drizzle|neon|postgres|\.ts:|at \w+ \(|of the tests/i);
  }
  expect((await call(ana, "GET", `/conversations/${id}`)).status).toBe(200);
});

/** Routes of one conversation, and a request to each. */
const PROBES: Array<[method: string, path: string, body?: unknown]> = [
  ["GET", ""],
  ["PATCH", "", { title: "x" }],
  ["DELETE", ""],
  ["GET", "/participants"],
  ["POST", "/participants", { user_ids: ["x"] }],
  ["PATCH", "/participants/x", { role: "admin" }],
  ["DELETE", "/participants/x"],
  ["GET", "/messages"],
  ["GET", "/messages/since/0"],
  ["GET", "/messages/search?q=ab"],
  ["POST", "/messages", { temp_id: "t", body: { text: "x" } }],
  ["PATCH", "/messages/1", { body: { text: "x" } }],
  ["DELETE", "/messages/1"],
  ["PUT", "/messages/1/reactions/%F0%9F%91%8D"],
  ["DELETE", "/messages/1/reactions/%F0%9F%91%8D"],
  ["PUT", "/read", { last_read_id: 0 }],
];

test("P1: nobody outside can tell an existing conversation from a missing one, by answer or by work", async () => {
  const routes = app.routes.filter(
    ({ method, path }) => method !== "ALL" && path.startsWith("/api/conversations/:id"),
  );
  const probed = new Set(
    routes.map(({ method, path }) => `${method} ${path}`).filter((route) => !route.endsWith("/socket")),
  );
  expect(PROBES.length).toBe(probed.size);

  const [admin, removed, outsider] = [newUser(), newUser(), newUser()];
  const [loaded, unloaded, deleted] = [
    await newConversation(admin, removed),
    await newConversation(admin, removed),
    await newConversation(admin, removed),
  ];
  await (await join(admin, loaded)).say("secret");
  await (await join(admin, deleted)).say("secret");
  for (const id of [loaded, unloaded])
    await call(admin, "DELETE", `/conversations/${id}/participants/${removed}`);
  await call(admin, "DELETE", `/conversations/${deleted}`);
  await untilDrained(loaded);

  const cases: Array<[string, string, string]> = [
    ["missing", outsider, crypto.randomUUID()],
    ["loaded", outsider, loaded],
    ["loaded, removed", removed, loaded],
    ["never loaded", outsider, unloaded],
    ["never loaded, removed", removed, unloaded],
    ["deleted, once taking part", removed, deleted],
    ["nobody, existing", "", loaded],
    ["nobody, missing", "", crypto.randomUUID()],
  ];
  // Whether a credential was revoked is asked once in ten seconds, whatever it is used for.
  for (const user of [outsider, removed]) await call(user, "GET", "/conversations");
  for (const [method, path, body] of PROBES) {
    const seen = new Map<string, string[]>();
    for (const [name, user, id] of cases) {
      const fetched = vi.spyOn(globalThis, "fetch");
      const reply = await call(user === "" ? null : user, method, `/conversations/${id}${path}`, body);
      const queries = fetched.mock.calls.length;
      fetched.mockRestore();
      const { request_id: _, ...error } = reply.body.error;
      const headers = [...reply.headers]
        .filter(([key]) => !["x-request-id", "date", "cf-ray"].includes(key))
        .sort();
      const answer = JSON.stringify([reply.status, error, headers, user === "" ? 0 : queries]);
      seen.set(answer, [...(seen.get(answer) ?? []), name]);
    }
    // One answer for everybody outside, and one for whoever has no credential.
    expect([method, path, [...seen.values()]]).toEqual([
      method,
      path,
      [cases.slice(0, 6).map(([name]) => name), cases.slice(6).map(([name]) => name)],
    ]);
  }
  const closes = new Set<string>();
  for (const [, user, id] of cases.slice(0, 6))
    closes.add(JSON.stringify(await (await open(user, id)).untilClosed()));
  expect([...closes]).toEqual([JSON.stringify({ code: 4404, reason: "There is no such conversation." })]);
});

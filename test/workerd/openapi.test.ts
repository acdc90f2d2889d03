import { runDurableObjectAlarm } from "cloudflare:test";
import { Validator } from "@cfworker/json-schema";
import { SignJWT } from "jose";
import { expect, test } from "vitest";
import type { Conversation } from "../../protocol/entities.ts";
import type { AsyncApiDocument } from "../../workers/openapi/asyncapi.ts";
import type { OpenApiDocument } from "../../workers/openapi/openapi.ts";
import type { JsonSchema } from "../../workers/openapi/schemas.ts";
import { SERVICE_KEYS } from "../setup/session-secrets.ts";
import { call, join, newUser, objectOf, type Reply, testEnv, worker } from "./harness.ts";

const read = async <T>(path: string): Promise<T> =>
  (await (await worker.fetch(`https://chat.example.com${path}`)).json()) as T;
const document = await read<OpenApiDocument>("/api/openapi.json");

/** Objects without room for what the document does not name. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== "object" || value === null) return value;
  const schema = Object.fromEntries(Object.entries(value).map(([key, item]) => [key, closed(item)]));
  const isOpen = schema.type === "object" && "properties" in schema && !("additionalProperties" in schema);
  return isOpen ? { ...schema, additionalProperties: false } : schema;
}

function faultsOf(schema: JsonSchema, schemas: Record<string, JsonSchema>, value: unknown): string[] {
  const whole = { ...(closed(schema) as JsonSchema), components: { schemas: closed(schemas) } };
  const { errors } = new Validator(whole, "2020-12", false).validate(value);
  return errors.map(({ instanceLocation, error }) => `${instanceLocation} ${error}`);
}

const [ana, bo, cy] = [newUser(), newUser(), newUser()];
const service = { "X-On-Behalf-Of": ana };
const group = await call<Conversation>(ana, "POST", "/conversations", {
  type: "group",
  participant_ids: [bo],
});
const doomed = await call<Conversation>(ana, "POST", "/conversations", {
  type: "group",
  participant_ids: [bo],
});
const id = group.body.data.id;
const missing = "01890000-0000-7000-8000-000000000000";

interface Drive {
  as?: string | null;
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
  status: number;
}

/** What each operation is asked, in this order. Every status that a caller can bring about is among it. */
const DRIVES: Record<string, Drive[]> = {
  "get /api/health": [{ as: null, path: "/health", status: 200 }],
  "get /api/ready": [{ as: null, path: "/ready", status: 200 }],
  "post /api/auth/token": [
    { path: "/auth/token", status: 200 },
    { as: null, path: "/auth/token", status: 401 },
    { as: SERVICE_KEYS.all, path: "/auth/token", body: { name: "Ana" }, headers: service, status: 200 },
    { as: SERVICE_KEYS.reader, path: "/auth/token", headers: service, status: 403 },
  ],
  "post /api/auth/revoke": [
    { as: SERVICE_KEYS.all, path: "/auth/revoke", body: { user_id: newUser() }, status: 200 },
    { path: "/auth/revoke", body: { user_id: bo }, status: 403 },
    { as: SERVICE_KEYS.all, path: "/auth/revoke", body: {}, status: 400 },
  ],
  "post /api/conversations": [
    { path: "/conversations", body: { type: "direct", participant_ids: [bo] }, status: 201 },
    { path: "/conversations", body: { type: "direct", participant_ids: [bo] }, status: 200 },
    { path: "/conversations", body: { type: "direct", participant_ids: [] }, status: 400 },
    {
      path: "/conversations",
      body: { type: "group", title: "a", participant_ids: [] },
      headers: { "Idempotency-Key": "k" },
      status: 201,
    },
    {
      path: "/conversations",
      body: { type: "group", title: "b", participant_ids: [] },
      headers: { "Idempotency-Key": "k" },
      status: 409,
    },
    {
      path: "/conversations",
      body: { type: "group", participant_ids: [], x: "y".repeat(70_000) },
      status: 413,
    },
  ],
  "post /api/conversations/{id}/messages": [
    { path: `/conversations/${id}/messages`, body: { temp_id: "1", body: { text: "김밥" } }, status: 201 },
    { path: `/conversations/${id}/messages`, body: { temp_id: "1", body: { text: "김밥" } }, status: 200 },
    {
      path: `/conversations/${id}/messages`,
      body: { temp_id: "2", body: { data: { any: [1, null, { deep: true }] } }, reply_to_id: 1 },
      status: 201,
    },
    { path: `/conversations/${id}/messages`, body: { temp_id: "3", body: {} }, status: 400 },
    {
      path: `/conversations/${id}/messages`,
      body: { temp_id: "4", body: { text: "x" }, type: "system" },
      status: 403,
    },
    { path: `/conversations/${missing}/messages`, body: { temp_id: "5", body: { text: "x" } }, status: 404 },
  ],
  "patch /api/conversations/{id}/messages/{message_id}": [
    { path: `/conversations/${id}/messages/1`, body: { body: { text: "김밥을" } }, status: 200 },
    { as: bo, path: `/conversations/${id}/messages/1`, body: { body: { text: "x" } }, status: 403 },
    { path: `/conversations/${id}/messages/99`, body: { body: { text: "x" } }, status: 404 },
    { path: `/conversations/${id}/messages/none`, body: { body: { text: "x" } }, status: 400 },
  ],
  "put /api/conversations/{id}/messages/{message_id}/reactions/{emoji}": [
    { path: `/conversations/${id}/messages/1/reactions/%F0%9F%91%8D`, status: 200 },
    { path: `/conversations/${id}/messages/99/reactions/%F0%9F%91%8D`, status: 404 },
    { path: `/conversations/${id}/messages/1/reactions/x`, status: 400 },
  ],
  "get /api/conversations/{id}/messages": [
    { path: `/conversations/${id}/messages?limit=1`, status: 200 },
    { path: `/conversations/${id}/messages?limit=0`, status: 400 },
    { path: `/conversations/${missing}/messages`, status: 404 },
  ],
  "get /api/conversations/{id}/messages/since/{message_id}": [
    { path: `/conversations/${id}/messages/since/0`, status: 200 },
    { path: `/conversations/${missing}/messages/since/0`, status: 404 },
  ],
  "get /api/conversations/{id}/messages/search": [
    { path: `/conversations/${id}/messages/search?q=${encodeURIComponent("김밥")}`, status: 200 },
    { path: `/conversations/${id}/messages/search?q=`, status: 400 },
    { path: `/conversations/${missing}/messages/search?q=ab`, status: 404 },
  ],
  "get /api/search": [
    { path: `/search?q=${encodeURIComponent("김밥")}`, status: 200 },
    { path: "/search", status: 400 },
  ],
  "put /api/conversations/{id}/read": [
    { as: bo, path: `/conversations/${id}/read`, body: { last_read_id: 1 }, status: 200 },
    { as: bo, path: `/conversations/${id}/read`, body: { last_read_id: 99 }, status: 400 },
    { as: cy, path: `/conversations/${id}/read`, body: { last_read_id: 1 }, status: 404 },
  ],
  "get /api/conversations/unread-count": [{ as: bo, path: "/conversations/unread-count", status: 200 }],
  "get /api/settings": [{ path: "/settings", status: 200 }],
  "patch /api/settings": [
    { path: "/settings", body: { invisible: true }, status: 200 },
    { path: "/settings", body: { invisible: false, read_receipts: true }, status: 200 },
    { path: "/settings", body: {}, status: 400 },
  ],
  "get /api/conversations": [
    { path: "/conversations?limit=1", status: 200 },
    { path: "/conversations?cursor=x", status: 400 },
  ],
  "get /api/conversations/{id}": [
    { path: `/conversations/${id}`, status: 200 },
    { as: cy, path: `/conversations/${id}`, status: 404 },
  ],
  "patch /api/conversations/{id}": [
    { path: `/conversations/${id}`, body: { title: "New", history_visibility: "joining" }, status: 200 },
    { path: `/conversations/${id}`, body: {}, status: 400 },
    { as: bo, path: `/conversations/${id}`, body: { title: "x" }, status: 403 },
  ],
  "post /api/conversations/{id}/participants": [
    { path: `/conversations/${id}/participants`, body: { user_ids: [cy] }, status: 201 },
    { as: bo, path: `/conversations/${id}/participants`, body: { user_ids: [cy] }, status: 403 },
  ],
  "get /api/conversations/{id}/participants": [{ path: `/conversations/${id}/participants`, status: 200 }],
  "patch /api/conversations/{id}/participants/{user_id}": [
    { path: `/conversations/${id}/participants/${cy}`, body: { role: "admin" }, status: 200 },
    { path: `/conversations/${id}/participants/${newUser()}`, body: { role: "admin" }, status: 404 },
    { path: `/conversations/${id}/participants/${cy}`, body: { role: "owner" }, status: 400 },
  ],
  "delete /api/conversations/{id}/messages/{message_id}/reactions/{emoji}": [
    { path: `/conversations/${id}/messages/1/reactions/%F0%9F%91%8D`, status: 200 },
  ],
  "delete /api/conversations/{id}/messages/{message_id}": [
    { as: bo, path: `/conversations/${id}/messages/2`, status: 403 },
    { path: `/conversations/${id}/messages/2`, status: 200 },
  ],
  "delete /api/conversations/{id}/participants/{user_id}": [
    { path: `/conversations/${doomed.body.data.id}/participants/${ana}`, status: 409 },
    { path: `/conversations/${id}/participants/${cy}`, status: 204 },
  ],
  "delete /api/conversations/{id}": [
    { as: bo, path: `/conversations/${doomed.body.data.id}`, status: 403 },
    { path: `/conversations/${doomed.body.data.id}`, status: 204 },
    { path: `/conversations/${doomed.body.data.id}`, status: 404 },
  ],
};

test("O4: every operation of the document is driven here", () => {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  expect(Object.keys(DRIVES).sort()).toEqual(operations.sort());
});

/** Whether a reply is as the document says for its status: body, error code and headers. */
function expectDocumented(name: string, asked: string, { status, headers, body }: Reply<unknown>): void {
  const [method = "", path = ""] = name.split(" ");
  const documented = document.paths[path]?.[method]?.responses[status];
  expect([name, asked, status, documented]).not.toEqual([name, asked, status, undefined]);
  const missing = Object.keys(documented?.headers ?? {}).filter((header) => !headers.has(header));
  expect([name, asked, status, missing]).toEqual([name, asked, status, []]);
  const schema = documented?.content?.["application/json"].schema;
  if (!schema) expect(body).toBeNull();
  else expect([name, asked, faultsOf(schema, document.components.schemas, body)]).toEqual([name, asked, []]);
}

test.each(Object.entries(DRIVES))("O4: %s replies what the document says", async (name, drives) => {
  const [method = ""] = name.split(" ");
  for (const { as = ana, path: asked, body, headers, status } of drives) {
    const reply = await call(as, method.toUpperCase(), asked, body, headers);
    expect([asked, reply.status, reply.body]).toEqual([asked, status, reply.body]);
    expectDocumented(name, asked, reply);
  }
});

test("O4: each operation is open to whom the document says, and refuses others as it says", async () => {
  for (const [name, [drive]] of Object.entries(DRIVES)) {
    const [method = "", path = ""] = name.split(" ");
    const security = document.paths[path]?.[method]?.security ?? [];
    if (!drive || security.length === 0) continue;
    const ask = (credential: string | null) =>
      call(credential, method.toUpperCase(), drive.path, drive.body, service);
    const anonymous = await ask(null);
    expect([name, anonymous.status]).toEqual([name, 401]);
    expectDocumented(name, "without a credential", anonymous);
    const scopeless = await ask(SERVICE_KEYS.none);
    expect([name, scopeless.status]).toEqual([name, 403]);
    expectDocumented(name, "as a service without scopes", scopeless);
    const scopes = security.flatMap(({ service_key: scope = [] }) => scope);
    const reader = await ask(SERVICE_KEYS.reader);
    expect([name, reader.status !== 403]).toEqual([name, scopes.includes("messages:read")]);
    expectDocumented(name, "as a service that reads messages", reader);
  }
});

test("O4: the check notices a field that the document does not name, and one that is missing", () => {
  const { schema } = document.paths["/api/health"]?.get?.responses[200]?.content?.["application/json"] ?? {};
  const check = (value: unknown) => faultsOf(schema ?? {}, document.components.schemas, value);
  expect(check({ data: { status: "up" } })).toEqual([]);
  expect(check({ data: { status: "up", secret: 1 } })).not.toEqual([]);
  expect(check({ data: {} })).not.toEqual([]);
});

test("O4: an error has one of the codes that its operation may answer with", () => {
  const { responses } = document.paths["/api/conversations/{id}"]?.get ?? {};
  const { schema = {} } = responses?.[404]?.content?.["application/json"] ?? {};
  const check = (code: string) => {
    const error = { code, message: "No.", retryable: false, request_id: "1" };
    return faultsOf(schema, document.components.schemas, { error });
  };
  expect(check("CONVERSATION_NOT_FOUND")).toEqual([]);
  expect(check("MESSAGE_NOT_FOUND")).not.toEqual([]);
});

/** A chat token that ends within the minute, of which its session is told by the next alarm. */
const endsSoon = (user: string): Promise<string> =>
  new SignJWT()
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(user)
    .setIssuer("arcyou-chat")
    .setAudience("arcyou-chat")
    .setExpirationTime("50s")
    .sign(new TextEncoder().encode(testEnv.CHAT_TOKEN_SECRET));

test("O5: every event on a socket is as the AsyncAPI document says", async () => {
  const { components } = await read<AsyncApiDocument>("/api/asyncapi.json");
  const [dan, eva] = [newUser(), newUser()];
  const created = await call<Conversation>(dan, "POST", "/conversations", {
    type: "group",
    participant_ids: [eva],
  });
  const path = `/conversations/${created.body.data.id}`;
  const socket = await join(dan, created.body.data.id);
  await socket.say("hello");
  socket.send([
    { type: "message.edit", id: 1, body: { text: "hello, all" } },
    { type: "reaction.add", id: 1, emoji: "👍" },
    { type: "reaction.add", id: 1, emoji: "👍" },
    { type: "message.send", temp_id: "x", body: {}, ref: "wrong" },
    { type: "auth.refresh", token: dan, ref: "again" },
    { type: "message.delete", id: 1 },
  ]);
  await socket.next("auth.refreshed");
  const other = await join(eva, created.body.data.id);
  other.send([
    { type: "typing", typing: true },
    { type: "read.update", last_read_id: 1 },
  ]);
  for (const type of ["presence.updated", "user.typing", "read.updated"] as const) await socket.next(type);
  await call(dan, "PATCH", path, { title: "New" });
  await call(dan, "POST", `${path}/participants`, { user_ids: [newUser()] });
  await call(dan, "PATCH", `${path}/participants/${eva}`, { role: "admin" });
  await call(dan, "DELETE", `${path}/participants/${eva}`);
  const ending = await join(await endsSoon(dan), created.body.data.id);
  await runDurableObjectAlarm(objectOf(created.body.data.id));
  await ending.next("auth.expiring");
  const { epoch } = await socket.ready();
  const back = await join(dan, created.body.data.id, { since: 1, epoch });
  await call(dan, "DELETE", path);
  await socket.untilClosed();
  const events = [...socket.events, ...ending.events, ...back.events];
  for (const event of events) {
    const payload = components.messages[event.type]?.payload ?? { not: {} };
    expect([event.type, faultsOf(payload, components.schemas, event)]).toEqual([event.type, []]);
  }
  const commands = [
    "message.send",
    "message.edit",
    "message.delete",
    "reaction.add",
    "reaction.remove",
    "read.update",
    "typing",
    "auth.refresh",
  ];
  const unseen = Object.keys(components.messages).filter(
    (type) =>
      !type.startsWith("inbox.") && !commands.includes(type) && !events.some((event) => event.type === type),
  );
  expect(unseen).toEqual([]);
});

import { SignJWT } from "jose";
import { beforeAll, expect, test } from "vitest";
import { app } from "../../workers/app.ts";
import { SERVICE_KEYS } from "../setup/session-secrets.ts";
import { call, join, joinInbox, newConversation, newUser, open, openInbox, testEnv } from "./harness.ts";

/** Who asks. `removed` took part once; `outsider` never did; `service` acts for the admin, without any scope it needs. */
const CALLERS = [
  "nobody",
  "expired",
  "revoked",
  "outsider",
  "removed",
  "member",
  "admin",
  "service",
] as const;
type Caller = (typeof CALLERS)[number];

interface Access {
  body?: (ids: Ids) => unknown;
  query?: string;
  /** The status each caller gets who has a valid credential. */
  outsider: number;
  removed: number;
  member: number;
  admin: number;
}

interface Ids {
  target: string;
}

const hidden = { outsider: 404, removed: 404 };
const everybody = (status: number) => ({ outsider: status, removed: status, member: status, admin: status });
const text = { text: "hello" };

/** Every route that asks for a credential. `:message_id` is a message of the admin, `:user_id` another member. */
const ROUTES: Record<string, Access> = {
  "POST /api/auth/token": everybody(200),
  "POST /api/auth/revoke": { ...everybody(403), body: () => ({ user_id: newUser() }) },
  "POST /api/conversations": { ...everybody(201), body: () => ({ type: "group", participant_ids: [] }) },
  "GET /api/conversations": everybody(200),
  "GET /api/conversations/unread-count": everybody(200),
  "GET /api/settings": everybody(200),
  "PATCH /api/settings": { ...everybody(200), body: () => ({ read_receipts: true }) },
  "GET /api/search": { ...everybody(200), query: "?q=ab" },
  "GET /api/conversations/:id": { ...hidden, member: 200, admin: 200 },
  "PATCH /api/conversations/:id": { ...hidden, member: 403, admin: 200, body: () => ({ title: "New" }) },
  "PUT /api/conversations/:id/read": {
    ...hidden,
    member: 200,
    admin: 200,
    body: () => ({ last_read_id: 1 }),
  },
  "GET /api/conversations/:id/participants": { ...hidden, member: 200, admin: 200 },
  "POST /api/conversations/:id/participants": {
    ...hidden,
    member: 403,
    admin: 201,
    body: () => ({ user_ids: [newUser()] }),
  },
  "PATCH /api/conversations/:id/participants/:user_id": {
    ...hidden,
    member: 403,
    admin: 200,
    body: () => ({ role: "member" }),
  },
  "GET /api/conversations/:id/messages": { ...hidden, member: 200, admin: 200 },
  "GET /api/conversations/:id/messages/since/:message_id": { ...hidden, member: 200, admin: 200 },
  "GET /api/conversations/:id/messages/search": { ...hidden, member: 200, admin: 200, query: "?q=ab" },
  "PUT /api/conversations/:id/messages/:message_id/reactions/:emoji": { ...hidden, member: 200, admin: 200 },
  "DELETE /api/conversations/:id/messages/:message_id/reactions/:emoji": {
    ...hidden,
    member: 200,
    admin: 200,
  },
  "POST /api/conversations/:id/messages": {
    ...hidden,
    member: 201,
    admin: 201,
    body: () => ({ temp_id: crypto.randomUUID(), body: text }),
  },
  "PATCH /api/conversations/:id/messages/:message_id": {
    ...hidden,
    member: 403,
    admin: 200,
    body: () => ({ body: text }),
  },
  "DELETE /api/conversations/:id/messages/:message_id": { ...hidden, member: 403, admin: 200 },
  "DELETE /api/conversations/:id/participants/:user_id": { ...hidden, member: 403, admin: 204 },
  "DELETE /api/conversations/:id": { ...hidden, member: 403, admin: 204 },
};

/** Routes open to everybody, and the sockets, which answer with close codes. */
const OPEN = [
  "GET /api/health",
  "GET /api/ready",
  "GET /api/openapi.json",
  "GET /api/asyncapi.json",
  "GET /api/docs",
  "GET /api/docs/style.css",
  "GET /api/conversations/:id/socket",
  "GET /api/inbox/socket",
  "GET /*",
];

const users = { outsider: newUser(), removed: newUser(), member: newUser(), admin: newUser() };
const target = newUser();
let expired: string;
let revoked: string;
let id: string;

async function prepare(): Promise<void> {
  id = await newConversation(users.admin, users.member, users.removed, target);
  await (await join(users.admin, id)).say("by the admin");
  await call(users.admin, "DELETE", `/conversations/${id}/participants/${users.removed}`);
}

beforeAll(async () => {
  expired = await new SignJWT({})
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(users.admin)
    .setIssuer("arcyou-chat")
    .setAudience("arcyou-chat")
    .setExpirationTime(1)
    .sign(new TextEncoder().encode(testEnv.CHAT_TOKEN_SECRET));
  revoked = await new SignJWT({})
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(users.admin)
    .setIssuer("arcyou-chat")
    .setAudience("arcyou-chat")
    .setJti("revoked")
    .setIssuedAt()
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(testEnv.CHAT_TOKEN_SECRET));
  await prepare();
  await call(SERVICE_KEYS.all, "POST", "/auth/revoke", { user_id: users.admin, jti: "revoked" });
});

test("every route of the Worker is in the table of this test", () => {
  const routes = new Set(
    app.routes.filter(({ method }) => method !== "ALL").map(({ method, path }) => `${method} ${path}`),
  );
  expect([...routes].sort()).toEqual([...Object.keys(ROUTES), ...OPEN].sort());
});

const cases = Object.keys(ROUTES).flatMap((route) => CALLERS.map((caller) => [route, caller] as const));

test.each(cases)("P1 P2 A5: %s by %s", async (route, caller) => {
  const [method = "", pattern = ""] = route.split(" ");
  const access = ROUTES[route] as Access;
  const path = pattern
    .replace("/api", "")
    .replace(":id", id)
    .replace(":message_id", "1")
    .replace(":user_id", target)
    .replace(":emoji", "%F0%9F%91%8D")
    .concat(access.query ?? "");
  const tokens: Record<Caller, string | null> = {
    nobody: null,
    expired,
    revoked,
    ...users,
    service: SERVICE_KEYS.none,
  };
  const headers: Record<string, string> = caller === "service" ? { "X-On-Behalf-Of": users.admin } : {};
  const reply = await call(tokens[caller], method, path, access.body?.({ target }), headers);
  if (caller === "nobody" || caller === "expired" || caller === "revoked") {
    expect([reply.status, reply.body.error.code]).toEqual([401, "UNAUTHORIZED"]);
    expect(reply.body.error.details).toEqual([
      { path: "authorization", message: caller === "nobody" ? "missing" : caller },
    ]);
    return;
  }
  if (caller === "service") {
    expect([reply.status, reply.body.error.code]).toEqual([403, "FORBIDDEN"]);
    return;
  }
  expect(reply.status).toBe(access[caller]);
  if (reply.status === 404) expect(reply.body.error.code).toBe("CONVERSATION_NOT_FOUND");
  if (reply.status === 403) expect(reply.body.error.code).toBe("FORBIDDEN");
});

test("I1 S2 A5: the inbox by everybody: each has their own, and an outsider's is empty", async () => {
  await prepare();
  const closes = async (token: string | null) => (await openInbox(token)).untilClosed();
  expect(await closes(null)).toEqual({ code: 4401, reason: "missing" });
  expect(await closes(expired)).toEqual({ code: 4401, reason: "expired" });
  expect(await closes(revoked)).toEqual({ code: 4401, reason: "revoked" });
  // A service opens no socket, whatever its scopes.
  expect(await closes(SERVICE_KEYS.all)).toEqual({ code: 4401, reason: "invalid" });
  for (const user of [users.outsider, users.removed]) {
    const inbox = await joinInbox(user);
    const settled = inbox.events.filter(({ type }) => type !== "ready" && type !== "synced");
    expect([(await inbox.ready()).conversations.some((one) => one.id === id), settled]).toEqual([false, []]);
  }
  for (const user of [users.member, users.admin])
    expect((await joinInbox(user)).shown(id)).toMatchObject({ id });
});

test("S2 P1: the socket by everybody", async () => {
  await prepare();
  const closes = async (token: string | null) => (await (await open(token, id)).untilClosed()).code;
  expect(await closes(null)).toBe(4401);
  expect(await closes(expired)).toBe(4401);
  expect(await closes(revoked)).toBe(4401);
  expect(await closes(users.outsider)).toBe(4404);
  expect(await closes(users.removed)).toBe(4404);
  await join(users.member, id);
  await join(users.admin, id);
});

import { expect, inject, test } from "vitest";
import type { Conversation } from "../../protocol/entities.ts";
import { call, newUser, worker } from "./harness.ts";

const sessions = inject("sessions");
const ALLOWED = "https://app.example.com";
const V5 = "authjs.session-token";
const V4 = "next-auth.session-token";

/** What a request gets that carries only these headers. */
async function ask(headers: Record<string, string>, method = "GET") {
  const response = await worker.fetch("https://chat.example.com/api/conversations", {
    method,
    headers: { ...headers, ...(method === "GET" ? {} : { "Content-Type": "application/json" }) },
    ...(method === "GET" ? {} : { body: JSON.stringify({ type: "group", participant_ids: [newUser()] }) }),
  });
  const body = (await response.json()) as {
    data: Conversation;
    error?: { details?: Array<{ message: string }> };
  };
  return { status: response.status, reason: body.error?.details?.[0]?.message, data: body.data };
}

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
const cookie = (value: string, origin: string | null = ALLOWED) => ({
  Cookie: value,
  ...(origin === null ? {} : { Origin: origin }),
});

test.each([
  ["v5", sessions.v5],
  ["v5 over https", sessions.v5Secure],
  ["v5 made before the secret was rotated", sessions.v5Previous],
  ["v4", sessions.v4],
])("A6: a session token of Auth.js %s is accepted as a bearer", async (_, token) => {
  const created = await ask(bearer(token), "POST");
  expect([created.status, created.data?.created_by]).toEqual([201, sessions.user.sub]);
  const members = await call<Array<{ user_id: string; user: object }>>(
    token,
    "GET",
    `/conversations/${created.data.id}/participants`,
  );
  expect(members.body.data).toContainEqual(
    expect.objectContaining({
      user_id: sessions.user.sub,
      user: { id: sessions.user.sub, name: sessions.user.name, avatar_url: sessions.user.picture },
    }),
  );
});

test.each([
  ["v5 of another secret", sessions.v5Unknown, "invalid"],
  ["v4 of another secret", sessions.v4Unknown, "invalid"],
  ["v5 that has ended", sessions.v5Expired, "expired"],
  ["v4 that has ended", sessions.v4Expired, "expired"],
  ["v5 with a changed byte", `${sessions.v5.slice(0, -4)}AAAA`, "invalid"],
  [
    "v5 without its key",
    sessions.v5.replace(/^[^.]+/, btoa('{"alg":"dir","enc":"A256CBC-HS512"}').replaceAll("=", "")),
    "invalid",
  ],
  [
    "one that is encrypted otherwise",
    sessions.v5.replace(/^[^.]+/, btoa('{"alg":"dir","enc":"A128GCM"}').replaceAll("=", "")),
    "invalid",
  ],
])("A6 A5: a session token %s is refused with its reason", async (_, token, reason) => {
  expect(await ask(bearer(token))).toMatchObject({ status: 401, reason });
});

test("A7: the session cookie counts for pages of allowed origins only", async () => {
  expect((await ask(cookie(`${V5}=${sessions.v5}`))).status).toBe(200);
  expect((await ask(cookie(`other=1; __Secure-${V5}=${sessions.v5Secure}`))).status).toBe(200);
  expect((await ask(cookie(`${V4}=${sessions.v4}`))).status).toBe(200);
  expect((await ask(cookie(`__Secure-${V4}=${sessions.v4}`))).status).toBe(200);
  for (const origin of ["https://evil.example", "null", null]) {
    for (const method of ["GET", "POST"]) {
      expect([origin, method, await ask(cookie(`${V5}=${sessions.v5}`, origin), method)]).toMatchObject([
        origin,
        method,
        { status: 401, reason: "missing" },
      ]);
    }
  }
  // A browser leaves the origin out of a GET to the page's own origin, and then says so.
  const own = { ...cookie(`${V5}=${sessions.v5}`, null), "Sec-Fetch-Site": "same-origin" };
  expect((await ask(own)).status).toBe(200);
  expect((await ask(own, "POST")).status).toBe(401);
});

test("A7: a cookie is checked by its own name: a session under another one is none", async () => {
  for (const value of [`${V4}=${sessions.v5}`, `${V5}=${sessions.v4}`, `__Secure-${V5}=${sessions.v5}`]) {
    expect(await ask(cookie(value))).toMatchObject({ status: 401, reason: "invalid" });
  }
  // In the middle of a migration the good one counts.
  expect((await ask(cookie(`${V5}=stale; ${V4}=${sessions.v4}`))).status).toBe(200);
});

test("A7: a bearer wins over a cookie, also when it is wrong", async () => {
  const [ana] = [newUser()];
  const both = await ask({ ...cookie(`${V5}=${sessions.v5}`), ...bearer(ana) }, "POST");
  expect(both.data.created_by).toBe(ana);
  expect(await ask({ ...cookie(`${V5}=${sessions.v5}`), ...bearer("x") })).toMatchObject({
    reason: "invalid",
  });
  const basic = { ...cookie(`${V5}=${sessions.v5}`), Authorization: "Basic eDp5" };
  expect(await ask(basic)).toMatchObject({ status: 401 });
});

test("A7: a session that Auth.js cut into pieces is put together, and only whole", async () => {
  const pieces = sessions.chunkedCookies.split("; ");
  expect(pieces.length).toBeGreaterThan(2);
  expect((await ask(cookie(sessions.chunkedCookies))).status).toBe(200);
  expect((await ask(cookie([...pieces].reverse().join("; ")))).status).toBe(200);
  expect(await ask(cookie(pieces.slice(0, -1).join("; ")))).toMatchObject({ status: 401, reason: "invalid" });
  expect((await ask(cookie(pieces.slice(1).join("; ")))).status).toBe(401);
});

test("A7: a socket takes the cookie under the same rule", async () => {
  const created = await ask(cookie(`${V5}=${sessions.v5}`), "POST");
  const connect = async (origin: string) => {
    const response = await worker.fetch(
      `https://chat.example.com/api/conversations/${created.data.id}/socket`,
      {
        headers: {
          Upgrade: "websocket",
          "Sec-WebSocket-Protocol": "arcyou.v1",
          ...cookie(`${V5}=${sessions.v5}`, origin),
        },
      },
    );
    const socket = response.webSocket as WebSocket;
    const first = new Promise<unknown>((resolve) => {
      socket.addEventListener("message", ({ data }) => resolve(JSON.parse(String(data))));
      socket.addEventListener("close", ({ code, reason }) => resolve({ code, reason }));
    });
    socket.accept();
    const seen = await first;
    socket.close();
    return seen;
  };
  expect(await connect(ALLOWED)).toMatchObject({ type: "ready", user_id: sessions.user.sub });
  expect(await connect("https://evil.example")).toEqual({ code: 4401, reason: "missing" });
});

test("A7: allowed pages may send their cookie along", async () => {
  const response = await worker.fetch("https://chat.example.com/api/conversations", {
    method: "OPTIONS",
    headers: { Origin: ALLOWED, "Access-Control-Request-Method": "POST" },
  });
  expect(response.headers.get("Access-Control-Allow-Credentials")).toBe("true");
  expect(response.headers.get("Access-Control-Allow-Origin")).toBe(ALLOWED);
});

test("A1 A6: a session token is exchanged for a chat token", async () => {
  const reply = await call<{ token: string; expires_at: string }>(sessions.v5, "POST", "/auth/token");
  expect(reply.status).toBe(200);
  expect((await call(reply.body.data.token, "GET", "/conversations")).status).toBe(200);
});

import { createExecutionContext, runDurableObjectAlarm } from "cloudflare:test";
import { exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { expect, test } from "vitest";
import { app } from "../../workers/app.ts";
import { call, join, newConversation, newUser, objectOf, open, testEnv } from "./harness.ts";

const SECRET = new TextEncoder().encode(testEnv.CHAT_TOKEN_SECRET);

const chatToken = (sub: string, expiresAt: number, claims: object = {}) =>
  new SignJWT({ ...claims })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(sub)
    .setIssuer("arcyou-chat")
    .setAudience("arcyou-chat")
    .setExpirationTime(Math.floor(expiresAt / 1000));

/** Asks the app under other settings than those of the run. */
async function ask(env: object, path: string, headers: Record<string, string> = {}) {
  const response = await app.request(
    `https://chat.example.com${path}`,
    { headers },
    { ...testEnv, ...env },
    createExecutionContext(),
  );
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const NO_SESSIONS = { AUTH_SECRET: undefined, AUTH_SECRET_1: undefined, NEXTAUTH_SECRET: undefined };

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

test("A1: a credential is exchanged for a chat token that works on REST and sockets", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const { status, body } = await call<{ token: string; expires_at: string }>(ana, "POST", "/auth/token");
  expect(status).toBe(200);
  expect(Date.parse(body.data.expires_at)).toBeGreaterThan(Date.now());
  expect((await call(body.data.token, "GET", `/conversations/${id}`)).status).toBe(200);
  const socket = await join(body.data.token, id);
  expect(await socket.ready()).toMatchObject({ user_id: ana, expires_at: body.data.expires_at });
  // Exchanging again never lengthens it.
  const again = await call<{ expires_at: string }>(body.data.token, "POST", "/auth/token");
  expect(again.body.data.expires_at).toBe(body.data.expires_at);
});

test.each(["RS256", "ES256", "EdDSA"])(
  "A2: a JWT signed with %s by the configured key is accepted",
  async (alg) => {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    const env = {
      ENVIRONMENT: "production",
      AUTH_PUBLIC_KEY: await exportSPKI(publicKey),
      AUTH_ISSUER: "https://app",
      AUTH_AUDIENCE: "chat",
    };
    const sign = (claims: { iss?: string; aud?: string; exp?: string; sub?: string | null }) => {
      const jwt = new SignJWT({})
        .setProtectedHeader({ alg })
        .setIssuer(claims.iss ?? "https://app")
        .setAudience(claims.aud ?? "chat");
      if (claims.sub !== null) jwt.setSubject(claims.sub ?? "user-1");
      if (claims.exp !== "none") jwt.setExpirationTime(claims.exp ?? "1h");
      return jwt.sign(privateKey);
    };
    expect((await ask(env, "/api/conversations", bearer(await sign({})))).status).toBe(200);
    for (const claims of [
      { iss: "https://evil" },
      { aud: "other" },
      { exp: "none" },
      { sub: null },
      { sub: "x".repeat(129) },
    ]) {
      expect((await ask(env, "/api/conversations", bearer(await sign(claims)))).status).toBe(401);
    }
    const expired = await ask(env, "/api/conversations", bearer(await sign({ exp: "1 minute ago" })));
    expect([expired.status, expired.text.includes("expired")]).toEqual([401, true]);
    const other = await generateKeyPair(alg);
    const forged = await new SignJWT({})
      .setProtectedHeader({ alg })
      .setIssuer("https://app")
      .setAudience("chat")
      .setSubject("user-1")
      .setExpirationTime("1h")
      .sign(other.privateKey);
    expect((await ask(env, "/api/conversations", bearer(forged))).status).toBe(401);
  },
);

test("A2: times are judged with five seconds of tolerance, and headers that nobody knows are not passed over", async () => {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const env = {
    ENVIRONMENT: "production",
    AUTH_PUBLIC_KEY: await exportSPKI(publicKey),
    AUTH_ISSUER: "https://app",
    AUTH_AUDIENCE: "chat",
  };
  const now = Math.floor(Date.now() / 1000);
  const verdict = async (claims: object, header: object = {}) => {
    const token = await new SignJWT({
      sub: "user-1",
      iss: "https://app",
      aud: "chat",
      exp: now + 600,
      ...claims,
    })
      .setProtectedHeader({ alg: "ES256", ...header })
      .sign(privateKey, { crit: { "urn:example:unknown": true } });
    const { status, text } = await ask(env, "/api/conversations", bearer(token));
    return status === 200 ? "accepted" : JSON.parse(text).error.details[0].message;
  };
  expect(await verdict({})).toBe("accepted");
  expect(await verdict({ nbf: now + 60 })).toBe("invalid");
  expect(await verdict({ nbf: now })).toBe("accepted");
  expect(await verdict({ exp: now - 60 })).toBe("expired");
  expect(await verdict({ exp: "tomorrow" })).toBe("invalid");
  expect(await verdict({ iat: "yesterday" })).toBe("invalid");
  expect(await verdict({}, { crit: ["urn:example:unknown"], "urn:example:unknown": 1 })).toBe("invalid");
  // Where keys could come from in a header: all of them are passed over, and the configured one is used.
  for (const header of [
    { kid: "' or 1=1 --" },
    { x5u: "https://evil.example" },
    { jku: "https://evil.example" },
  ]) {
    expect(await verdict({}, header)).toBe("accepted");
  }
});

test("A2: the known tricks with algorithms and keys are refused", async () => {
  const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
  const pem = await exportSPKI(publicKey);
  const env = {
    ENVIRONMENT: "production",
    AUTH_PUBLIC_KEY: pem,
    AUTH_ISSUER: "https://app",
    AUTH_AUDIENCE: "chat",
  };
  const claims = { sub: "user-1", iss: "https://app", aud: "chat" };
  const unsigned = new UnsecuredJWT(claims).setExpirationTime("1h").encode();
  const [, payload] = unsigned.split(".");
  const headers = ["none", "None", "NONE", "nOnE", ""].map(
    (alg) => `${btoa(JSON.stringify({ alg })).replaceAll("=", "")}.${payload}.`,
  );
  const confused = await new SignJWT(claims)
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(pem));
  const own = await generateKeyPair("ES256", { extractable: true });
  const embedded = await new SignJWT(claims)
    .setProtectedHeader({
      alg: "ES256",
      jwk: (await crypto.subtle.exportKey("jwk", own.publicKey)) as never,
      jku: "https://evil/keys",
      kid: "../../etc/passwd",
    })
    .setExpirationTime("1h")
    .sign(own.privateKey);
  const good = await new SignJWT(claims)
    .setProtectedHeader({ alg: "RS256" })
    .setExpirationTime("1h")
    .sign(privateKey);
  const admin = new UnsecuredJWT({ ...claims, sub: "user-2" }).setExpirationTime("1h").encode().split(".")[1];
  const tampered = good.replace(/\.[^.]+\./, `.${admin}.`);
  for (const token of [unsigned, ...headers, confused, embedded, tampered, "x", "a.b.c", good.slice(0, -4)]) {
    expect((await ask(env, "/api/conversations", bearer(token))).status).toBe(401);
  }
  expect((await ask(env, "/api/conversations", bearer(good))).status).toBe(200);
});

test("A3: a bare UUID is a credential in development only", async () => {
  expect((await ask({}, "/api/conversations", bearer(newUser()))).status).toBe(200);
  expect((await ask({ ENVIRONMENT: "production" }, "/api/conversations", bearer(newUser()))).status).toBe(
    401,
  );
});

test.each<[string, object, string]>([
  ["ENVIRONMENT misspelt", { ENVIRONMENT: "developement" }, "ENVIRONMENT"],
  ["ENVIRONMENT missing", { ENVIRONMENT: undefined }, "ENVIRONMENT"],
  ["DATABASE_URL missing", { DATABASE_URL: undefined }, "DATABASE_URL"],
  ["DATABASE_URL wrong", { DATABASE_URL: "mysql://x" }, "DATABASE_URL"],
  [
    "no way to sign in",
    { ENVIRONMENT: "production", CHAT_TOKEN_SECRET: undefined, ...NO_SESSIONS },
    "AUTH_SECRET",
  ],
  ["a short session secret", { AUTH_SECRET_2: "short" }, "AUTH_SECRET_2"],
  ["service keys that are no JSON", { SERVICE_KEYS: "key" }, "SERVICE_KEYS"],
  [
    "a service key that is too short",
    { SERVICE_KEYS: '[{"name":"a","key":"arcyou_1","scopes":["auth:revoke"]}]' },
    "SERVICE_KEYS",
  ],
  [
    "a scope that does not exist",
    { SERVICE_KEYS: `[{"name":"a","key":"arcyou_${"k".repeat(40)}","scopes":["everything"]}]` },
    "SERVICE_KEYS",
  ],
  ["a short secret", { CHAT_TOKEN_SECRET: "short" }, "CHAT_TOKEN_SECRET"],
  ["a key without issuer", { AUTH_JWKS_URL: "https://app/keys", AUTH_AUDIENCE: "chat" }, "AUTH_ISSUER"],
  ["an origin that is none", { ALLOWED_ORIGINS: "app.example" }, "ALLOWED_ORIGINS"],
])("A4: %s fails closed and is named", async (_, env, name) => {
  const ready = await ask(env, "/api/ready");
  expect(ready.status).toBe(503);
  expect(JSON.parse(ready.text).error.message).toContain(`${name} `);
  expect((await ask(env, "/api/conversations", bearer(newUser()))).status).toBe(503);
  expect((await ask(env, "/api/health")).status).toBe(200);
});

test("S2 A5: sockets are refused with 4401 and the reason", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const expired = await chatToken(ana, Date.now() - 60_000).sign(SECRET);
  const forged = await chatToken(ana, Date.now() + 60_000).sign(
    new TextEncoder().encode("another secret of 32 characters or more"),
  );
  for (const [token, reason] of [
    [null, "missing"],
    ["nonsense", "invalid"],
    [forged, "invalid"],
    [expired, "expired"],
  ] as const) {
    expect(await (await open(token, id)).untilClosed()).toEqual({ code: 4401, reason });
  }
  expect((await call(null, "GET", "/conversations")).body.error).toMatchObject({
    code: "UNAUTHORIZED",
    details: [{ message: "missing" }],
  });
  expect((await call(expired, "GET", "/conversations")).body.error).toMatchObject({
    code: "UNAUTHORIZED",
    details: [{ message: "expired" }],
  });
});

test("S11: when a credential ends nothing more is delivered or accepted, and the alarm closes idle sockets", async () => {
  const [ana, bo, cy] = [newUser(), newUser(), newUser()];
  const id = await newConversation(ana, bo, cy);
  const soon = () => Date.now() + 2_500;
  const a = await join(ana, id);
  const b = await join(await chatToken(bo, soon()).sign(SECRET), id);
  const c = await join(await chatToken(cy, soon()).sign(SECRET), id);
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  // Unless the alarm of this very minute was quicker.
  if (!b.closed) b.send({ type: "message.send", temp_id: "late", body: { text: "late" } });
  expect(await b.untilClosed()).toEqual({ code: 4401, reason: "expired" });
  await runDurableObjectAlarm(objectOf(id));
  expect(await c.untilClosed()).toEqual({ code: 4401, reason: "expired" });
  const message = await a.say("afterwards");
  expect(message.id).toBe(1);
  expect(JSON.stringify([b.frames, c.frames])).not.toContain("afterwards");
});

test("S3: the profile in a credential is shown to the others", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const a = await join(ana, id);
  await join(
    await chatToken(bo, Date.now() + 60_000, { name: "김하늘", picture: "https://img/1" }).sign(SECRET),
    id,
  );
  expect(await a.next("conversation.participant_updated")).toMatchObject({
    participant: { user_id: bo, user: { id: bo, name: "김하늘", avatar_url: "https://img/1" } },
  });
});

test("R8 R9: only allowed origins get CORS headers; every reply has security headers", async () => {
  const allowed = await ask({}, "/api/health", { Origin: "https://app.example.com" });
  expect(allowed.headers.get("Access-Control-Allow-Origin")).toBe("https://app.example.com");
  const foreign = await ask({}, "/api/health", { Origin: "https://evil.example" });
  expect([...foreign.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  const preflight = await app.request(
    "https://chat.example.com/api/conversations",
    {
      method: "OPTIONS",
      headers: { Origin: "https://evil.example", "Access-Control-Request-Method": "POST" },
    },
    testEnv,
  );
  expect([...preflight.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  for (const reply of [
    allowed,
    await ask({}, "/api/nothing"),
    await ask({}, `/api/conversations/${crypto.randomUUID()}/socket`),
    await ask({}, "/api/conversations"),
  ]) {
    expect(reply.headers.get("X-Content-Type-Options")).toBe("nosniff");
    expect(reply.headers.get("Content-Security-Policy")).toContain("default-src 'self'");
    expect(reply.headers.get("X-Request-Id")).toBeTruthy();
  }
});

import { createExecutionContext } from "cloudflare:test";
import { generateKeyPair, importJWK, SignJWT } from "jose";
import { expect, inject, test } from "vitest";
import { app } from "../../workers/app.ts";
import { newUser, testEnv } from "./harness.ts";

const env = (path = "") => ({
  ...testEnv,
  ENVIRONMENT: "production",
  AUTH_JWKS_URL: `${inject("jwksUrl")}${path}`,
  AUTH_ISSUER: "https://app",
  AUTH_AUDIENCE: "chat",
});

const sign = (key: Parameters<SignJWT["sign"]>[0], kid: string) =>
  new SignJWT({ name: "Mina" })
    .setProtectedHeader({ alg: "ES256", kid })
    .setSubject(newUser())
    .setIssuer("https://app")
    .setAudience("chat")
    .setExpirationTime("1h")
    .sign(key);

async function ask(token: string, path?: string, headers: Record<string, string> = {}) {
  const url = `https://chat.example.com/api/conversations${headers.Upgrade ? `/${crypto.randomUUID()}/socket` : ""}`;
  return app.request(
    url,
    { headers: { Authorization: `Bearer ${token}`, ...headers } },
    env(path),
    createExecutionContext(),
  );
}

test("A2: a JWT is checked against the key set of the host application", async () => {
  const key = await importJWK(inject("signingKey"), "ES256");
  const { privateKey: other } = await generateKeyPair("ES256");
  expect((await ask(await sign(key, "one"))).status).toBe(200);
  expect((await ask(await sign(other, "one"))).status).toBe(401);
  expect((await ask(await sign(key, "../../etc/passwd"))).status).toBe(401);
});

test("A2 S2: a key set that cannot be fetched is no verdict on the token", async () => {
  const token = await sign(await importJWK(inject("signingKey"), "ES256"), "one");
  const reply = await ask(token, "/away");
  expect([reply.status, ((await reply.json()) as { error: object }).error]).toMatchObject([
    503,
    { code: "SERVICE_UNAVAILABLE", retryable: true },
  ]);
  const upgrade = await ask("", "/away", {
    Upgrade: "websocket",
    "Sec-WebSocket-Protocol": `arcyou.v1, bearer.${token}`,
  });
  const socket = upgrade.webSocket as WebSocket;
  const closed = new Promise<number>((resolve) =>
    socket.addEventListener("close", ({ code }) => resolve(code)),
  );
  socket.accept();
  expect(await closed).toBe(4500);
});

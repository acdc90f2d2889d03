import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { verifyExternalJwt } from "../../workers/auth/external-jwt.ts";
import type { Settings } from "../../workers/env.ts";

const keys = await generateKeyPair("ES256", { extractable: true });
const others = await generateKeyPair("ES256", { extractable: true });
let server: Server;
let isAway = false;
let url = "";

beforeAll(async () => {
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: "one", alg: "ES256" };
  server = createServer((_, response) => {
    response.writeHead(isAway ? 503 : 200, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ keys: [jwk] }));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((closed) => server.close(closed)));

const settings = (path: string) =>
  ({
    AUTH_JWKS_URL: `${url}${path}`,
    AUTH_ISSUER: "https://app",
    AUTH_AUDIENCE: "chat",
  }) as unknown as Settings;

const sign = (privateKey: CryptoKey, kid: string) =>
  new SignJWT({ name: "Mina" })
    .setProtectedHeader({ alg: "ES256", kid })
    .setSubject("user-1")
    .setIssuer("https://app")
    .setAudience("chat")
    .setExpirationTime("1h")
    .sign(privateKey);

test("A2: a JWT is checked against the key set", async () => {
  const good = await verifyExternalJwt(await sign(keys.privateKey, "one"), settings("/a"));
  expect(good).toMatchObject({ ok: true, identity: { userId: "user-1", name: "Mina" } });
  for (const token of [
    await sign(others.privateKey, "one"),
    await sign(others.privateKey, "../../etc/passwd"),
  ]) {
    expect(await verifyExternalJwt(token, settings("/a"))).toEqual({ ok: false, reason: "invalid" });
  }
});

test("A2: a key set that cannot be fetched is no verdict on the token", async () => {
  const token = await sign(keys.privateKey, "one");
  isAway = true;
  await expect(verifyExternalJwt(token, settings("/b"))).rejects.toMatchObject({
    refusal: { code: "SERVICE_UNAVAILABLE" },
  });
  isAway = false;
  expect(await verifyExternalJwt(token, settings("/c"))).toMatchObject({ ok: true });
});

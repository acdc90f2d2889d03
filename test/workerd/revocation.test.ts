import { evictDurableObject } from "cloudflare:test";
import { decodeJwt, SignJWT } from "jose";
import { expect, inject, test } from "vitest";
import { purgeRevocations } from "../../db/revocations.ts";
import { SERVICE_KEYS } from "../setup/session-secrets.ts";
import { call, db, join, newConversation, newUser, objectOf, open, testEnv, until } from "./harness.ts";

const SECRET = new TextEncoder().encode(testEnv.CHAT_TOKEN_SECRET);

/** A chat token made at a moment, in Unix seconds. */
const tokenOf = (
  sub: string,
  { jti = crypto.randomUUID(), issuedAt = Date.now() / 1000 - 60, lifeSeconds = 3_600 } = {},
) =>
  new SignJWT({})
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(sub)
    .setIssuer("arcyou-chat")
    .setAudience("arcyou-chat")
    .setJti(jti)
    .setIssuedAt(Math.floor(issuedAt))
    .setExpirationTime(Math.floor(Date.now() / 1000 + lifeSeconds))
    .sign(SECRET);

const revoke = (body: object) => call(SERVICE_KEYS.all, "POST", "/auth/revoke", body);

const reasonOf = async (token: string) => {
  const { status, body } = await call(token, "GET", "/conversations");
  return status === 200 ? "accepted" : (body.error.details as Array<{ message: string }>)[0]?.message;
};

test("A9: revoking a user ends all credentials made until then, on REST and in open sockets, at once", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const [first, second, others] = [await tokenOf(ana), await tokenOf(ana), await tokenOf(bo)];
  const id = await newConversation(bo, ana);
  const sockets = [await join(first, id), await join(second, id)];
  const b = await join(others, id);
  expect(await reasonOf(first)).toBe("accepted");
  expect((await revoke({ user_id: ana })).status).toBe(200);
  for (const socket of sockets) expect(socket.closed).toEqual({ code: 4401, reason: "revoked" });
  expect(await reasonOf(first)).toBe("revoked");
  expect(await reasonOf(second)).toBe("revoked");
  await b.say("still here");
  expect(await reasonOf(others)).toBe("accepted");
  expect(sockets.flatMap(({ frames }) => frames).join()).not.toContain("still here");
  for (const token of [first, second]) {
    expect(await (await open(token, id)).untilClosed()).toEqual({ code: 4401, reason: "revoked" });
  }
  // Whoever signs in anew comes back; the same second is not new.
  const fresh = await tokenOf(ana, { issuedAt: Date.now() / 1000 + 1 });
  expect(await reasonOf(fresh)).toBe("accepted");
  await join(fresh, id);
});

test("A9: revoking one credential leaves the user's others, and ends the chat token made from it", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const [lost, kept] = [await tokenOf(ana, { jti: "lost" }), await tokenOf(ana, { jti: "kept" })];
  const exchanged = (await call<{ token: string }>(lost, "POST", "/auth/token")).body.data.token;
  const [a, b, c] = [await join(lost, id), await join(kept, id), await join(exchanged, id)];
  expect((await revoke({ user_id: ana, jti: "lost" })).status).toBe(200);
  expect([a.closed?.reason, c.closed?.reason]).toEqual(["revoked", "revoked"]);
  expect([await reasonOf(lost), await reasonOf(exchanged), await reasonOf(kept)]).toEqual([
    "revoked",
    "revoked",
    "accepted",
  ]);
  await b.say("mine");
  // An id of one user's credential says nothing of another's.
  expect(await reasonOf(await tokenOf(newUser(), { jti: "lost" }))).toBe("accepted");
});

test("A9: a conversation's object remembers by itself, also after it was evicted", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const token = await tokenOf(ana, { jti: "gone" });
  await join(token, id);
  await revoke({ user_id: ana, jti: "gone" });
  await db.execute(`delete from revocations where value = '${JSON.stringify([ana, "gone"])}'`);
  await evictDurableObject(objectOf(id));
  expect(await (await open(token, id)).untilClosed()).toEqual({ code: 4401, reason: "revoked" });
});

test("A9: a session of Auth.js is revoked like any other; only services revoke", async () => {
  const { v5, user } = inject("sessions");
  const ana = newUser();
  const denied = await call(ana, "POST", "/auth/revoke", { user_id: user.sub });
  expect([denied.status, denied.body.error.code]).toEqual([403, "FORBIDDEN"]);
  expect((await revoke({})).status).toBe(400);
  // By a user of its own: the session serves other tests.
  expect((await revoke({ user_id: `${user.sub}-x` })).status).toBe(200);
  expect(await reasonOf(v5)).toBe("accepted");
  await purgeRevocations(db);
});

test("S18: a session takes a new credential of its user in band, and ends with that", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const socket = await join(await tokenOf(ana, { lifeSeconds: 4 }), id);
  socket.send({ type: "auth.refresh", token: await tokenOf(ana, { lifeSeconds: 300 }), ref: "r1" });
  expect(await socket.next("auth.refreshed")).toMatchObject({ ref: "r1" });
  const expired = await tokenOf(ana, { lifeSeconds: -60 });
  for (const [token, code, reason] of [
    ["nonsense", "UNAUTHORIZED", "invalid"],
    [expired, "UNAUTHORIZED", "expired"],
    [await tokenOf(bo), "FORBIDDEN", undefined],
  ] as const) {
    const ref = `r-${reason}`;
    socket.send({ type: "auth.refresh", token, ref });
    const { error } = await socket.next("error", (event) => event.ref === ref);
    expect([error.code, error.details?.[0]?.message]).toEqual([code, reason]);
  }
  // Beyond the end of the first one, and after the instance that knew of the second.
  await new Promise((resolve) => setTimeout(resolve, 4_500));
  await evictDurableObject(objectOf(id));
  expect((await socket.say("still here")).id).toBe(1);
});

test("S18 A9: a revoked credential does not refresh a session, and the refreshed one can be revoked", async () => {
  const ana = newUser();
  const id = await newConversation(ana);
  const [first, second] = [await tokenOf(ana, { jti: "first" }), await tokenOf(ana, { jti: "second" })];
  const socket = await join(first, id);
  await revoke({ user_id: ana, jti: "second" });
  socket.send({ type: "auth.refresh", token: second, ref: "a" });
  const { error } = await socket.next("error");
  expect(error).toMatchObject({ code: "UNAUTHORIZED", details: [{ message: "revoked" }] });
  socket.send({ type: "auth.refresh", token: await tokenOf(ana, { jti: "third" }), ref: "b" });
  await socket.next("auth.refreshed");
  await revoke({ user_id: ana, jti: "first" });
  await socket.say("the first one is not what it lives by");
  await revoke({ user_id: ana, jti: "third" });
  await until(() => socket.closed !== null);
  expect(socket.closed).toEqual({ code: 4401, reason: "revoked" });
});

test("A9: a chat token is as old as what it was made from", async () => {
  const ana = newUser();
  const old = await tokenOf(ana, { issuedAt: Date.now() / 1000 - 600 });
  const exchanged = (await call<{ token: string }>(old, "POST", "/auth/token")).body.data.token;
  expect(decodeJwt(exchanged).iat).toBe(decodeJwt(old).iat);
  await revoke({ user_id: ana });
  expect([await reasonOf(exchanged), await reasonOf(old)]).toEqual(["revoked", "revoked"]);
  const again = await call(old, "POST", "/auth/token");
  expect([again.status, again.body.error.details]).toMatchObject([401, [{ message: "revoked" }]]);
});

import { expect, test } from "vitest";
import { app } from "../../workers/app.ts";
import { call, join, newConversation, newUser, open, testEnv, until } from "./harness.ts";

/** Addresses that no other test uses (RFC 5737 and RFC 3849 keep them for documents). */
const from = (address: string) => ({ "CF-Connecting-IP": address });

/** The local limiter counts anew at each of these, by the clock. */
const WINDOW_MS = 10_000;

/** Asks until it is too much, early in a window, so that it still is when the test looks. @returns how often it was not */
async function exhaust(ask: () => Promise<{ status: number }> | Response, atMost: number): Promise<number> {
  await until(() => Date.now() % WINDOW_MS < WINDOW_MS / 3);
  let answered = 0;
  while (answered < atMost) {
    const replies = await Promise.all(Array.from({ length: 50 }, ask));
    answered += replies.filter(({ status }) => status !== 429).length;
    if (replies.some(({ status }) => status === 429)) return answered;
  }
  throw new Error("It was never too much.");
}

test("L1: one user may ask 200 times in 10 seconds, and is then told when to come back; others go on", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const ask = () => call(ana, "GET", "/conversations/unread-count");
  expect(await exhaust(ask, 1_000)).toBeGreaterThanOrEqual(150);
  const limited = await ask();
  expect([limited.status, limited.headers.get("Retry-After"), limited.body.error]).toMatchObject([
    429,
    "10",
    { code: "RATE_LIMITED", retryable: true, retry_after_ms: 10_000 },
  ]);
  expect(await (await open(ana, id)).untilClosed()).toMatchObject({ code: 4429 });
  expect((await call(bo, "GET", "/conversations/unread-count")).status).toBe(200);
});

test("L2: whoever guesses credentials is stopped sooner; a good one from the same address passes", async () => {
  const address = from("192.0.2.7");
  const guess = () => call("a.b.c", "GET", "/conversations", undefined, address);
  expect(await exhaust(guess, 400)).toBeLessThanOrEqual(100);
  expect((await guess()).headers.get("Retry-After")).toBe("10");
  expect((await call(newUser(), "GET", "/conversations", undefined, address)).status).toBe(200);
  expect((await call("a.b.c", "GET", "/conversations", undefined, from("192.0.2.8"))).status).toBe(401);
});

test("L2: an IPv6 household is one address", async () => {
  let host = 0;
  const guess = () => {
    host += 1;
    return call("a.b.c", "GET", "/conversations", undefined, from(`2001:db8:1:2::${host.toString(16)}`));
  };
  await exhaust(guess, 400);
  const other = await call("a.b.c", "GET", "/conversations", undefined, from("2001:db8:1:3::1"));
  expect(other.status).toBe(401);
  const written = from("2001:0DB8:0001:0002:ffff:0:0:1");
  expect((await call("a.b.c", "GET", "/conversations", undefined, written)).status).toBe(429);
});

test("L3: one address may ask so many times, also of routes that need no credential", async () => {
  // The limit of failures, which is the same and lower, in the place of the one of addresses.
  const env = { ...testEnv, ADDRESS_LIMIT: testEnv.FAILURE_LIMIT };
  const health = (address: string) =>
    app.request("https://chat.example.com/api/health", { headers: from(address) }, env);
  await exhaust(() => health("198.51.100.1"), 400);
  expect((await health("198.51.100.1")).headers.get("Retry-After")).toBe("10");
  expect((await health("198.51.100.2")).status).toBe(200);
});

test("L4: the frames of one address are limited together, whoever sends them; another address goes on", async () => {
  const [ana, bo] = [newUser(), newUser()];
  const id = await newConversation(ana, bo);
  const limited = from("203.0.113.1");
  const users = Array.from({ length: 25 }, newUser);
  await call(ana, "POST", `/conversations/${id}/participants`, { user_ids: users });
  const sockets = await Promise.all(users.map((user) => join(user, id, {}, limited)));
  // Each sends at once what one user may, so that a slow machine makes no difference.
  const burst = Array.from({ length: 40 }, (_, n) => ({ type: "message.delete", id: 99, ref: `${n}` }));
  for (const socket of sockets) socket.send(burst);
  const { error } = await until(() => {
    const events = sockets.flatMap((socket) => socket.events);
    return events.find((event) => event.type === "error" && event.error.code === "RATE_LIMITED");
  }).then((event) => event as { error: { retry_after_ms?: number } });
  expect(error.retry_after_ms).toBeGreaterThan(0);
  expect((await (await join(bo, id, {}, from("203.0.113.2"))).say("from elsewhere")).body?.text).toBe(
    "from elsewhere",
  );
});

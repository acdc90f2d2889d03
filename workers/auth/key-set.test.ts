import { errors, exportJWK, generateKeyPair, type JWK, jwtVerify, SignJWT } from "jose";
import { expect, test } from "vitest";
import { KeySet, KeySetAway } from "./key-set.ts";

interface Signer {
  kid: string;
  jwk: JWK;
  token: string;
}

async function signer(kid: string): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const token = await new SignJWT({}).setProtectedHeader({ alg: "ES256", kid }).sign(privateKey);
  return { kid, jwk: { ...(await exportJWK(publicKey)), kid, alg: "ES256" }, token };
}

/** An application that serves a key set, and a clock. */
function setUp() {
  const world = {
    nowMs: 1_000_000,
    served: [] as JWK[],
    requests: 0,
    answer: null as (() => Promise<Response>) | null,
  };
  const keySet = new KeySet("https://app.example.com/keys", {
    now: () => world.nowMs,
    fetch: async () => {
      world.requests += 1;
      if (world.answer) return world.answer();
      return new Response(JSON.stringify({ keys: world.served }));
    },
  });
  const verify = async ({ token }: Signer): Promise<string> => {
    try {
      await jwtVerify(token, keySet.getKey);
      return "accepted";
    } catch (error) {
      if (error instanceof KeySetAway) return "away";
      if (error instanceof errors.JWKSNoMatchingKey) return "unknown";
      throw error;
    }
  };
  return { world, verify };
}

const MINUTE = 60_000;
const down = () => Promise.reject(new TypeError("connection refused"));

test("A2: keys are fetched once, and anew when they are no longer fresh", async () => {
  const { world, verify } = setUp();
  const one = await signer("one");
  world.served = [one.jwk];
  await Promise.all(Array.from({ length: 20 }, () => verify(one)));
  expect(world.requests).toBe(1);
  world.nowMs += 4 * MINUTE;
  expect(await verify(one)).toBe("accepted");
  expect(world.requests).toBe(1);
  world.nowMs += 2 * MINUTE;
  expect(await verify(one)).toBe("accepted");
  expect(world.requests).toBe(2);
});

test("A2: a new key is found at once, a withdrawn one goes with the next fetch, an unknown one costs one request", async () => {
  const { world, verify } = setUp();
  const [one, two, forged] = [await signer("one"), await signer("two"), await signer("forged")];
  world.served = [one.jwk];
  await verify(one);
  world.nowMs += MINUTE;
  world.served = [two.jwk];
  expect(await verify(two)).toBe("accepted");
  expect(await verify(one)).toBe("unknown");
  world.nowMs += MINUTE;
  const before = world.requests;
  const verdicts = await Promise.all(Array.from({ length: 50 }, () => verify(forged)));
  expect(new Set(verdicts)).toEqual(new Set(["unknown"]));
  expect(world.requests - before).toBe(1);
});

test("A2: in an outage known keys go on until they are too old, and then nobody gets in; no stampede meanwhile", async () => {
  const { world, verify } = setUp();
  const one = await signer("one");
  world.served = [one.jwk];
  await verify(one);
  world.answer = down;
  world.nowMs += 14 * MINUTE;
  const before = world.requests;
  const during = await Promise.all(Array.from({ length: 50 }, () => verify(one)));
  expect(new Set(during)).toEqual(new Set(["accepted"]));
  expect(world.requests - before).toBe(1);
  world.nowMs += 2 * MINUTE;
  expect(await verify(one)).toBe("away");
  const tries = world.requests;
  for (let second = 0; second < 9; second += 1) {
    world.nowMs += 1_000;
    expect(await verify(one)).toBe("away");
  }
  expect(world.requests).toBe(tries);
  world.answer = null;
  world.nowMs += 2_000;
  expect(await verify(one)).toBe("accepted");
});

test.each([
  ["a page that is no key set", async () => new Response("<html>")],
  ["an object that is none", async () => new Response('{"keys":"none"}')],
  ["an error", async () => new Response("{}", { status: 500 })],
  [
    "a redirect",
    async () => new Response(null, { status: 302, headers: { Location: "https://evil.example" } }),
  ],
  ["more than anybody needs", async () => new Response("x".repeat(300_000))],
])("A2: %s is an outage, and does not replace known keys", async (_, answer) => {
  const { world, verify } = setUp();
  const one = await signer("one");
  world.answer = answer;
  expect(await verify(one)).toBe("away");
  world.answer = null;
  world.served = [one.jwk];
  world.nowMs += MINUTE;
  expect(await verify(one)).toBe("accepted");
  world.answer = answer;
  world.nowMs += 6 * MINUTE;
  expect(await verify(one)).toBe("accepted");
});

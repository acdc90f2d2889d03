import { afterAll, expect, test } from "vitest";
import { Service } from "../stack/service.ts";
import { randomFrom, sleep, Traffic } from "./traffic.ts";

const ROUNDS = Number(process.env.CRASH_ROUNDS ?? 5);
const SEED = Number(process.env.CRASH_SEED ?? Date.now() % 1_000_000);

const ends: Array<() => Promise<void> | void> = [];
afterAll(async () => {
  for (const end of ends.reverse()) await end();
});

test(`M1 M3 M4 D1 D6: ${ROUNDS} kills of everything at random moments lose nothing (seed ${SEED})`, {
  timeout: 600_000,
}, async () => {
  const random = randomFrom(SEED);
  const service = await Service.create();
  ends.push(() => service.stop());
  await service.start();
  const conversations = Array.from({ length: 3 }, () => new Traffic(service.url, random));
  for (const traffic of conversations) {
    await traffic.start();
    ends.push(() => traffic.disconnect());
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    await sleep(500 + random() * 2_500);
    const before = conversations.map((traffic) => traffic.acknowledged.length);
    await service.kill();
    await service.start();
    // Everybody comes back and goes on.
    for (const [index, traffic] of conversations.entries()) {
      while (traffic.acknowledged.length <= (before[index] ?? 0)) await sleep(50);
    }
  }
  await Promise.all(conversations.map((traffic) => traffic.finish()));
  const databaseUrl = await service.databaseUrl();
  for (const traffic of conversations) {
    expect(traffic.acknowledged.length).toBeGreaterThan(ROUNDS * 10);
    await traffic.check(databaseUrl);
  }
});

import { afterAll, expect, test } from "vitest";
import { Service } from "../stack/service.ts";
import { randomFrom, sleep, Traffic, until, untilDrained } from "./traffic.ts";

const ROUNDS = Number(process.env.CRASH_ROUNDS ?? 5);
const SEED = Number(process.env.CRASH_SEED ?? Date.now() % 1_000_000);

const ends: Array<() => Promise<void> | void> = [];
afterAll(async () => {
  for (const end of ends.reverse()) await end();
});

test(`M1 M3 M4 D1 D6: ${ROUNDS} kills of everything at random moments lose nothing (seed ${SEED})`, {
  timeout: 600_000,
}, async () => {
  console.log(`CRASH_SEED=${SEED}`);
  const random = randomFrom(SEED);
  const service = await Service.create();
  ends.push(() => service.stop());
  await service.start();
  const conversations = Array.from(
    { length: 3 },
    (_, index) => new Traffic(service.url, randomFrom(SEED + index + 1)),
  );
  for (const traffic of conversations) {
    await traffic.start();
    ends.push(() => traffic.disconnect());
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    // Everybody is in the middle of something.
    for (const traffic of conversations) {
      const before = traffic.acknowledged.length;
      await until(() => traffic.acknowledged.length > before);
    }
    await sleep(random() * 3_000);
    await service.kill();
    await service.start();
  }
  await Promise.all(conversations.map((traffic) => traffic.finish()));
  const databaseUrl = await service.databaseUrl();
  for (const traffic of conversations) {
    expect(traffic.acknowledged.length).toBeGreaterThan(ROUNDS * 10);
    await untilDrained(databaseUrl, traffic, Math.max(...(await traffic.history()).map(({ seq }) => seq)));
    await traffic.check(databaseUrl);
  }
});

import { afterAll, expect, test } from "vitest";
import { Service } from "../stack/service.ts";
import { TcpProxy } from "../stack/tcp-proxy.ts";
import { randomFrom, sleep, Traffic, until, untilDrained } from "./traffic.ts";

const ROUNDS = Number(process.env.NETWORK_ROUNDS ?? 6);
const SEED = Number(process.env.NETWORK_SEED ?? Date.now() % 1_000_000);

const ends: Array<() => Promise<void> | void> = [];
afterAll(async () => {
  for (const end of ends.reverse()) await end();
});

test(`M1 M3 M4 D1: ${ROUNDS} connections cut or fallen silent under load lose nothing (seed ${SEED})`, {
  timeout: 600_000,
}, async () => {
  console.log(`NETWORK_SEED=${SEED}`);
  const random = randomFrom(SEED);
  const service = await Service.create();
  ends.push(() => service.stop());
  await service.start();
  const proxy = new TcpProxy(service.port);
  ends.push(() => proxy.close());
  const traffic = new Traffic(`http://127.0.0.1:${await proxy.listen()}`, randomFrom(SEED + 1), {
    heartbeat: { everyMs: 2_000, answerMs: 1_500 },
    connectTimeoutMs: 3_000,
  });
  ends.push(() => traffic.disconnect());
  await traffic.start();
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = traffic.acknowledged.length;
    await until(() => traffic.acknowledged.length > before + 10);
    await sleep(random() * 500);
    if (round % 2 === 0) proxy.cut();
    else proxy.silence();
    // Everybody finds out, also where nobody says so.
    await until(() => traffic.handles.every(({ state }) => state.status !== "live"));
    await sleep(random() * 500);
    proxy.mend();
  }
  await traffic.finish();
  expect(traffic.acknowledged.length).toBeGreaterThan(ROUNDS * 10);
  const databaseUrl = await service.databaseUrl();
  await untilDrained(databaseUrl, traffic, Math.max(...(await traffic.history()).map(({ seq }) => seq)));
  await traffic.check(databaseUrl);
});

import { randomUUID } from "node:crypto";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { startPostgres } from "../../dev/postgres.ts";
import type { Message } from "../../protocol/entities.ts";
import { Service } from "../stack/service.ts";
import { rest, sleep, Traffic } from "./traffic.ts";

const OUTAGE_MS = Number(process.env.OUTAGE_SECONDS ?? 60) * 1_000;

const ends: Array<() => Promise<void> | void> = [];
afterAll(async () => {
  for (const end of ends.reverse()) await end();
});

test(`D2 D6: Postgres away for ${OUTAGE_MS / 1_000} s under load: nobody sending notices, and it catches up by itself`, {
  timeout: 600_000,
}, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "arcyou-postgres-"));
  const first = await startPostgres({ dataDir });
  const { url, port } = first;
  const service = await Service.create({ DATABASE_URL: url });
  ends.push(() => service.stop());
  await service.start();
  const conversations = Array.from({ length: 3 }, () => new Traffic(service.url, Math.random));
  for (const traffic of conversations) {
    await traffic.start();
    ends.push(() => traffic.disconnect());
  }
  const [one] = conversations as [Traffic];
  await sleep(2_000);

  await first.kill();
  const before = conversations.map((traffic) => traffic.acknowledged.length);
  await sleep(OUTAGE_MS / 2);
  const reader = one.users[1] ?? "";
  const page = await rest<Message[]>(service.url, reader, "GET", `/conversations/${one.id}/messages`);
  expect([page.status, page.body.data.length]).toEqual([200, 50]);
  const list = await rest<{ code: string }>(service.url, reader, "GET", "/conversations");
  expect([list.status, (list.body as never as { error: object }).error]).toMatchObject([
    503,
    { code: "SERVICE_UNAVAILABLE", retryable: true },
  ]);
  const unknown = await rest(service.url, reader, "GET", `/conversations/${randomUUID()}/messages`);
  expect(unknown.status).toBe(503);
  await sleep(OUTAGE_MS / 2);
  for (const [index, traffic] of conversations.entries()) {
    // Six senders, about ten messages a second each, of which a fifth would already show that they went on.
    expect(traffic.acknowledged.length - (before[index] ?? 0)).toBeGreaterThan((OUTAGE_MS / 1_000) * 12);
    expect(traffic.errors).toEqual([]);
    expect(traffic.handles.map(({ state }) => state.status)).toEqual(traffic.users.map(() => "live"));
  }

  const second = await startPostgres({ dataDir, port });
  ends.unshift(() => second.stop());
  await Promise.all(conversations.map((traffic) => traffic.finish()));
  for (const traffic of conversations) await traffic.check(url);
});

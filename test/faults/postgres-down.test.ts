import { randomUUID } from "node:crypto";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { startPostgres } from "../../dev/postgres.ts";
import { CLOSE } from "../../protocol/close-codes.ts";
import type { Conversation, Message } from "../../protocol/entities.ts";
import { Service } from "../stack/service.ts";
import { rest, sleep, Traffic, until, untilDrained } from "./traffic.ts";

const OUTAGE_MS = Number(process.env.OUTAGE_SECONDS ?? 60) * 1_000;

const ends: Array<() => Promise<void> | void> = [];
afterAll(async () => {
  for (const end of ends.reverse()) await end();
});

test(`D2 D6: Postgres away for ${OUTAGE_MS / 1_000} s under load: nobody sending notices, and it catches up by itself`, {
  timeout: 600_000,
}, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "arcyou-postgres-"));
  await chmod(dataDir, 0o755);
  ends.push(() => rm(dataDir, { recursive: true, force: true }));
  const first = await startPostgres({ dataDir });
  ends.push(() => first.stop());
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
  const [reader = "", stranger] = [one.users[1], randomUUID()];
  const untouched = (
    await rest<Conversation>(service.url, reader, "POST", "/conversations", {
      type: "group",
      participant_ids: [stranger],
    })
  ).body.data.id;
  await until(() => conversations.every(({ acknowledged }) => acknowledged.length > 100));

  await first.kill();
  const comeBack = Date.now() + OUTAGE_MS;
  /** Everybody goes on, on the connections they have. */
  const goesOn = async () => {
    for (const traffic of conversations) {
      const before = traffic.acknowledged.length;
      await until(() => traffic.acknowledged.length > before + 10);
      expect(traffic.errors).toEqual([]);
      expect(traffic.handles.map(({ state }) => state.status)).toEqual(traffic.handles.map(() => "live"));
    }
  };
  await goesOn();

  // What is loaded goes on for everybody, also for those who come now.
  const messages = `/conversations/${one.id}/messages`;
  const page = await rest<Message[]>(service.url, reader, "GET", messages);
  expect([page.status, page.body.data.length]).toEqual([200, 50]);
  const oldest = await rest<Message[]>(service.url, reader, "GET", `${messages}?after_id=0&limit=20`);
  expect(oldest.body.data.map(({ id }) => id)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
  const late = one.join(reader);
  await until(() => late.state.status === "live");
  // Nobody else may learn that the conversation exists.
  expect((await rest(service.url, stranger, "GET", messages)).status).toBe(404);

  // What only Postgres knows is answered with an error that says to try again.
  for (const path of [
    "/conversations",
    `/conversations/${untouched}`,
    `/conversations/${untouched}/messages`,
    `/conversations/${randomUUID()}/messages`,
    "/ready",
  ]) {
    const answer = await rest(service.url, reader, "GET", path);
    expect([path, answer.status, answer.body.error]).toMatchObject([
      path,
      503,
      { code: "SERVICE_UNAVAILABLE", retryable: true },
    ]);
  }
  expect(await closeCodeOf(service, untouched, reader)).toBe(CLOSE.tryAgain);

  while (Date.now() < comeBack) {
    await goesOn();
    await sleep(1_000);
  }
  // From here on nobody does anything: what is left is done by the conversations themselves.
  await Promise.all(conversations.map((traffic) => traffic.finish()));
  const newest = conversations.map(({ handles }) => Math.max(...handles.map(({ state }) => state.seq)));
  for (const traffic of conversations) expect(traffic.errors).toEqual([]);
  for (const traffic of conversations) traffic.disconnect();

  const second = await startPostgres({ dataDir, port });
  ends.splice(2, 0, () => second.stop());
  for (const [index, traffic] of conversations.entries()) {
    await untilDrained(url, traffic, newest[index] ?? 0);
    await traffic.check(url);
  }
  expect((await rest(service.url, stranger, "GET", `/conversations/${untouched}/messages`)).status).toBe(200);
});

/** The code with which the service ends a socket of this user. */
function closeCodeOf(service: Service, id: string, user: string): Promise<number> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${service.url.replace("http", "ws")}/api/conversations/${id}/socket`, [
      "arcyou.v1",
      `bearer.${user}`,
    ]);
    socket.onclose = ({ code }) => resolve(code);
  });
}

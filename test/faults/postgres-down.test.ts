import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { ChatApi, ChatClient } from "../../client/index.ts";
import { CLOSE } from "../../protocol/close-codes.ts";
import { check } from "../checker/check.ts";
import { Random } from "../simulation/random.ts";
import { BareService } from "../stack/bare-service.ts";
import { expectSound, keepHistory, SEED } from "./ci.ts";
import { Crowd } from "./crowd.ts";
import { beginHistory, finish, HURRY, readHistory } from "./run.ts";

const OUTAGE_MS = Number(process.env.OUTAGE_SECONDS ?? 30) * 1_000;
const OUTAGE = { id: "outage", name: "postgres_killed" };

test(`D2 I1 to I15: Postgres away for ${OUTAGE_MS / 1_000} s under load: nobody sending notices, and it catches up by itself (seed ${SEED})`, {
  timeout: OUTAGE_MS + 300_000,
}, async () => {
  await keepHistory("outage", async (historyFile) => {
    const service = await BareService.create({ variables: HURRY.variables });
    const recorder = beginHistory(historyFile, SEED, [OUTAGE]);
    const crowd = new Crowd({
      recorder,
      random: new Random(SEED),
      port: service.port,
      conversations: 3,
      users: 6,
      participants: 5,
      pauseMs: 400,
      pace: HURRY.pace,
      isSimple: true,
    });
    try {
      await service.start();
      await crowd.start();
      await answered(crowd, 300);
      await outage(service, crowd, () =>
        recorder.write({ kind: "fault", phase: "fired", fault: OUTAGE.id, name: OUTAGE.name }),
      );
      recorder.write({ kind: "fault", phase: "healed", fault: OUTAGE.id, name: OUTAGE.name });
      expect(await finish(recorder, service, crowd, new Random(SEED))).toBe(null);
      const verdict = check(readHistory(historyFile));
      expectSound(verdict);
    } finally {
      await crowd.close();
      await service.stop();
    }
  });
});

/** Takes Postgres away and brings it back, and sees what those notice who are there, and those who come meanwhile. */
async function outage(service: BareService, crowd: Crowd, fired: () => void): Promise<void> {
  const [talk] = crowd.talks;
  if (!talk) throw new Error("There is no conversation.");
  const stranger = apiOf(service, randomUUID());
  const reader = apiOf(service, talk.users[1] ?? "");
  const untouched = await reader.createConversation({ type: "group", participant_ids: [randomUUID()] });
  const complaints = crowd.seats.map(({ device }) => device.port.complaints());

  await service.killPostgres();
  fired();
  const comeBackMs = Date.now() + OUTAGE_MS;
  await answered(crowd, 30);

  // What is loaded goes on for everybody, also for those who come now.
  expect((await reader.listMessages(talk.id)).data).toHaveLength(50);
  const oldest = await reader.listMessages(talk.id, { after_id: 0, limit: 20 });
  expect(oldest.data.map(({ id }) => id)).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
  await crowd.openTab(talk.users[1] ?? "");
  // Nobody else may learn that the conversation exists.
  // Whoever is outside learns nothing: an existing conversation answers as a missing one does.
  for (const id of [talk.id, randomUUID()])
    await expect(stranger.listMessages(id)).rejects.toMatchObject({ status: 503 });

  // What only Postgres knows is answered with an error that says to try again.
  const away = { status: 503, code: "SERVICE_UNAVAILABLE", retryable: true };
  await expect(reader.listConversations()).rejects.toMatchObject(away);
  await expect(reader.getConversation(untouched.id)).rejects.toMatchObject(away);
  await expect(reader.listMessages(untouched.id)).rejects.toMatchObject(away);
  await expect(reader.listMessages(randomUUID())).rejects.toMatchObject(away);
  expect((await fetch(`${service.url}/api/ready`)).status).toBe(503);
  expect(await closeCodeOf(service, untouched.id, talk.users[1] ?? "")).toBe(CLOSE.tryAgain);

  while (Date.now() < comeBackMs) {
    await answered(crowd, 30);
    await sleep(500);
  }
  await crowd.hush();
  // Some edit what is being deleted.
  const told = complaints.flat().filter((complaint) => !complaint.startsWith("MESSAGE_NOT_FOUND"));
  expect(told).toEqual([]);
  await service.startPostgres();
}

/** Resolves when so many more sends were acknowledged. */
async function answered(crowd: Crowd, sends: number): Promise<void> {
  const before = crowd.acknowledged;
  while (crowd.acknowledged < before + sends) await sleep(20);
}

const apiOf = (service: BareService, user: string): ChatApi =>
  new ChatApi(new ChatClient({ url: service.url, token: () => user }));

/** The code with which the service ends a socket of this user. */
function closeCodeOf(service: BareService, id: string, user: string): Promise<number> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${service.url.replace("http", "ws")}/api/conversations/${id}/socket`, [
      "arcyou.v1",
      `bearer.${user}`,
    ]);
    socket.onclose = ({ code }) => resolve(code);
  });
}

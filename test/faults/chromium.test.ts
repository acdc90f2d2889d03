import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { launchChromium } from "../browser/chromium.ts";
import { check } from "../checker/check.ts";
import { Random } from "../simulation/random.ts";
import { TcpProxy } from "../stack/tcp-proxy.ts";
import { Battle } from "./battle.ts";
import { BrowserPort } from "./browser-port.ts";
import { expectSound, keepHistory, SEED } from "./ci.ts";
import { Crowd } from "./crowd.ts";
import { Device } from "./device.ts";
import { planRounds } from "./plan.ts";
import { beginHistory, finish, HURRY, readHistory, startBare } from "./run.ts";

const ROUNDS = 4;

test(`I1 to I15: two users in Chromium, whose network fails, among others (seed ${SEED})`, {
  timeout: 300_000,
}, async () => {
  await keepHistory("chromium", async (historyFile) => {
    const random = new Random(SEED);
    const rounds = planRounds(random, ROUNDS, { networks: 2 });
    const recorder = beginHistory(historyFile, SEED, rounds.flat());
    const service = await startBare();
    const browser = await launchChromium();
    const crowd = new Crowd({
      recorder,
      random,
      port: service.port,
      conversations: 2,
      users: 4,
      participants: 4,
      pauseMs: 400,
      pace: HURRY.pace,
    });
    const proxies: TcpProxy[] = [];
    try {
      await crowd.start();
      const [talk] = crowd.talks;
      if (!talk) throw new Error("There is no conversation.");
      const devices: Device<BrowserPort>[] = [];
      for (const user of talk.users.slice(0, 2)) {
        const proxy = new TcpProxy(service.port);
        proxies.push(proxy);
        const client = `${recorder.name("u", user)}.page`;
        const url = `http://127.0.0.1:${await proxy.listen()}`;
        const port = await BrowserPort.open(browser, recorder, { client, user }, url);
        await port.join(talk.id);
        devices.push(new Device(recorder, client, user, port));
      }
      let isActive = true;
      const speaking = devices.map(async (device) => {
        for (let n = 0; isActive; n += 1) {
          if (device.openIn(talk.id) < 40) void speak(device, talk.id, n);
          await sleep(100);
        }
      });
      const battle = new Battle(service, crowd, recorder, random, proxies);
      for (const round of rounds) await battle.fight(round);
      isActive = false;
      await Promise.all(speaking);
      const others = devices.map((device) => ({ device, conversations: [talk.id] }));
      expect(await finish(recorder, service, crowd, random, { others })).toBe(null);
      const verdict = check(readHistory(historyFile));
      expectSound(verdict);
      // Each of them was in the middle of it.
      for (const device of devices) expect(device.acknowledged).toBeGreaterThan(ROUNDS * 5);
    } finally {
      await browser.close();
      for (const proxy of proxies) await proxy.close();
      await crowd.close();
      await service.stop();
    }
  });
});

async function speak(device: Device<BrowserPort>, conversation: string, n: number): Promise<void> {
  const message = await device.send(conversation, { text: `브라우저에서 ${n} 🌐` });
  if (message && n % 10 === 3)
    await device.edit(conversation, message.id, { text: `고침 ${device.name} ${n}` });
  if (message && n % 10 === 7) await device.delete(conversation, message.id);
}

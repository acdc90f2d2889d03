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

test(`I1 to I15 C7 C9: two users in Chromium, whose network fails and whose tabs are closed, among others (seed ${SEED})`, {
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
      const kept = new Set<string>();
      const people: Person[] = [];
      for (const user of talk.users.slice(0, 2)) {
        const proxy = new TcpProxy(service.port);
        proxies.push(proxy);
        const url = `http://127.0.0.1:${await proxy.listen()}`;
        const context = await browser.newContext();
        let tabs = 0;
        const openTab = async () => {
          tabs += 1;
          const client = `${recorder.name("u", user)}.page${tabs}`;
          const port = await BrowserPort.open(context, recorder, { client, user }, url, (id) => kept.add(id));
          await port.join(talk.id);
          return new Device(recorder, client, user, port);
        };
        people.push({ openTab, tabs: [await openTab(), await openTab()], acknowledged: 0 });
      }
      let isActive = true;
      const speaking = people.map(async (person) => {
        for (let n = 1; isActive; n += 1) {
          const device = random.pick(person.tabs);
          if (device.openIn(talk.id) < 40) void speak(device, talk.id, n);
          await sleep(100);
          if (n % 25 === 0) await reopen(person, random.integer(0, 1));
        }
      });
      const battle = new Battle(service, crowd, recorder, random, proxies);
      for (const round of rounds) await battle.fight(round);
      isActive = false;
      await Promise.all(speaking);
      const devices = people.flatMap(({ tabs }) => tabs);
      const others = devices.map((device) => ({ device, conversations: [talk.id] }));
      expect(await finish(recorder, service, crowd, random, { others })).toBe(null);
      const verdict = check(readHistory(historyFile));
      expectSound(verdict);
      // What was on the disk has arrived, whatever became of its tab.
      const arrived = new Set(messagesIn(historyFile));
      expect([...kept].filter((tempId) => !arrived.has(tempId))).toEqual([]);
      // Each of them was in the middle of it.
      for (const { acknowledged, tabs } of people)
        expect(tabs.reduce((sum, device) => sum + device.acknowledged, acknowledged)).toBeGreaterThan(
          ROUNDS * 5,
        );
    } finally {
      await browser.close();
      for (const proxy of proxies) await proxy.close();
      await crowd.close();
      await service.stop();
    }
  });
});

/** A user with several tabs of one browser. */
interface Person {
  openTab(): Promise<Device<BrowserPort>>;
  tabs: Device<BrowserPort>[];
  /** By tabs that are closed. */
  acknowledged: number;
}

/** Closes a tab in the middle of everything, and opens another. */
async function reopen(person: Person, index: number): Promise<void> {
  const old = person.tabs[index];
  await old?.close();
  person.acknowledged += old?.acknowledged ?? 0;
  person.tabs[index] = await person.openTab();
}

/** The `temp_id` of every message that Postgres holds in the end. */
function* messagesIn(historyFile: string): Generator<string> {
  for (const entry of readHistory(historyFile)) {
    if (entry.kind !== "postgres") continue;
    for (const { temp_id } of entry.rows) if (temp_id !== null) yield temp_id;
  }
}

async function speak(device: Device<BrowserPort>, conversation: string, n: number): Promise<void> {
  const message = await device.send(conversation, { text: `브라우저에서 ${n} 🌐` });
  if (message && n % 10 === 3)
    await device.edit(conversation, message.id, { text: `고침 ${device.name} ${n}` });
  if (message && n % 10 === 7) await device.delete(conversation, message.id);
}

import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { SignJWT } from "jose";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Conversation, Message } from "../../protocol/entities.ts";
import { BareService, CHAT_TOKEN_SECRET } from "../stack/bare-service.ts";
import { TcpProxy } from "../stack/tcp-proxy.ts";
import { CHROMIUM_ARGS, chromiumPath, launchChromium } from "./chromium.ts";

/*
 * The client library alone in a page of a real browser, whose storage is the browser's own, against the real service.
 */

const WAIT = { timeout: 60_000, interval: 50 };
const USER = randomUUID();
const numbers = (count: number, prefix: string) => Array.from({ length: count }, (_, n) => `${prefix} ${n}`);

let service: BareService;
let browser: Browser;
let script: string;
const cleanups: Array<() => Promise<unknown>> = [];

beforeAll(async () => {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, "in-page.ts")],
    bundle: true,
    format: "iife",
    write: false,
    target: "es2024",
  });
  script = outputFiles[0]?.text ?? "";
  service = await BareService.create();
  await service.start();
  browser = await launchChromium();
});

afterAll(async () => {
  for (const cleanup of cleanups) await cleanup();
  await browser?.close();
  await service?.stop();
});

async function api<T>(method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`${service.url}/api/${path}`, {
    method,
    headers: { authorization: `Bearer ${USER}`, "content-type": "application/json" },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  return ((await response.json()) as { data: T }).data;
}

const createConversation = async (): Promise<string> => {
  const created = await api<Conversation>("POST", "conversations", {
    type: "group",
    participant_ids: [randomUUID()],
  });
  return created.id;
};

/** What everybody sees, read anew. */
async function texts(conversation: string): Promise<string[]> {
  const all: Message[] = [];
  for (;;) {
    const page = await api<Message[]>(
      "GET",
      `conversations/${conversation}/messages?limit=100&after_id=${all.at(-1)?.id ?? 0}`,
    );
    all.push(...page);
    if (page.length < 100) return all.map(({ body }) => body?.text ?? "");
  }
}

/** A page of this origin with the client library in it. */
async function openPage(context: BrowserContext, origin = service.url): Promise<Page> {
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT.timeout);
  await page.route(`${origin}/page`, (route) =>
    route.fulfill({ contentType: "text/html", body: `<!doctype html><script>${script}</script>` }),
  );
  await page.goto(`${origin}/page`);
  return page;
}

const open = (page: Page, conversation: string, token?: string): Promise<void> =>
  page.evaluate(
    ([user, id, kind]) => globalThis.library.open(user ?? "", id ?? "", kind),
    [USER, conversation, token],
  );
const queue = (page: Page, said: string[]) => page.evaluate((given) => globalThis.library.queue(given), said);
const send = (page: Page, said: string[]) => page.evaluate((given) => globalThis.library.send(given), said);
const look = (page: Page) => page.evaluate(() => globalThis.library.look());
const storages = (page: Page) => page.evaluate(() => globalThis.library.storages());
const live = (page: Page) => expect.poll(async () => (await look(page)).status, WAIT).toBe("live");

/** Each said once, and those of one sender in the order they were said. */
async function expectSaid(conversation: string, ...series: string[][]): Promise<void> {
  await expect
    .poll(async () => (await texts(conversation)).toSorted(), WAIT)
    .toEqual(series.flat().toSorted());
  const said = await texts(conversation);
  for (const one of series) expect(said.filter((text) => one.includes(text))).toEqual(one);
}

/** A browser of its own with a profile on disk, which can be killed and started again. */
async function startBrowser(profile: string): Promise<{ context: BrowserContext; kill(): Promise<void> }> {
  const child = spawn(
    await chromiumPath(),
    [
      ...CHROMIUM_ARGS,
      "--headless",
      "--remote-debugging-port=0",
      `--user-data-dir=${profile}`,
      "about:blank",
    ],
    { stdio: ["ignore", "ignore", "pipe"], detached: true },
  );
  const connected = await chromium.connectOverCDP(await endpointOf(child));
  const [context] = connected.contexts();
  if (!context) throw new Error("The browser has no profile.");
  const ended = new Promise((resolve) => child.once("exit", resolve));
  return {
    context,
    async kill() {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
        process.kill(-child.pid, "SIGKILL");
      await ended;
    },
  };
}

function endpointOf({ stderr }: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    stderr?.on("data", (data) => {
      said += String(data);
      const found = /DevTools listening on (ws:\S+)/.exec(said)?.[1];
      if (found) resolve(found);
    });
    stderr?.once("end", () => reject(new Error(said)));
  });
}

test("IndexedDB keeps the contract of storages", async () => {
  const context = await browser.newContext();
  const page = await openPage(context);
  expect(await page.evaluate(() => globalThis.library.checkStorage())).toEqual([]);
  await context.close();
});

test("C7: a browser that is killed right after messages are queued sends them when it is started again", async () => {
  const conversation = await createConversation();
  const profile = await mkdtemp(join(tmpdir(), "arcyou-profile-"));
  cleanups.push(() => rm(profile, { recursive: true, force: true, maxRetries: 5 }));
  const proxy = new TcpProxy(service.port);
  const port = await proxy.listen();
  const origin = `http://127.0.0.1:${port}`;
  cleanups.push(() => proxy.close());

  const first = await startBrowser(profile);
  cleanups.push(() => first.kill());
  const page = await openPage(first.context, origin);
  await open(page, conversation);
  await live(page);
  await send(page, ["before"]);
  proxy.cut();
  const said = numbers(30, "queued");
  expect(await queue(page, said)).toEqual(said.map(() => true));
  await first.kill();
  expect(await texts(conversation)).toEqual(["before"]);

  const second = await startBrowser(profile);
  cleanups.push(() => second.kill());
  const offline = await openPage(second.context, origin).catch(() => null);
  // What was seen is there without a network, and what waits as well.
  if (!offline) throw new Error("The page did not open.");
  await open(offline, conversation);
  await expect.poll(async () => (await look(offline)).pending, WAIT).toEqual(said);
  expect((await look(offline)).texts).toEqual(["before"]);
  proxy.mend();
  await expectSaid(conversation, ["before", ...said]);
  await expect.poll(async () => (await look(offline)).pending, WAIT).toEqual([]);
  await second.kill();
});

test("C7: a page that is reloaded again and again while it sends loses nothing and doubles nothing", async () => {
  const conversation = await createConversation();
  const context = await browser.newContext();
  const said: string[] = [];
  for (let round = 0; round < 8; round += 1) {
    const page = await openPage(context);
    await open(page, conversation);
    if (round % 2 === 1) await live(page);
    const next = numbers(5, `round ${round}`);
    expect(await queue(page, next)).toEqual(next.map(() => true));
    said.push(...next);
    await page.close();
  }
  const last = await openPage(context);
  await open(last, conversation);
  await expectSaid(conversation, said);
  await expect.poll(async () => (await look(last)).pending, WAIT).toEqual([]);
  await context.close();
});

test("C7 C9: five tabs whose connections break in the middle of sending, and which are closed one by one", async () => {
  const conversation = await createConversation();
  const context = await browser.newContext();
  const proxy = new TcpProxy(service.port);
  const origin = `http://127.0.0.1:${await proxy.listen()}`;
  cleanups.push(() => proxy.close());
  const tabs: Page[] = [];
  for (let n = 0; n < 5; n += 1) {
    const tab = await openPage(context, origin);
    await open(tab, conversation);
    tabs.push(tab);
  }
  for (const tab of tabs) await live(tab);
  const series = tabs.map((_, n) => numbers(12, `tab ${n}`));
  const queued = tabs.map((tab, n) => queue(tab, series[n] ?? []));
  proxy.cut();
  expect((await Promise.all(queued)).flat()).toEqual(series.flat().map(() => true));
  proxy.mend();
  await tabs[0]?.close();
  proxy.cut();
  proxy.mend();
  await tabs[1]?.close();
  await expectSaid(conversation, ...series);
  for (const tab of tabs.slice(2)) {
    await expect.poll(async () => (await look(tab)).texts.length, WAIT).toBe(60);
    await expect.poll(async () => (await look(tab)).pending, WAIT).toEqual([]);
  }
  await context.close();
});

test("C7: a service that is killed and started again gets everything once", async () => {
  const conversation = await createConversation();
  const context = await browser.newContext();
  const page = await openPage(context);
  await open(page, conversation);
  await live(page);
  const said = numbers(20, "said");
  const sent = send(page, said);
  await service.kill();
  const more = numbers(5, "meanwhile");
  expect(await queue(page, more)).toEqual(more.map(() => true));
  await service.start();
  expect(await sent).toHaveLength(20);
  await expectSaid(conversation, [...said, ...more]);
  await context.close();
});

test("C10: a token that ends in the middle is replaced once for all tabs, and nothing is lost", async () => {
  const conversation = await createConversation();
  const context = await browser.newContext();
  const issued: string[] = [];
  await context.exposeFunction("issueToken", async () => {
    const isFirst = issued.length === 0;
    const token = await new SignJWT({ n: issued.length })
      .setProtectedHeader({ alg: "HS256" })
      .setIssuer("arcyou-chat")
      .setAudience("arcyou-chat")
      .setSubject(USER)
      .setIssuedAt()
      // Clients stop using the first half a minute before its end: three seconds from now.
      .setExpirationTime(isFirst ? "33s" : "1h")
      .sign(new TextEncoder().encode(CHAT_TOKEN_SECRET));
    issued.push(token);
    return token;
  });
  const proxy = new TcpProxy(service.port);
  const origin = `http://127.0.0.1:${await proxy.listen()}`;
  cleanups.push(() => proxy.close());
  const tabs = [await openPage(context, origin), await openPage(context, origin)];
  for (const tab of tabs) await open(tab, conversation, "issued");
  for (const tab of tabs) await live(tab);
  const said = numbers(20, "said");
  for (const text of said) {
    expect(await send(tabs[0] as Page, [text])).toHaveLength(1);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  proxy.cut();
  proxy.mend();
  const after = numbers(5, "after");
  expect(await send(tabs[1] as Page, after)).toHaveLength(5);
  for (const tab of tabs) await live(tab);
  expect(issued).toHaveLength(2);
  await expectSaid(conversation, [...said, ...after]);
  await context.close();
});

test("C11: without room on the disk, and without IndexedDB, messages are sent and the client says what it cannot promise", async () => {
  const conversation = await createConversation();
  const context = await browser.newContext();
  const page = await openPage(context);
  await open(page, conversation);
  await live(page);
  const cdp = await context.newCDPSession(page);
  await cdp.send("Storage.overrideQuotaForOrigin", { origin: service.url, quotaSize: 1 });
  const large = `full ${"x".repeat(9_000)}`;
  expect(await queue(page, [large])).toEqual([false]);
  expect((await storages(page))[0]).toBe("memory full");
  await cdp.send("Storage.overrideQuotaForOrigin", { origin: service.url });
  expect(await queue(page, ["room again"])).toEqual([true]);
  expect((await storages(page)).at(-1)).toBe("disk null");
  await expectSaid(conversation, [large, "room again"]);
  await context.close();

  const bare = await browser.newContext();
  await bare.addInitScript(() => {
    IDBFactory.prototype.open = () => {
      throw new DOMException("Access is denied.", "SecurityError");
    };
  });
  const blocked = await openPage(bare);
  await open(blocked, conversation);
  expect(await queue(blocked, ["blocked"])).toEqual([false]);
  expect(await storages(blocked)).toEqual(["memory unavailable"]);
  await expectSaid(conversation, [large, "room again", "blocked"]);
  await bare.close();
});

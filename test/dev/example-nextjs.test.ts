import { mkdir, readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEMO_CONVERSATIONS, DEMO_USERS } from "../../dev/demo-users.ts";
import { freePort } from "../../dev/postgres.ts";
import { spawnTied, type TiedProcess } from "../../dev/tied-process.ts";
import { launchChromium } from "../browser/chromium.ts";
import { Service } from "../stack/service.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const EXAMPLE = join(ROOT, "examples/nextjs");
const IMAGE = join(ROOT, "docs/images/nextjs-example.png");
const WAIT_MS = 60_000;
/** With an installation of Next.js and a build. */
const START_TIMEOUT_MS = 400_000;

const [haneul, alex, , mina] = DEMO_USERS;
const GROUP = "토요일 북한산 🏔️";

test("the READMEs of the example show the code that is there, both the same", async () => {
  const names = await readdir(EXAMPLE, { recursive: true });
  const sources = names.filter((name) => /^(?!node_modules|\.next).*\.tsx?$/.test(name));
  const code = await Promise.all(sources.map((name) => readFile(join(EXAMPLE, name), "utf8")));
  const [english, korean] = await Promise.all(
    ["README.md", "README.ko.md"].map((name) => readFile(join(EXAMPLE, name), "utf8")),
  );
  /** What is within a function there stands at the margin here. */
  const unindented = (text: string) => text.replace(/^ +/gm, "");
  const blocks = (text: string | undefined, kind: RegExp) =>
    [...(text ?? "").matchAll(/```(\w+)\n([\s\S]*?)```/g)]
      .filter(([, language]) => kind.test(language ?? ""))
      .map(([, , block]) => block?.trim() ?? "");
  const links = (text: string | undefined) =>
    [...(text ?? "").matchAll(/\]\(([^)]+)\)/g)]
      .map(([, to]) => to)
      .filter((to) => !to?.startsWith("README"));

  const snippets = blocks(english, /^tsx?$/);
  expect(snippets.length).toBeGreaterThan(4);
  for (const snippet of snippets)
    expect(
      code.some((text) => unindented(text).includes(unindented(snippet))),
      snippet,
    ).toBe(true);
  expect(blocks(korean, /./)).toEqual(blocks(english, /./));
  expect(links(korean)).toEqual(links(english));
});

describe("the Next.js example", () => {
  let service: Service;
  let browser: Browser;
  let example: TiedProcess;
  let url: string;
  const complaints: string[] = [];

  beforeAll(async () => {
    const port = await freePort();
    url = `http://localhost:${port}`;
    service = await Service.create({ EXAMPLE_PORT: String(port) });
    await service.start();
    [browser, example] = await Promise.all([launchChromium(), startExample(service, port)]);
  }, START_TIMEOUT_MS);

  afterAll(async () => {
    await browser?.close();
    await example?.stop("TERM", 20_000);
    await service?.stop();
  });

  async function signIn(
    name: string,
    options: Parameters<Browser["newContext"]>[0] = {},
  ): Promise<{ page: Page; context: BrowserContext }> {
    const context = await browser.newContext({ viewport: { width: 1200, height: 760 }, ...options });
    context.setDefaultTimeout(WAIT_MS);
    const page = await context.newPage();
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(`${message.text()} ${message.location().url}`);
    });
    await page.goto(url);
    await page.waitForURL(`${url}/sign-in`);
    await page.getByRole("button", { name }).click();
    await page.getByRole("heading", { name: "Conversations" }).waitFor();
    return { page, context };
  }

  /** Takes away those that the browser itself makes of what was provoked. */
  function expectComplaints(kind: RegExp): void {
    complaints.splice(0, complaints.length, ...complaints.filter((text) => !kind.test(text)));
  }

  const card = (page: Page, title: string) => page.getByRole("listitem").filter({ hasText: title });
  const online = (page: Page) => page.locator('.connection[data-status="live"]').waitFor();
  const live = (page: Page) => page.locator('.timeline[data-status="live"]').waitFor();
  const message = (page: Page, text: string) => page.locator("[data-id]").filter({ hasText: text });

  async function say(page: Page, text: string): Promise<void> {
    await page.getByLabel("Message", { exact: true }).fill(text);
    await page.getByLabel("Message", { exact: true }).press("Enter");
  }

  test("the list, a conversation and the way to them are HTML of the server, without scripts", async () => {
    const { page, context } = await signIn(alex.name, { javaScriptEnabled: false });
    // Of two people, the other's name; the group has three messages that are new.
    expect(await card(page, haneul.name).count()).toBe(1);
    await card(page, GROUP).getByText("3", { exact: true }).waitFor();
    await card(page, GROUP).getByRole("link").click();
    await page.getByRole("heading", { name: GROUP }).waitFor();
    await message(page, "8시 30분 구파발역").first().waitFor();
    await context.close();
  });

  test("two users talk, see each other type, and what is read is counted no more", async () => {
    const a = (await signIn(haneul.name)).page;
    const b = (await signIn(mina.name)).page;
    await online(b);
    const unread = card(b, GROUP).getByRole("status", { name: "3 unread" });
    await unread.waitFor();
    await card(b, GROUP).getByRole("link").click();
    await b.waitForURL(`${url}/c/${DEMO_CONVERSATIONS.group}`);
    await b.locator(".top .badge").waitFor({ state: "detached" });

    await card(a, GROUP).getByRole("link").click();
    await Promise.all([live(a), live(b)]);
    await a.getByText(`Online: ${mina.name}`).waitFor();
    await b.getByLabel("Message", { exact: true }).pressSequentially("On my");
    await a.getByText(`${mina.name} typing…`).waitFor();
    await say(b, "On my way to the station");
    await message(a, "On my way to the station").waitFor();
    await message(b, "On my way to the station").getByText("read by 1").waitFor();
    expect(await b.locator("[data-pending]").count()).toBe(0);

    // One who looks at the list sees the count, and the text that the server rendered anew.
    await b.getByRole("link", { name: "Back to all conversations" }).click();
    // Until then it reads what comes.
    await b.waitForURL(`${url}/`);
    await b.locator(".timeline").waitFor({ state: "detached" });
    await say(a, "저도 곧 도착해요");
    await card(b, GROUP).getByRole("status", { name: "1 unread" }).waitFor();
    await card(b, GROUP).getByText("저도 곧 도착해요").waitFor();

    if (process.env.SCREENSHOTS === "1") {
      await card(b, GROUP).getByRole("link").click();
      await b.getByLabel("Message", { exact: true }).pressSequentially("Two minutes");
      await a.getByText(`${mina.name} typing…`).waitFor();
      await message(a, "저도 곧 도착해요").getByText("read by 1").waitFor();
      await mkdir(resolve(IMAGE, ".."), { recursive: true });
      await a.screenshot({ path: IMAGE });
    }
  });

  test("older messages are asked for across origins, and what is written offline is sent afterwards", async () => {
    const { page, context } = await signIn(haneul.name);
    await online(page);
    await card(page, GROUP).getByRole("link").click();
    await message(page, "다들 일찍 주무세요").waitFor();
    const { token } = await page.evaluate(async () => (await fetch("/api/chat-token")).json());
    const count = 60;
    for (let n = 0; n < count; n += 1) {
      const reply = await fetch(`${service.url}/api/conversations/${DEMO_CONVERSATIONS.direct}/messages`, {
        method: "POST",
        headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
        body: JSON.stringify({ temp_id: `example-${n}`, body: { text: `number ${n}` } }),
      });
      expect(reply.status).toBe(201);
    }
    await page.goto(`${url}/c/${DEMO_CONVERSATIONS.direct}`);
    await page.getByRole("button", { name: "Load older messages" }).click();
    await message(page, "혹시 무릎 보호대").waitFor();
    expect(await page.locator("[data-id]").count()).toBe(12 + count);

    await context.setOffline(true);
    await page.locator('.connection:not([data-status="live"])').waitFor();
    await say(page, "written offline");
    await page.locator('[data-pending="queued"]').waitFor();
    await context.setOffline(false);
    await message(page, "written offline").waitFor();
    await page.locator("[data-pending]").waitFor({ state: "detached" });
    // The browser itself reports requests without a network.
    expectComplaints(/ERR_|WebSocket connection/);
  });

  test.each(["019a3f00-0000-7000-8000-00000000dead", "nothing"])(
    "there is no conversation %s",
    async (id) => {
      const { page, context } = await signIn(alex.name);
      expect((await page.goto(`${url}/c/${id}`))?.status()).toBe(404);
      await page.getByRole("heading", { name: "Not found" }).waitFor();
      await context.close();
      expectComplaints(/status of 404/);
    },
  );

  test("chat tokens are for who is signed in, and nothing is kept of who signs out", async () => {
    expect((await fetch(`${url}/api/chat-token`)).status).toBe(401);
    const { page } = await signIn(alex.name);
    await online(page);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL(`${url}/sign-in`);
    expect(await page.evaluate(async () => (await fetch("/api/chat-token")).status)).toBe(401);
    expectComplaints(/status of 401/);
  });

  test("no window complained", () => {
    expect(complaints).toEqual([]);
  });
});

/** As `npm run example` does it, with a production build: pages of `next dev` are compiled while one waits. */
async function startExample(service: Service, port: number): Promise<TiedProcess> {
  const example = spawnTied(process.execPath, [join(EXAMPLE, "start.ts"), "--production"], {
    orphanSignal: "TERM",
    cwd: ROOT,
    env: {
      ...process.env,
      NODE_OPTIONS: "",
      EXAMPLE_PORT: String(port),
      CHAT_URL: `http://localhost:${service.port}`,
      DATA_DIR: service.dataDir,
    },
  });
  let output = "";
  await new Promise<void>((started, failed) => {
    const read = (chunk: Buffer): void => {
      output = (output + chunk).slice(-20_000);
      if (output.includes("Ready in ")) started();
    };
    example.stdout.on("data", read);
    example.stderr.on("data", read);
    void example.exited.then(() => failed(new Error(`The example did not start:\n${output}`)));
  });
  return example;
}

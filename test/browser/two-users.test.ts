import { resolve } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DEMO_CONVERSATIONS, DEMO_USERS } from "../../dev/demo-users.ts";
import { Service } from "../stack/service.ts";
import { TcpProxy } from "../stack/tcp-proxy.ts";
import { launchChromium } from "./chromium.ts";
import { choose, idOf, live, sent, Windows } from "./windows.ts";

const IMAGES = resolve(import.meta.dirname, "../../docs/images");

let service: Service;
let browser: Browser;
const proxies: TcpProxy[] = [];
let windows: Windows;

beforeAll(async () => {
  service = await Service.create();
  await service.start();
  browser = await launchChromium();
  windows = new Windows(browser, service.url);
});

afterAll(async () => {
  await browser?.close();
  for (const proxy of proxies) await proxy.close();
  await service?.stop();
});

/** A window of this demo user with the group conversation open, whose connections the proxy can cut. */
async function openWindow(userId: string, options: Parameters<Windows["open"]>[1] = {}) {
  const proxy = new TcpProxy(service.port);
  proxies.push(proxy);
  const url = `http://127.0.0.1:${await proxy.listen()}`;
  const conversationId = DEMO_CONVERSATIONS.group;
  return { proxy, ...(await windows.open(userId, { url, conversationId, locale: "ko-KR", ...options })) };
}

async function write(page: Page, text: string): Promise<void> {
  await page.getByTestId("composer").fill(text);
  await page.getByTestId("composer").press("Enter");
}

/** Waits until the text is shown as a message the server has. */
const shown = (page: Page, text: string) => sent(page, text).first().waitFor();

/** Ids and texts of the messages shown, from top to bottom. */
const list = (page: Page): Promise<string[]> =>
  page
    .locator('[data-testid^="message-"][data-status]')
    .evaluateAll((rows) =>
      rows.map(
        (row) => `${row.getAttribute("data-testid")} ${row.querySelector(".bubble")?.textContent ?? ""}`,
      ),
    );

const idOfLine = (line = ""): number => Number(line.match(/\d+/)?.[0]);

const [haneul, alex] = DEMO_USERS;

test("two users talk; one is cut off, both go on, and both end with the same list in the same order", async () => {
  const a = await openWindow(haneul.id);
  const b = await openWindow(alex.id);
  await write(a.page, "하나, 들려요?");
  await shown(b.page, "하나, 들려요?");
  await write(b.page, "two: loud and clear");
  await shown(a.page, "two: loud and clear");

  b.proxy.cut();
  await b.page.locator('[data-testid="connection-status"]:not([data-status="live"])').waitFor();
  await write(b.page, "written while offline");
  await b.page.locator('[data-testid^="pending-"][data-status="queued"]').waitFor();
  for (const text of ["셋, 기다릴게요", "넷, 아직이에요"]) {
    await write(a.page, text);
    await shown(a.page, text);
  }
  b.proxy.mend();
  await live(b.page);
  await shown(b.page, "넷, 아직이에요");
  await shown(b.page, "written while offline");
  await shown(a.page, "written while offline");
  expect(await b.page.locator('[data-testid^="pending-"]').count()).toBe(0);

  const [left, right] = [await list(a.page), await list(b.page)];
  expect(left.length).toBeGreaterThan(5);
  // Above the screen, each has as many as its rows are high.
  const common = Math.min(left.length, right.length);
  expect(right.slice(-common)).toEqual(left.slice(-common));
  expect(new Set(left).size).toBe(left.length);

  // An edit and a delete reach the other window.
  await write(b.page, "a typo heer");
  await shown(b.page, "a typo heer");
  const id = idOf(await sent(b.page, "a typo heer").getAttribute("data-testid"));
  await choose(b.page, id, "edit");
  await b.page.getByTestId("edit-input").fill("a typo here");
  await b.page.getByTestId("edit-save").click();
  await shown(a.page, "a typo here");
  await choose(b.page, id, "delete");
  await b.page.getByTestId("confirm-delete").click();
  await a.page.locator(`[data-testid="message-${id}"][data-status="deleted"]`).waitFor();
  // The list beside it follows.
  await expect.poll(() => a.page.getByText("a typo here").count()).toBe(0);

  if (process.env.SCREENSHOTS === "1") {
    await write(b.page, "See you all at the trailhead at 8! 🏔️");
    await shown(a.page, "trailhead");
    await shown(a.page, "trailhead");
    const trailhead = idOf(await sent(a.page, "trailhead").last().getAttribute("data-testid"));
    await choose(a.page, trailhead, "react-🎉");
    await choose(a.page, trailhead, "reply");
    await write(a.page, "네, 토요일에 봐요!");
    await shown(b.page, "네, 토요일에 봐요!");
    await b.page.getByTestId("composer").pressSequentially("Can't wait");
    await a.page.getByTestId("typing").waitFor();
    await a.page.locator('[data-testid^="receipt-"]').last().waitFor();
    await a.page.mouse.move(0, 0);
    await a.page.screenshot({ path: `${IMAGES}/chat-desktop.png` });
    await a.page.getByTestId("search").click();
    await a.page.getByTestId("search-input").fill("토요일");
    await a.page.getByTestId("hit-1").click();
    await a.page.locator('[data-testid="message-1"][data-target="true"]').waitFor();
    await a.page.mouse.move(0, 0);
    await a.page.screenshot({ path: `${IMAGES}/chat-search.png` });
    const phone = await openWindow(haneul.id, {
      viewport: { width: 390, height: 780 },
      colorScheme: "dark",
      deviceScaleFactor: 2,
      locale: "en-GB",
    });
    await phone.page.mouse.move(0, 0);
    await phone.page.waitForTimeout(500);
    await phone.page.screenshot({ path: `${IMAGES}/chat-phone-dark.png` });
  }
});

test("Enter that ends a Hangul composition does not send the last syllable twice", async () => {
  const { page, context } = await openWindow(haneul.id);
  const session = await context.newCDPSession(page);
  await page.getByTestId("composer").focus();
  await shown(page, "다들 일찍 주무세요");
  const newest = idOfLine((await list(page)).at(-1));
  for (const text of ["ㅎ", "하", "한"]) {
    await session.send("Input.imeSetComposition", {
      text,
      selectionStart: text.length,
      selectionEnd: text.length,
    });
  }
  await session.send("Input.insertText", { text: "한" });
  for (const text of ["ㄱ", "그", "글"]) {
    await session.send("Input.imeSetComposition", {
      text,
      selectionStart: text.length,
      selectionEnd: text.length,
    });
  }
  // The Enter that the input method takes for itself, then the one that is meant.
  await session.send("Input.dispatchKeyEvent", {
    type: "rawKeyDown",
    key: "Process",
    code: "Enter",
    windowsVirtualKeyCode: 229,
  });
  await session.send("Input.insertText", { text: "글" });
  await page.keyboard.press("Enter");
  await shown(page, "한글");
  await page.waitForFunction(
    () => (document.querySelector('[data-testid="composer"]') as HTMLTextAreaElement).value === "",
  );
  // Words that no message of the demo has, or an old message would be taken for this one.
  await write(page, "조합 시험 마침");
  await shown(page, "조합 시험 마침");
  const after = (await list(page)).filter((row) => idOfLine(row) > newest);
  expect(after.map((row) => row.replace(/^\S+ /, ""))).toEqual(["한글", "조합 시험 마침"]);
});

test("older messages load on scrolling up, without a hole", async () => {
  const { page } = await openWindow(haneul.id);
  const first = async (): Promise<number> => idOfLine((await list(page))[0]);
  await page.waitForFunction(
    () => document.querySelectorAll('[data-testid^="message-"][data-status]').length > 10,
  );
  for (let attempt = 0; attempt < 50 && (await first()) > 1; attempt += 1) {
    await page.getByTestId("timeline").evaluate((timeline) => timeline.scrollTo(0, 0));
    await page.waitForTimeout(100);
  }
  const ids = (await list(page)).map(idOfLine);
  expect(ids).toEqual(Array.from({ length: ids.length }, (_, n) => n + 1));
});

test("nothing was complained of in any window", () => {
  expect(windows.complaints).toEqual([]);
});

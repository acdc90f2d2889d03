import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DEMO_USERS } from "../../dev/demo-users.ts";
import { Service } from "../stack/service.ts";
import { TcpProxy } from "../stack/tcp-proxy.ts";
import { launchChromium } from "./chromium.ts";
import { live, say, WAIT_MS, Windows } from "./windows.ts";

let service: Service;
let browser: Browser;
let windows: Windows;
const [haneul, alex, seojun] = DEMO_USERS;

beforeAll(async () => {
  service = await Service.create();
  await service.start();
  browser = await launchChromium();
  windows = new Windows(browser, service.url);
});

afterAll(async () => {
  await browser?.close();
  await service?.stop();
});

/** Starts a conversation in the page, by what its labels hide, and says which one is open then. */
async function start(page: Page, userIds: readonly string[], title: string | null): Promise<string> {
  await page.getByTestId("new-conversation").click();
  if (title !== null) {
    await page.getByTestId("type-group").dispatchEvent("click");
    await page.getByTestId("group-title").fill(title);
  }
  for (const userId of userIds) await page.getByTestId(`choose-${userId}`).dispatchEvent("click");
  await page.getByTestId("create-conversation").click();
  await live(page);
  return new URLSearchParams(new URL(page.url()).hash.slice(1)).get("conversation") ?? "";
}

const open = async (page: Page, id: string) => {
  await page.getByTestId(`conversation-${id}`).click();
  await live(page);
};
const toList = (page: Page) =>
  page.evaluate(() => {
    const user = new URLSearchParams(location.hash.slice(1)).get("user") ?? "";
    location.hash = `#${new URLSearchParams({ user })}`;
  });

const badge = (page: Page, id: string) => page.getByTestId(`unread-${id}`);
const gone = (page: Page, testId: string) => page.getByTestId(testId).waitFor({ state: "detached" });
const titled = (page: Page, pattern: RegExp) =>
  expect.poll(() => page.title(), { timeout: WAIT_MS }).toMatch(pattern);
const unreadTotal = async (page: Page): Promise<number> =>
  Number(/^\((\d+)\)/.exec(await page.title())?.[1] ?? 0);

test("I3 I7 U6: a new conversation, its messages and who read them are seen without a reload", async () => {
  const a = await windows.open(haneul.id);
  const b = await windows.open(seojun.id);
  const before = await unreadTotal(b.page);
  const id = await start(a.page, [seojun.id], "Lunch on Friday");
  await b.page.getByTestId(`conversation-${id}`).waitFor();

  const messageId = await say(a.page, "Noodles?");
  await badge(b.page, id).getByText("1", { exact: true }).waitFor();
  await titled(b.page, new RegExp(`^\\(${before + 1}\\) `));
  await a.page.getByTestId(`receipt-${messageId}`).waitFor({ state: "detached" });

  await open(b.page, id);
  await gone(b.page, `unread-${id}`);
  await a.page.getByTestId(`receipt-${messageId}`).waitFor();
  expect(await a.page.getByTestId(`receipt-${messageId}`).textContent()).toContain(seojun.name);
  await expect.poll(() => unreadTotal(b.page)).toBe(before);

  // A new name reaches the list at once, and so does the end.
  await a.page.getByTestId("conversation-details").click();
  await a.page.getByTestId("rename-title").fill("Lunch on Saturday");
  await a.page.getByTestId("rename").click();
  // The answer comes after everybody was told; a deletion before it would make it a 404.
  await gone(a.page, "details-dialog");
  await b.page.getByTestId(`conversation-${id}`).getByText("Lunch on Saturday", { exact: true }).waitFor();
  await a.page.evaluate(
    async ([conversation, user]) => {
      await fetch(`/api/conversations/${conversation}`, {
        method: "DELETE",
        headers: { authorization: `Bearer ${user}` },
      });
    },
    [id, haneul.id],
  );
  await gone(b.page, `conversation-${id}`);
  await gone(a.page, `conversation-${id}`);
  await b.page.getByTestId("connection-banner").waitFor();
  await a.context.close();
  await b.context.close();
});

test("T1 T2 W1 W2 W5: who types and who is there is seen, and who does not want to be seen is not", async () => {
  const a = await windows.open(haneul.id);
  const b = await windows.open(alex.id);
  const id = await start(a.page, [alex.id], null);
  const online = `online-${id}`;
  await a.page.getByTestId(online).waitFor();
  await expect.poll(() => a.page.getByTestId("presence").textContent()).toBe("online");

  await open(b.page, id);
  await b.page.getByTestId("composer").pressSequentially("on my w");
  await a.page.getByTestId("typing").getByText(`${alex.name} is typing…`).waitFor();
  await gone(a.page, "typing");
  await b.page.getByTestId("composer").pressSequentially("ay");
  await a.page.getByTestId("typing").waitFor();
  await b.page.getByTestId("composer").fill("");
  await gone(a.page, "typing");
  const messageId = await say(a.page, "Where are you?");
  await a.page.getByTestId(`receipt-${messageId}`).getByText("Read", { exact: true }).waitFor();

  await b.page.getByTestId("settings").click();
  await b.page.getByTestId("setting-invisible").click();
  await gone(a.page, online);
  await expect.poll(() => a.page.getByTestId("presence").textContent()).toMatch(/^last seen /);
  expect(await b.page.getByTestId("setting-invisible").isChecked()).toBe(true);
  await b.page.getByTestId("setting-invisible").click();
  await a.page.getByTestId(online).waitFor();

  await b.context.close();
  await gone(a.page, online);
  await expect.poll(() => a.page.getByTestId("presence").textContent()).toMatch(/^last seen /);
  await a.context.close();
});

test("I7: what is read in one window is read in the other of the same user", async () => {
  const a = await windows.open(haneul.id);
  const one = await windows.open(alex.id);
  const two = await windows.open(alex.id);
  const id = await start(a.page, [alex.id, seojun.id], "Two windows");
  await say(a.page, "first");
  await say(a.page, "second");
  for (const { page } of [one, two]) await badge(page, id).getByText("2", { exact: true }).waitFor();
  const before = await unreadTotal(two.page);
  await open(one.page, id);
  await gone(one.page, `unread-${id}`);
  await gone(two.page, `unread-${id}`);
  await expect.poll(() => unreadTotal(two.page)).toBe(before - 2);
  await toList(one.page);
  await say(a.page, "third");
  for (const { page } of [one, two]) await badge(page, id).getByText("1", { exact: true }).waitFor();
  for (const { context } of [a, one, two]) await context.close();
});

test("W8: a setting that the service does not take moves back, and says so", async () => {
  const { page, context } = await windows.open(haneul.id);
  const receipts = page.getByTestId("setting-receipts");
  await page.getByTestId("settings").click();
  await page.route("**/api/settings", (route) => route.abort());
  await receipts.click();
  await page.getByTestId("settings-error").waitFor();
  expect(await receipts.isChecked()).toBe(true);
  await page.unroute("**/api/settings");
  await receipts.click();
  await gone(page, "settings-error");
  await expect.poll(() => receipts.isChecked()).toBe(false);
  await page.reload();
  await page.getByTestId("conversation-list").waitFor();
  await page.getByTestId("settings").click();
  await expect.poll(() => receipts.isChecked()).toBe(false);
  await receipts.click();
  await context.close();
});

test("I3 I8: whoever is removed sees it at once, and goes on in the same view when they are added again", async () => {
  const a = await windows.open(haneul.id);
  const b = await windows.open(alex.id);
  const id = await start(a.page, [alex.id, seojun.id], "Out and in");
  await say(a.page, "welcome");
  await open(b.page, id);
  await gone(b.page, `unread-${id}`);
  const change = (method: string, path: string, body?: object) =>
    fetch(`${service.url}/api/conversations/${id}${path}`, {
      method,
      headers: { authorization: `Bearer ${haneul.id}`, "content-type": "application/json" },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  expect((await change("DELETE", `/participants/${alex.id}`)).status).toBe(204);
  await gone(b.page, `conversation-${id}`);
  await b.page.locator('[data-testid="connection-status"][data-status="closed"]').waitFor();
  expect((await change("POST", "/participants", { user_ids: [alex.id] })).status).toBe(201);
  await b.page.getByTestId(`conversation-${id}`).waitFor();
  await live(b.page);
  const messageId = await say(a.page, "welcome back");
  await b.page.getByTestId(`message-${messageId}`).waitFor();
  await gone(b.page, `unread-${id}`);
  await a.page.getByTestId(`receipt-${messageId}`).waitFor();
  for (const { context } of [a, b]) await context.close();
});

test("the focus returns to what opened a dialog", async () => {
  const { page, context } = await windows.open(haneul.id);
  await page.getByTestId("settings").focus();
  await page.keyboard.press("Enter");
  await page.getByTestId("setting-invisible").waitFor();
  await page.keyboard.press("Escape");
  await gone(page, "setting-invisible");
  expect(await page.getByTestId("settings").evaluate((button) => button === document.activeElement)).toBe(
    true,
  );
  await context.close();
});

test("I2: a list that was cut off stays, says so, and catches up", async () => {
  const proxy = new TcpProxy(service.port);
  const a = await windows.open(haneul.id);
  const b = await windows.open(seojun.id, { url: `http://127.0.0.1:${await proxy.listen()}` });
  proxy.cut();
  await b.page.getByTestId("inbox-status").waitFor();
  const id = await start(a.page, [seojun.id], "Meanwhile");
  await say(a.page, "are you there?");
  expect(await b.page.getByTestId("conversation-list").getByRole("link").count()).toBeGreaterThan(0);
  proxy.mend();
  await gone(b.page, "inbox-status");
  await badge(b.page, id).getByText("1", { exact: true }).waitFor();
  for (const { context } of [a, b]) await context.close();
  await proxy.close();
});

test("W6 I11: when everything starts anew, windows catch up by themselves, and show no error", async () => {
  const a = await windows.open(haneul.id);
  const b = await windows.open(alex.id);
  const c = await windows.open(seojun.id);
  const id = await start(a.page, [alex.id, seojun.id], "While it restarts");
  await open(b.page, id);
  await say(a.page, "before");
  await badge(c.page, id).getByText("1", { exact: true }).waitFor();
  const before = await unreadTotal(c.page);
  const pages = [a, b, c].map(({ page }) => page);
  for (const page of pages)
    await page.evaluate(() => {
      const alerts: string[] = [];
      Object.assign(globalThis, { alerts });
      new MutationObserver(() => {
        for (const { textContent } of document.querySelectorAll("[role=alert]")) alerts.push(textContent);
      }).observe(document.body, { subtree: true, childList: true, attributes: true });
    });
  await service.kill();
  await a.page.getByTestId("composer").fill("meanwhile");
  await a.page.getByTestId("composer").press("Enter");
  await service.start();
  for (const { page } of [a, b]) await live(page);
  await b.page.locator('[data-testid^="message-"]').filter({ hasText: "meanwhile" }).waitFor();
  await badge(c.page, id).getByText("2", { exact: true }).waitFor();
  await expect.poll(() => unreadTotal(c.page)).toBe(before + 1);
  for (const { page } of [a, b])
    expect(await page.locator('[data-testid^="message-"]').filter({ hasText: "meanwhile" }).count()).toBe(1);
  await gone(c.page, "inbox-status");
  for (const page of pages)
    expect(await page.evaluate(() => (globalThis as unknown as { alerts: string[] }).alerts)).toEqual([]);
  for (const { context } of [a, b, c]) await context.close();
});

test("nothing was complained of in any window", () => {
  expect(windows.complaints).toEqual([]);
});

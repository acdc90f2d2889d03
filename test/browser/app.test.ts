import axe, { type AxeResults } from "axe-core";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DEMO_CONVERSATIONS, DEMO_USERS } from "../../dev/demo-users.ts";
import type { Conversation } from "../../protocol/entities.ts";
import { Service } from "../stack/service.ts";
import { launchChromium } from "./chromium.ts";

/*
 * The frame of the page: the list, the dialogs, the settings, the notifications and the keyboard's way through all of it.
 */

const WAIT_MS = 60_000;
const WAIT = { timeout: WAIT_MS };
const DESKTOP = { viewport: { width: 1200, height: 760 } };
const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true };
const [haneul, alex, seojun, mina] = DEMO_USERS;

let service: Service;
let browser: Browser;
const complaints: string[] = [];

beforeAll(async () => {
  service = await Service.create();
  await service.start();
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  await service?.stop();
});

interface Window {
  page: Page;
  context: BrowserContext;
}

async function newContext(options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const context = await browser.newContext({
    ...DESKTOP,
    locale: "en-GB",
    timezoneId: "Asia/Seoul",
    reducedMotion: "reduce",
    ...options,
  });
  context.setDefaultTimeout(WAIT_MS);
  return context;
}

/** A window in which what the page complains of is remembered, such as what its security policy refuses. */
async function newPage(context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    const isExpected = /ERR_|WebSocket connection|Failed to load resource/.test(message.text());
    if (["error", "warning"].includes(message.type()) && !isExpected) complaints.push(message.text());
  });
  return page;
}

/** A window of this demo user, with the list on screen. */
async function openWindow(userId: string, options: BrowserContextOptions = {}): Promise<Window> {
  const context = await newContext(options);
  const page = await newPage(context);
  await enter(page, userId);
  return { page, context };
}

async function enter(page: Page, userId: string): Promise<void> {
  await page.goto(`${service.url}/`);
  await page.getByTestId(`user-${userId}`).click();
  await page.getByTestId("conversation-list").waitFor();
}

const live = (page: Page) => page.locator('[data-testid="connection-status"][data-status="live"]').waitFor();
const gone = (page: Page, testId: string) => page.getByTestId(testId).waitFor({ state: "detached" });
const openId = (page: Page) =>
  new URLSearchParams(new URL(page.url()).hash.slice(1)).get("conversation") ?? "";

async function open(page: Page, id: string): Promise<void> {
  await page.getByTestId(`conversation-${id}`).click();
  await live(page);
}

async function say(page: Page, text: string): Promise<void> {
  await page.getByTestId("composer").fill(text);
  await page.getByTestId("composer").press("Enter");
  await shown(page, text);
}

const shown = (page: Page, text: string) =>
  page.locator('[data-testid^="message-"][data-status="sent"]').filter({ hasText: text }).last().waitFor();

/** Starts a group in the page. */
async function startGroup(page: Page, userIds: readonly string[], title: string): Promise<string> {
  await page.getByTestId("new-conversation").click();
  await page.getByText("Group", { exact: true }).click();
  await page.getByTestId("group-title").fill(title);
  for (const userId of userIds) await person(page, userId).click();
  await page.getByTestId("create-conversation").click();
  await live(page);
  return openId(page);
}

const person = (page: Page, userId: string) =>
  page.locator("label.person", { has: page.getByTestId(`choose-${userId}`) });

async function chooseFor(page: Page, userId: string, entry: string): Promise<void> {
  await page.getByTestId(`participant-menu-${userId}`).click();
  await page.getByTestId(`${entry}-${userId}`).click();
}

async function request<T>(userId: string, method: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`${service.url}/api/${path}`, {
    method,
    headers: { authorization: `Bearer ${userId}`, "content-type": "application/json" },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  expect(response.ok, `${method} ${path}: ${response.status}`).toBe(true);
  return response.status === 204 ? (undefined as T) : ((await response.json()) as { data: T }).data;
}

/** What axe has to complain of in what is on the screen now. */
async function findFaults(page: Page, where: string): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  );
  return violations.map(({ id, nodes }) => `${where}: ${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
}

async function expectAccessible(page: Page): Promise<void> {
  expect(await findFaults(page, "here")).toEqual([]);
}

const focusedId = (page: Page) =>
  page.evaluate(() => document.activeElement?.getAttribute("data-testid") ?? document.activeElement?.tagName);

const isFocusInDialog = (page: Page) =>
  page.evaluate(() => document.activeElement?.closest("[role=dialog]") !== null);

/** Presses Tab until this has the focus, and says which elements had it on the way. */
async function tabTo(page: Page, testId: string): Promise<string[]> {
  const way: string[] = [];
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press("Tab");
    const id = (await focusedId(page)) ?? "";
    way.push(id);
    if (id === testId) return way;
  }
  throw new Error(`Tab does not come to ${testId}, only to ${way.join(", ")}.`);
}

for (const [name, options] of [
  ["desktop, light, English", { ...DESKTOP, locale: "en-GB", colorScheme: "light" }],
  ["desktop, dark, Korean", { ...DESKTOP, locale: "ko-KR", colorScheme: "dark" }],
  ["phone, light, Korean", { ...PHONE, locale: "ko-KR", colorScheme: "light" }],
  ["phone, dark, English", { ...PHONE, locale: "en-GB", colorScheme: "dark" }],
] as const) {
  test(`every screen and dialog is accessible: ${name}`, async () => {
    const context = await newContext(options);
    const page = await newPage(context);
    const faults: string[] = [];
    const check = async (where: string) => faults.push(...(await findFaults(page, where)));
    const close = async (testId: string) => {
      await page.getByTestId("dialog-close").click();
      await gone(page, testId);
    };
    await page.goto(`${service.url}/`);
    await page.getByTestId(`user-${haneul.id}`).waitFor();
    await check("who to be");
    await page.getByTestId(`user-${haneul.id}`).click();
    await page.getByTestId(`conversation-${DEMO_CONVERSATIONS.group}`).waitFor();
    expect(await page.evaluate(() => document.documentElement.lang)).toBe(options.locale.slice(0, 2));
    await check("the list");

    await page.getByTestId("new-conversation").click();
    await page.getByTestId("new-conversation-dialog").waitFor();
    await check("a new conversation");
    await page.locator("label.segment").nth(1).click();
    await page.getByTestId("create-conversation").click();
    await page.getByTestId("create-error").waitFor();
    await page.getByTestId("people-filter").fill("nobody at all");
    await page.getByTestId("people-none").waitFor();
    await check("a new group without anybody");
    await close("new-conversation-dialog");

    await page.getByTestId("settings").click();
    await page.getByTestId("settings-dialog").waitFor();
    await check("settings");
    await close("settings-dialog");

    await open(page, DEMO_CONVERSATIONS.group);
    await check("a conversation");
    const menu = page.locator("[data-menu-button]").last();
    await menu.focus();
    await page.keyboard.press("Enter");
    await page.getByTestId("copy").waitFor();
    await check("a message's menu");
    await page.keyboard.press("Escape");
    await gone(page, "copy");

    await menu.focus();
    await page.keyboard.press("Enter");
    await page.getByTestId("react-other").click();
    await page.getByTestId("reaction-dialog").waitFor();
    await check("any emoji");
    await close("reaction-dialog");
    await menu.focus();
    await page.keyboard.press("Enter");
    await page.getByTestId("reply").click();
    await page.getByTestId("replying").waitFor();
    await check("a reply");
    await page.getByTestId("cancel-reply").click();
    await page.getByTestId("search").click();
    await page.getByTestId("search-input").fill("the");
    await page.locator('[data-testid^="hit-"]').first().waitFor();
    await check("search");
    await page.getByTestId("search-close").click();

    await page.getByTestId("conversation-details").click();
    await page.getByTestId("details-dialog").waitFor();
    await check("participants");
    await page.getByTestId(`participant-menu-${mina.id}`).click();
    await page.getByTestId(`remove-${mina.id}`).waitFor();
    await check("a participant's menu");
    await page.getByTestId(`remove-${mina.id}`).click();
    await page.getByTestId("confirm-remove").waitFor();
    await check("removing somebody");
    await page.getByTestId("cancel").click();
    await page.getByTestId("leave").click();
    await page.getByTestId("leave-refused").waitFor();
    await check("leaving");
    await close("details-dialog");

    expect(faults).toEqual([]);

    // The language follows at once, also in what the document says of itself.
    if ("isMobile" in options) await page.getByTestId("back").click();
    await page.getByTestId("language").click();
    await expect
      .poll(() => page.evaluate(() => document.documentElement.lang))
      .not.toBe(options.locale.slice(0, 2));
    await context.close();
  });
}

test("a group is made, and its people are added, appointed and removed, in the sight of two windows", async () => {
  const a = await openWindow(haneul.id);
  const b = await openWindow(alex.id);
  const id = await startGroup(
    a.page,
    [alex.id],
    "모임 👩‍👩‍👧‍👦 with a rather long name that no list has room for",
  );
  await open(b.page, id);
  const count = (page: Page) => page.getByTestId("presence").textContent();
  await expect.poll(() => count(b.page), WAIT).toMatch(/^2 participants/);

  await a.page.getByTestId("conversation-details").click();
  await b.page.getByTestId("conversation-details").click();
  // A member sees who is there, and nothing to change but to go.
  await b.page.getByTestId(`participant-${haneul.id}`).waitFor();
  expect(await b.page.getByTestId("add-people").count()).toBe(0);
  expect(await b.page.locator('[data-testid^="participant-menu-"]').count()).toBe(0);
  await b.page.getByTestId("leave").waitFor();

  await a.page.getByTestId("add-people").click();
  // A step takes the place of another, and the focus stays in the dialog.
  await expect.poll(() => isFocusInDialog(a.page), WAIT).toBe(true);
  // Those who are in it are not offered.
  expect(await a.page.getByTestId(`choose-${alex.id}`).count()).toBe(0);
  await a.page.getByTestId("people-filter").fill("서준");
  await person(a.page, seojun.id).click();
  await a.page.getByTestId("confirm-add").click();
  await a.page.getByTestId(`participant-${seojun.id}`).waitFor();
  await b.page.getByTestId(`participant-${seojun.id}`).waitFor();
  await expect.poll(() => count(b.page), WAIT).toMatch(/^3 participants/);

  // An admin appoints another; the last one could not go.
  await a.page.getByTestId("leave").click();
  await a.page.getByTestId("leave-refused").waitFor();
  await a.page.getByTestId("dialog-back").click();
  await chooseFor(a.page, alex.id, "make-admin");
  await b.page.getByTestId("add-people").waitFor();
  await chooseFor(b.page, haneul.id, "make-member");
  await gone(a.page, "add-people");
  await chooseFor(b.page, haneul.id, "make-admin");
  await a.page.getByTestId("add-people").waitFor();

  // What the service refuses is said, and nothing is changed.
  await a.page.route("**/participants/*", (route) => route.abort());
  await chooseFor(a.page, alex.id, "make-member");
  await a.page.getByTestId("participants-error").waitFor();
  await a.page.unroute("**/participants/*");

  await chooseFor(a.page, alex.id, "remove");
  await a.page.getByTestId("confirm-remove").click();
  await gone(a.page, `participant-${alex.id}`);
  await expect.poll(() => count(a.page), WAIT).toMatch(/^2 participants/);
  // Whoever was removed is told, loses the conversation from the list, and counts nobody.
  await gone(b.page, `conversation-${id}`);
  await b.page.getByTestId("connection-banner").waitFor();
  await expect
    .poll(async () => (await b.page.getByTestId("presence").allTextContents()).join(""), WAIT)
    .toBe("");

  await b.page.keyboard.press("Escape");
  await gone(b.page, "details-dialog");
  await b.page.getByTestId("close-conversation").click();
  await gone(b.page, "conversation-view");

  // Going leads back to the list, without the group.
  await chooseFor(a.page, seojun.id, "make-admin");
  await a.page.getByTestId(`participant-${seojun.id}`).getByText("Admin", { exact: true }).waitFor();
  await a.page.getByTestId("leave").click();
  await a.page.getByTestId("confirm-leave").click();
  await gone(a.page, "details-dialog");
  await gone(a.page, `conversation-${id}`);
  expect(openId(a.page)).toBe("");
  for (const { context } of [a, b]) await context.close();
});

test("a conversation that cannot be started says why, and can be started then", async () => {
  const { page, context } = await openWindow(mina.id);
  await page.getByTestId("new-conversation").click();
  await page.getByTestId("create-conversation").click();
  await page.getByTestId("create-error").waitFor();
  await person(page, seojun.id).click();
  await gone(page, "create-error");
  await page.route("**/api/conversations", (route) => route.abort());
  await page.getByTestId("create-conversation").click();
  await page.getByTestId("create-error").waitFor();
  await page.unroute("**/api/conversations");
  await page.getByTestId("create-conversation").click();
  await live(page);
  await gone(page, "new-conversation-dialog");
  await context.close();
});

test("whoever hides is reminded of it in sight of the list", async () => {
  const { page, context } = await openWindow(mina.id);
  await page.getByTestId("settings").click();
  await page.getByTestId("setting-invisible").click();
  await page.getByTestId("invisible-note").waitFor();
  await page.keyboard.press("Escape");
  await gone(page, "settings-dialog");
  await expectAccessible(page);
  await page.getByTestId("invisible-note").click();
  await page.getByTestId("setting-invisible").click();
  await gone(page, "invisible-note");
  await context.close();
});

test("a browser that keeps nothing says what that means, until it is closed", async () => {
  const context = await newContext();
  await context.addInitScript(() => {
    IDBFactory.prototype.open = () => {
      throw new DOMException("Access is denied.", "SecurityError");
    };
  });
  const page = await newPage(context);
  await enter(page, haneul.id);
  await page.locator('[data-testid="storage-banner"][data-reason="unavailable"]').waitFor();
  await expectAccessible(page);
  await open(page, DEMO_CONVERSATIONS.group);
  await say(page, "from memory");
  await page.getByTestId("storage-banner-close").click();
  await gone(page, "storage-banner");
  await context.close();
});

test("a full disk is said as long as it is full", async () => {
  const { page, context } = await openWindow(haneul.id);
  await open(page, DEMO_CONVERSATIONS.group);
  const session = await context.newCDPSession(page);
  await session.send("Storage.overrideQuotaForOrigin", { origin: service.url, quotaSize: 1 });
  await say(page, `no room ${"x".repeat(9_000)}`);
  await page.locator('[data-testid="storage-banner"][data-reason="full"]').waitFor();
  await session.send("Storage.overrideQuotaForOrigin", { origin: service.url });
  await say(page, "room again");
  await gone(page, "storage-banner");
  await context.close();
});

interface Shown {
  title: string;
  body: string;
  tag: string;
  isClosed: boolean;
}

/** Chromium without a window shows no notifications: this keeps what the page asks for, and does what a click would. */
async function standInForNotifications(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => {
    const shown: Array<Shown & { onclick: (() => void) | null; close(): void }> = [];
    let permission: NotificationPermission = "default";
    class StandIn {
      static get permission() {
        return permission;
      }
      static async requestPermission() {
        if (!navigator.userActivation.isActive) throw new Error("Nobody has clicked.");
        permission = "granted";
        return permission;
      }
      onclick: (() => void) | null = null;
      isClosed = false;
      readonly title: string;
      readonly body: string;
      readonly tag: string;
      constructor(title: string, { body = "", tag = "" }: NotificationOptions = {}) {
        if (permission !== "granted") throw new Error("It is not permitted.");
        this.title = title;
        this.body = body;
        this.tag = tag;
        shown.push(this);
      }
      close() {
        this.isClosed = true;
      }
    }
    Object.assign(globalThis, { Notification: StandIn, shown });
    let visibility: DocumentVisibilityState = "visible";
    Object.defineProperty(Document.prototype, "visibilityState", { get: () => visibility });
    Object.defineProperty(Document.prototype, "hidden", { get: () => visibility === "hidden" });
    Object.assign(globalThis, {
      show: (isVisible: boolean) => {
        visibility = isVisible ? "visible" : "hidden";
        document.dispatchEvent(new Event("visibilitychange"));
      },
    });
  });
}

const notified = (page: Page): Promise<Shown[]> =>
  page.evaluate(() =>
    (globalThis as unknown as { shown: Shown[] }).shown.map(({ title, body, tag, isClosed }) => ({
      title,
      body,
      tag,
      isClosed,
    })),
  );
const setVisible = (page: Page, isVisible: boolean) =>
  page.evaluate(
    (visible) => (globalThis as unknown as { show(visible: boolean): void }).show(visible),
    isVisible,
  );

test("what arrives while nobody sees the page is announced once, opens on a click, and goes when it is read", async () => {
  const a = await openWindow(haneul.id);
  const context = await newContext();
  await standInForNotifications(context);
  const page = await newPage(context);
  await enter(page, seojun.id);
  const id = await startGroup(a.page, [seojun.id], "Announcements");
  await page.getByTestId(`conversation-${id}`).waitFor();

  // Nothing before the user has asked for it.
  await setVisible(page, false);
  await say(a.page, "before");
  await page.getByTestId(`unread-${id}`).getByText("1", { exact: true }).waitFor();
  expect(await notified(page)).toEqual([]);
  await setVisible(page, true);
  await page.getByTestId("settings").click();
  await page.getByTestId("setting-notifications").click();
  await expect.poll(() => page.getByTestId("setting-notifications").isChecked(), WAIT).toBe(true);
  await page.keyboard.press("Escape");

  // Nothing while the page is seen.
  await say(a.page, "seen");
  await page.getByTestId(`unread-${id}`).getByText("2", { exact: true }).waitFor();
  expect(await notified(page)).toEqual([]);

  await setVisible(page, false);
  await say(a.page, `hidden ${"x".repeat(300)}`);
  await expect.poll(() => notified(page), WAIT).toHaveLength(1);
  const [first] = await notified(page);
  expect(first?.title).toBe("Announcements");
  expect(first?.body).toMatch(new RegExp(`^${haneul.name}: hidden x+…$`));
  expect(first?.body.length).toBeLessThan(160);
  await say(a.page, "again");
  await expect.poll(() => notified(page), WAIT).toHaveLength(2);
  expect(new Set((await notified(page)).map(({ tag }) => tag)).size).toBe(1);

  // Another tab of the same user is reading it: this one is silent.
  const reading = await newPage(context);
  await reading.goto(`${service.url}/#${new URLSearchParams({ user: seojun.id, conversation: id })}`);
  await live(reading);
  await expect.poll(async () => (await notified(page)).at(-1)?.isClosed, WAIT).toBe(true);
  await gone(page, `unread-${id}`);
  await say(a.page, "in sight of the other tab");
  await shown(reading, "in sight of the other tab");
  await say(a.page, "and this");
  await shown(reading, "and this");
  await page.getByTestId(`conversation-${id}`).getByText("and this").waitFor();
  expect(await notified(page)).toHaveLength(2);
  await reading.close();

  await say(a.page, "open me");
  await expect.poll(() => notified(page), WAIT).toHaveLength(3);
  await setVisible(page, true);
  await page.evaluate(() =>
    (globalThis as unknown as { shown: Notification[] }).shown
      .at(-1)
      ?.onclick?.call(new Notification(""), new Event("click")),
  );
  await live(page);
  expect(openId(page)).toBe(id);
  expect((await notified(page)).find(({ body }) => body.endsWith("open me"))?.isClosed).toBe(true);

  // What one says oneself elsewhere is no news.
  await setVisible(page, false);
  await request(seojun.id, "POST", `conversations/${id}/messages`, {
    temp_id: "own",
    body: { text: "my own" },
  });
  await shown(page, "my own");
  expect((await notified(page)).filter(({ body }) => body.includes("my own"))).toEqual([]);

  // Off again.
  await setVisible(page, true);
  await page.getByTestId("settings").click();
  await page.getByTestId("setting-notifications").click();
  await expect.poll(() => page.getByTestId("setting-notifications").isChecked(), WAIT).toBe(false);
  await a.context.close();
  await context.close();
});

test("notifications that the browser blocks or does not have are explained", async () => {
  for (const [kind, text] of [
    ["denied", "Your browser blocks"],
    ["missing", "cannot show notifications"],
  ] as const) {
    const context = await newContext();
    await context.addInitScript((missing) => {
      if (missing) Reflect.deleteProperty(globalThis, "Notification");
      else Object.defineProperty(Notification, "permission", { get: () => "denied" });
    }, kind === "missing");
    const page = await newPage(context);
    await enter(page, haneul.id);
    await page.getByTestId("settings").click();
    await page.getByText(text).waitFor();
    expect(await page.getByTestId("setting-notifications").isDisabled()).toBe(true);
    await context.close();
  }
});

test("the keyboard alone leads from the list to a sent message, and back out of every dialog", async () => {
  const { page, context } = await openWindow(haneul.id);
  await page.getByTestId(`conversation-${DEMO_CONVERSATIONS.group}`).waitFor();
  expect((await tabTo(page, "skip-link"))[0]).toBe("skip-link");
  await tabTo(page, "new-conversation");
  await page.keyboard.press("Enter");
  await page.getByTestId("new-conversation-dialog").waitFor();
  // The focus stays inside.
  for (let presses = 0; presses < 15; presses += 1) {
    await page.keyboard.press("Tab");
    expect(await isFocusInDialog(page)).toBe(true);
  }
  await page.keyboard.press("Escape");
  await gone(page, "new-conversation-dialog");
  await expect.poll(() => focusedId(page), WAIT).toBe("new-conversation");

  await page.keyboard.press("Tab");
  expect(await focusedId(page)).toMatch(/^conversation-/);
  for (let presses = 0; presses < 20; presses += 1) {
    if ((await focusedId(page)) === `conversation-${DEMO_CONVERSATIONS.group}`) break;
    await page.keyboard.press("ArrowDown");
  }
  // Whoever uses the keyboard sees where they are.
  expect(await page.evaluate(() => getComputedStyle(document.activeElement as Element).boxShadow)).not.toBe(
    "none",
  );
  await page.keyboard.press("Enter");
  await live(page);
  await expect.poll(() => focusedId(page), WAIT).toBe("composer");
  await page.keyboard.type("without a mouse");
  await page.keyboard.press("Enter");
  await shown(page, "without a mouse");

  // The message's menu, and the dialog behind it.
  await page.locator('[data-menu-button][tabindex="0"]').focus();
  const menu = (await focusedId(page)) ?? "";
  expect(menu).toMatch(/^message-menu-/);
  await page.keyboard.press("Enter");
  await expect.poll(() => page.evaluate(() => document.activeElement?.role), WAIT).toBe("menuitem");
  await page.keyboard.press("End");
  await expect.poll(() => focusedId(page), WAIT).toBe("delete");
  await page.keyboard.press("Enter");
  await page.getByTestId("delete-dialog").waitFor();
  await page.keyboard.press("Escape");
  await gone(page, "delete-dialog");
  await expect.poll(() => focusedId(page), WAIT).toBe(menu);
  await page.keyboard.press("ArrowUp");
  await expect.poll(() => focusedId(page), WAIT).not.toBe(menu);
  expect(await focusedId(page)).toMatch(/^message-menu-/);
  await context.close();
});

test("in a narrow window the focus goes into a conversation and comes back to its line", async () => {
  const { page, context } = await openWindow(haneul.id, { viewport: { width: 390, height: 780 } });
  const line = `conversation-${DEMO_CONVERSATIONS.group}`;
  await page.getByTestId(line).focus();
  await page.keyboard.press("Enter");
  await live(page);
  await expect.poll(() => focusedId(page), WAIT).toBe("composer");
  await page.getByTestId("back").focus();
  await page.keyboard.press("Enter");
  await page.getByTestId(line).waitFor();
  await expect.poll(() => focusedId(page), WAIT).toBe(line);
  await context.close();
});

test("a finger has room for a message's menu", async () => {
  const { page, context } = await openWindow(haneul.id, PHONE);
  await open(page, DEMO_CONVERSATIONS.group);
  const button = page.locator("[data-menu-button]").last();
  const { width, height } = await button.evaluate((element) => {
    const { width, height } = getComputedStyle(element, "::after");
    return { width: Number.parseFloat(width), height: Number.parseFloat(height) };
  });
  expect(Math.min(width, height)).toBeGreaterThanOrEqual(44);
  await button.tap();
  expect((await page.getByTestId("copy").boundingBox())?.height).toBeGreaterThanOrEqual(44);
  await context.close();
});

test("a long list loads as it is scrolled, and says so when that fails", async () => {
  for (let n = 0; n < 60; n += 1) {
    await request<Conversation>(mina.id, "POST", "conversations", {
      type: "group",
      title: n % 2 ? `${n} 아주 긴 한국어 제목 🏔️`.padEnd(80, "가") : `${n} ${"long ".repeat(20)}`,
      participant_ids: [haneul.id],
    });
  }
  const { page, context } = await openWindow(mina.id);
  const links = page.getByTestId("conversation-list").getByRole("link");
  await page.getByTestId("list-more").waitFor();
  expect(await links.count()).toBe(50);
  await page.route("**/api/conversations?*", (route) => route.abort());
  await page.getByTestId("list-more").scrollIntoViewIfNeeded();
  await page.getByTestId("list-error").waitFor();
  await expectAccessible(page);
  await page.unroute("**/api/conversations?*");
  await page.getByTestId("list-retry").click();
  await gone(page, "list-error");
  await expect.poll(() => links.count(), WAIT).toBeGreaterThan(60);
  await gone(page, "list-more");
  // No width makes anything go beyond the screen.
  for (const width of [360, 768, 1440]) {
    await page.setViewportSize({ width, height: 760 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth), `${width} px`).toBe(width);
  }
  await context.close();
});

test("a list that cannot be loaded says so", async () => {
  const context = await newContext();
  const page = await newPage(context);
  await page.routeWebSocket(/\/api\/inbox\/socket/, (socket) => socket.close());
  await page.goto(`${service.url}/`);
  await page.getByTestId(`user-${haneul.id}`).click();
  await page.getByTestId("list-error").waitFor();
  await expectAccessible(page);
  await context.close();
});

test("nothing was complained of in any window", () => {
  expect(complaints).toEqual([]);
});

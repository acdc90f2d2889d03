import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { indexedBigrams } from "../../db/search-index.ts";
import { DEMO_CONVERSATIONS, DEMO_USERS } from "../../dev/demo-users.ts";
import { bigrams, normalise } from "../../protocol/search-text.ts";
import { Service } from "../stack/service.ts";
import { launchChromium } from "./chromium.ts";
import { choose, idOf, say, sent, WAIT_MS, Windows } from "./windows.ts";

const [haneul, alex, seojun] = DEMO_USERS;
const GROUP = DEMO_CONVERSATIONS.group;
const MANY = 100_000;
const NEEDLE = { id: 1_234, text: "바늘 하나가 여기 있어요" };

let service: Service;
let browser: Browser;
let windows: Windows;

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

const ids = (page: Page): Promise<number[]> =>
  page
    .locator('[data-testid^="message-"][data-status]')
    .evaluateAll((rows) =>
      rows.map((row) => Number(row.getAttribute("data-testid")?.replace("message-", ""))),
    );
const scrollTo = (page: Page, where: "start" | "end") =>
  page
    .getByTestId("timeline")
    .evaluate((timeline, end) => timeline.scrollTo(0, end ? timeline.scrollHeight : 0), where === "end");
/** Ids of the messages that can be seen, from top to bottom. */
const onScreen = (page: Page): Promise<number[]> =>
  page.getByTestId("timeline").evaluate((timeline) => {
    const { top, bottom } = timeline.getBoundingClientRect();
    return [...timeline.querySelectorAll('[data-testid^="message-"][data-status]')]
      .filter((row) => row.getBoundingClientRect().bottom > top && row.getBoundingClientRect().top < bottom)
      .map((row) => Number(row.getAttribute("data-testid")?.replace("message-", "")));
  });
const isConsecutive = (list: readonly number[]): boolean =>
  list.every((id, index) => index === 0 || id === (list[index - 1] ?? 0) + 1);

/** A conversation that no object holds yet, with a hundred thousand messages of two people. */
async function manyMessages(): Promise<string> {
  const id = randomUUID();
  const client = new pg.Client(await service.databaseUrl());
  await client.connect();
  const db = drizzle(client);
  await db.execute(sql`insert into conversations (id, type, title, created_by, last_message_id, seq)
    values (${id}, 'group', 'Very long', ${haneul.id}, ${MANY}, ${MANY})`);
  for (const { id: userId } of [haneul, seojun])
    await db.execute(sql`insert into participants (conversation_id, user_id, role, last_read_id)
      values (${id}, ${userId}, 'admin', ${MANY})`);
  await db.execute(sql`insert into messages
      (conversation_id, id, seq, created_seq, sender_id, temp_id, type, body, created_at, search_text, bigrams)
    select ${id}, n, n, n, case when n % 3 = 0 then ${haneul.id} else ${seojun.id} end, 'many-' || n, 'user',
      jsonb_build_object('text', repeat('line ' || n || ' ', 1 + n % 17)),
      now() - interval '1 minute' * (${MANY} - n), '', '{}'::bigint[]
    from generate_series(1, ${MANY}::int) n`);
  const text = normalise(NEEDLE.text);
  const found = sql`array[${sql.join(
    bigrams(text).map((bigram) => sql`${bigram}::bigint`),
    sql`, `,
  )}]`;
  await db.execute(sql`update messages set body = ${JSON.stringify({ text: NEEDLE.text })}::jsonb, search_text = ${text},
    bigrams = ${indexedBigrams(sql`${id}::uuid`, sql`${NEEDLE.id}::bigint`, found)}
    where conversation_id = ${id} and id = ${NEEDLE.id}`);
  await client.end();
  return id;
}

test("a reply shows what it answers, leads there, and says when that is deleted", async () => {
  const a = await windows.open(haneul.id, { conversationId: GROUP });
  const b = await windows.open(alex.id, { conversationId: GROUP });
  const question = await say(a.page, "Who brings the map?");
  await b.page.getByTestId(`message-${question}`).waitFor();
  await choose(b.page, question, "reply");
  await b.page.getByTestId("replying").getByText("Who brings the map?").waitFor();
  // Escape takes it back, and the focus stays where one writes.
  await b.page.keyboard.press("Escape");
  await b.page.getByTestId("replying").waitFor({ state: "detached" });
  await choose(b.page, question, "reply");
  await b.page.keyboard.type("I do");
  await b.page.keyboard.press("Enter");
  const quote = sent(a.page, "I do").last().getByTestId(`quote-${question}`);
  await quote.getByText("Who brings the map?").waitFor();
  await b.page.getByTestId("replying").waitFor({ state: "detached" });
  await quote.click();
  await a.page.locator(`[data-testid="message-${question}"][data-target="true"]`).waitFor();

  await choose(a.page, question, "delete");
  await a.page.getByTestId("confirm-delete").click();
  await sent(b.page, "I do").last().getByText("This message was deleted").waitFor();
  for (const { context } of [a, b]) await context.close();
});

test("a reply to a message that is not loaded fetches it, and leads far back", async () => {
  const a = await windows.open(haneul.id, { conversationId: GROUP });
  await sent(a.page, "다들 일찍 주무세요").waitFor();
  await a.page.evaluate(
    async ([conversation, user]) => {
      const body = JSON.stringify({ temp_id: "far-back", body: { text: "as I said" }, reply_to_id: 1 });
      const headers = { authorization: `Bearer ${user}`, "content-type": "application/json" };
      await fetch(`/api/conversations/${conversation}/messages`, { method: "POST", headers, body });
    },
    [GROUP, haneul.id],
  );
  const quote = sent(a.page, "as I said").last().getByTestId("quote-1");
  await quote.getByText("다들 안녕하세요!").waitFor();
  await quote.click();
  await expect.poll(() => onScreen(a.page), { timeout: WAIT_MS }).toContain(1);
  await a.context.close();
});

test("reactions of two people are counted, named, and taken back", async () => {
  const a = await windows.open(haneul.id, { conversationId: GROUP });
  const b = await windows.open(alex.id, { conversationId: GROUP });
  const id = await say(a.page, "Sunrise at 7");
  const reaction = (page: Page, emoji: string) =>
    page.getByTestId(`message-${id}`).getByTestId(`reaction-${emoji}`);
  await b.page.getByTestId(`message-${id}`).waitFor();
  await choose(b.page, id, "react-👍");
  await reaction(a.page, "👍").click();
  await expect.poll(() => reaction(b.page, "👍").getAttribute("data-count")).toBe("2");
  expect(await reaction(b.page, "👍").getAttribute("aria-label")).toBe(`👍: You, ${haneul.name}`);
  expect(await reaction(b.page, "👍").getAttribute("aria-pressed")).toBe("true");
  await reaction(b.page, "👍").click();
  await expect.poll(() => reaction(a.page, "👍").getAttribute("data-count")).toBe("1");

  await choose(b.page, id, "react-other");
  await b.page.getByTestId("reaction-input").fill("not an emoji");
  await b.page.getByTestId("reaction-send").click();
  await b.page.getByRole("alert").getByText("That is not one emoji.").waitFor();
  await b.page.getByTestId("reaction-input").fill("🥾");
  await b.page.getByTestId("reaction-send").click();
  await reaction(a.page, "🥾").waitFor();
  await b.page.getByTestId("reaction-dialog").waitFor({ state: "detached" });
  for (const { context } of [a, b]) await context.close();
});

test("what is new stands under a line, and only what others write is announced", async () => {
  const a = await windows.open(haneul.id, { conversationId: GROUP });
  const before = await say(a.page, "before you came");
  const b = await windows.open(seojun.id);
  await b.page.getByTestId(`unread-${GROUP}`).waitFor();
  await b.page.getByTestId(`conversation-${GROUP}`).click();
  await b.page.getByTestId("new-line").waitFor();
  const below = await b.page
    .getByTestId("new-line")
    .evaluate((line) =>
      line.parentElement?.querySelector("[data-testid^=message-]")?.getAttribute("data-testid"),
    );
  expect(idOf(below ?? null)).toBeLessThanOrEqual(before);
  const announced = b.page.getByTestId("announcements");
  expect(await announced.textContent()).toBe("");
  await say(b.page, "my own words");
  await say(a.page, "news for you");
  // What comes while one reads is not new.
  expect(await a.page.getByTestId("new-line").count()).toBe(0);
  await expect.poll(() => announced.textContent()).toBe(`${haneul.name}: news for you`);
  expect(await b.page.getByTestId("timeline").getAttribute("aria-live")).toBe("off");
  for (const { context } of [a, b]) await context.close();
});

test("an Enter of an input method ends the syllable, and neither sends nor saves", async () => {
  const { page, context } = await windows.open(haneul.id, { conversationId: GROUP });
  const session = await context.newCDPSession(page);
  const compose = async (text: string): Promise<void> => {
    await session.send("Input.imeSetComposition", {
      text,
      selectionStart: text.length,
      selectionEnd: text.length,
    });
    await session.send("Input.dispatchKeyEvent", {
      type: "rawKeyDown",
      key: "Process",
      code: "Enter",
      windowsVirtualKeyCode: 229,
    });
    await session.send("Input.insertText", { text });
  };
  const id = await say(page, "to be edited");
  await choose(page, id, "edit");
  await page.getByTestId("edit-input").fill("");
  await compose("한글");
  await page.getByTestId("edit-input").waitFor();
  expect(await page.getByTestId("edit-input").inputValue()).toBe("한글");
  await page.keyboard.press("Enter");
  await sent(page, "한글").last().getByTestId("edited").waitFor();

  await choose(page, id, "reply");
  await compose("답장");
  expect(await page.getByTestId("composer").inputValue()).toBe("답장");
  await page.getByTestId("replying").waitFor();
  await page.keyboard.press("Enter");
  await sent(page, "답장").last().getByTestId(`quote-${id}`).waitFor();

  await page.getByTestId("search").click();
  await compose("한글");
  await page.getByTestId(`hit-${id}`).waitFor();
  expect(await page.getByTestId("search-input").inputValue()).toBe("한글");
  await context.close();
});

test("search marks what it found, leads to it however far back, and from there to the newest", async () => {
  const id = await manyMessages();
  const { page, context } = await windows.open(haneul.id, { conversationId: id });
  await sent(page, `line ${MANY} `).waitFor();
  await page.getByTestId("search").click();
  await page.getByTestId("search-input").fill("없는 말");
  await page.getByText("Nothing was found.").waitFor();
  await page.getByTestId("search-input").fill("바늘 하나");
  const hit = page.getByTestId(`hit-${NEEDLE.id}`);
  await hit.waitFor();
  expect(await hit.locator("mark").allTextContents()).toEqual(["바늘 하나"]);
  await hit.click();
  await page.locator(`[data-testid="message-${NEEDLE.id}"][data-target="true"]`).waitFor();
  await expect.poll(() => onScreen(page), { timeout: WAIT_MS }).toContain(NEEDLE.id);
  await page.getByTestId("history-banner").waitFor();

  // Both directions go on without a hole.
  const isWhole = async (): Promise<boolean> => isConsecutive(await ids(page));
  for (const where of ["start", "end", "end"] as const) {
    await scrollTo(page, where);
    await expect
      .poll(async () => (await onScreen(page)).length > 0 && (await isWhole()), { timeout: WAIT_MS })
      .toBe(true);
  }
  await page.getByTestId("to-newest").click();
  await expect.poll(() => onScreen(page), { timeout: WAIT_MS }).toContain(MANY);
  await page.getByTestId("history-banner").waitFor({ state: "detached" });
  await page.keyboard.press("Escape");
  await context.close();
});

test("a hundred thousand messages: few are in the document, and none is missing from the screen", async () => {
  const id = await manyMessages();
  const { page, context } = await windows.open(haneul.id, { conversationId: id });
  await sent(page, `line ${MANY} `).waitFor();
  let most = 0;
  let oldest = MANY;
  for (let step = 0; step < 40; step += 1) {
    await page.getByTestId("timeline").evaluate((timeline) => timeline.scrollBy(0, -2_500));
    await expect
      .poll(
        async () => {
          const seen = await onScreen(page);
          return seen.length > 1 && isConsecutive(seen) ? seen[0] : null;
        },
        { timeout: WAIT_MS },
      )
      .not.toBeNull();
    const [first = MANY] = await onScreen(page);
    expect(first).toBeLessThanOrEqual(oldest);
    oldest = first;
    most = Math.max(most, (await ids(page)).length);
  }
  expect(oldest).toBeLessThan(MANY - 500);
  expect(most).toBeLessThan(120);

  // Somebody else writes: what is being read stays where it is.
  const b = await windows.open(seojun.id, { conversationId: id });
  const [reading = 0] = (await onScreen(page)).slice(2);
  const top = () =>
    page.getByTestId(`message-${reading}`).evaluate((row) => Math.round(row.getBoundingClientRect().top));
  let settled = await top();
  // Rows are measured as they come near.
  await expect
    .poll(
      async () => {
        const before = settled;
        settled = await top();
        return before === settled;
      },
      { interval: 300, timeout: WAIT_MS },
    )
    .toBe(true);
  await say(b.page, "is anybody there?");
  await page.locator('[data-testid="jump-to-newest"][data-count="1"]').waitFor();
  expect(Math.abs((await top()) - settled)).toBeLessThanOrEqual(1);
  await page.getByTestId("jump-to-newest").click();
  await sent(page, "is anybody there?").waitFor();
  for (const window of [context, b.context]) await window.close();
});

test("nothing was complained of in any window", () => {
  expect(windows.complaints).toEqual([]);
});

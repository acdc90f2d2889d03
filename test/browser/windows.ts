import type { Browser, BrowserContext, Page } from "playwright-core";

/** No test waits longer for a state: only a defect takes as long. */
export const WAIT_MS = 60_000;

/** A window of the demo page. */
export interface OpenWindow {
  page: Page;
  context: BrowserContext;
}

/** Windows of the demo page, each with storage of its own, and what their browser complained of. */
export class Windows {
  readonly complaints: string[] = [];
  readonly #browser: Browser;
  readonly #url: string;

  /** @param url where the service is, unless a window says otherwise */
  constructor(browser: Browser, url: string) {
    this.#browser = browser;
    this.#url = url;
  }

  /** A window of this demo user, with the list on screen, or a conversation of it. */
  async open(
    userId: string,
    {
      url = this.#url,
      conversationId,
      ...options
    }: { url?: string; conversationId?: string } & Parameters<Browser["newContext"]>[0] = {},
  ): Promise<OpenWindow> {
    const context = await this.#browser.newContext({
      viewport: { width: 1200, height: 760 },
      locale: "en-GB",
      timezoneId: "Asia/Seoul",
      ...options,
    });
    context.setDefaultTimeout(WAIT_MS);
    const page = await context.newPage();
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("console", (message) => {
      // A cut connection is reported by the browser itself.
      if (message.type() === "error" && !/ERR_|WebSocket connection/.test(message.text()))
        this.complaints.push(`${message.text()} ${message.location().url}`);
    });
    await page.goto(`${url}/`);
    await page.getByTestId(`user-${userId}`).click();
    await page.getByTestId("conversation-list").waitFor();
    if (conversationId !== undefined) {
      await page.getByTestId(`conversation-${conversationId}`).click();
      await live(page);
    }
    return { page, context };
  }
}

/** The conversation that is open has everything. */
export const live = (page: Page): Promise<void> =>
  page.locator('[data-testid="connection-status"][data-status="live"]').waitFor();

/** Messages that the service has and that say `text`. */
export const sent = (page: Page, text: string) =>
  page.locator('[data-testid^="message-"][data-status="sent"]').filter({ hasText: text });

/** Writes a message. @returns its id, once the service has it */
export async function say(page: Page, text: string): Promise<number> {
  await page.getByTestId("composer").fill(text);
  await page.getByTestId("composer").press("Enter");
  const row = sent(page, text).last();
  await row.waitFor();
  return idOf(await row.getAttribute("data-testid"));
}

/** The number in `message-12`. */
export const idOf = (testId: string | null): number => Number(testId?.replace(/\D/g, ""));

/** Opens the menu of a message, and chooses from it. */
export async function choose(page: Page, id: number, item: string): Promise<void> {
  await page.getByTestId(`message-${id}`).hover();
  await page.getByTestId(`message-menu-${id}`).click();
  await page.getByTestId(item).click();
}

import { build } from "esbuild";
import type { BrowserContext, Page } from "playwright-core";
import type { ConversationState, MessageInput } from "../../client/index.ts";
import type { Message } from "../../protocol/entities.ts";
import { IMPATIENT, type Port } from "./device.ts";
import type { PageCall } from "./in-page.ts";
import type { Recorder } from "./recorder.ts";
import type { Held, Look, Observation } from "./tap.ts";

/**
 * The client library in a page of a browser. What the page is told is recorded a moment later than it was, and what it
 * asks for counts from the last call into it: never later than it was.
 */
export class BrowserPort implements Port {
  readonly #page: Page;
  readonly #recorder: Recorder;

  private constructor(page: Page, recorder: Recorder) {
    this.#page = page;
    this.#recorder = recorder;
  }

  /**
   * @param url of the service, or of a proxy before it: the page's own origin
   * @param kept is told the `temp_id` of each message that is on the disk, and so must arrive
   */
  static async open(
    context: BrowserContext,
    recorder: Recorder,
    who: { client: string; user: string },
    url: string,
    kept: (tempId: string) => void,
  ): Promise<BrowserPort> {
    script ??= bundle();
    const page = await context.newPage();
    await page.exposeFunction("keep", kept);
    await page.exposeFunction("note", (observations: Observation[]) => {
      for (const observation of observations) recorder.observe(observation);
    });
    // The service alone serves no page; the origin is what matters.
    await page.route(`${url}/page`, (route) =>
      route.fulfill({ contentType: "text/html", body: "<!doctype html>" }),
    );
    await page.goto(`${url}/page`);
    await page.addScriptTag({ content: await script });
    const t = recorder.instant();
    await page.evaluate((given) => globalThis.tab.open(given.who, given.options, given.t), {
      who,
      options: IMPATIENT,
      t,
    });
    return new BrowserPort(page, recorder);
  }

  join(conversation: string): Promise<void> {
    return this.#call("join", conversation);
  }

  leave(conversation: string): Promise<void> {
    return this.#call("leave", conversation);
  }

  send(conversation: string, tempId: string, body: MessageInput, replyToId: number | null): Promise<Message> {
    return this.#call("send", conversation, tempId, body, replyToId);
  }

  edit(conversation: string, id: number, body: MessageInput): Promise<Message> {
    return this.#call("edit", conversation, id, body);
  }

  delete(conversation: string, id: number): Promise<Message> {
    return this.#call("delete", conversation, id);
  }

  status(conversation: string): Promise<ConversationState["status"]> {
    return this.#call("status", conversation);
  }

  look(conversation: string): Promise<Look> {
    return this.#call("look", conversation);
  }

  held(conversation: string): Promise<Held> {
    return this.#call("held", conversation);
  }

  /** The tab is closed, whatever it is doing. */
  async close(): Promise<void> {
    await this.#page.close();
  }

  async #call<T>(method: PageCall["method"], ...args: unknown[]): Promise<T> {
    const call = { method, args, t: this.#recorder.instant() };
    const answer = await this.#page.evaluate((given) => globalThis.tab.call(given), call);
    if ("error" in answer) throw answer.error;
    return answer.value as T;
  }
}

let script: Promise<string> | undefined;

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [new URL("./in-page.ts", import.meta.url).pathname],
    bundle: true,
    format: "iife",
    write: false,
    target: "es2024",
  });
  return outputFiles[0]?.text ?? "";
}

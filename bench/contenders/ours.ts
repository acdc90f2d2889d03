import { type RunningWorkerd, SERVICE_OBJECTS, startWorkerd } from "../../dev/workerd.ts";
import { BEARER_SUBPROTOCOL_PREFIX, SUBPROTOCOL } from "../../protocol/version.ts";
import type { Cleanup, Database } from "../database.ts";
import { residentBytes } from "../processes.ts";
import type { Connection, Contender, Line } from "./contender.ts";
import { openTextLine } from "./text-line.ts";

export interface OursOptions {
  /** Where configuration and objects go. */
  home: string;
  /** The built service, the entry first. */
  modules: Record<string, string>;
  database: Database;
  /** The same after every restart; by default each start takes a free one. */
  port?: number;
}

/** The service as `wrangler deploy` would upload it, in a bare workerd, with the rate limit out of the way. */
export async function startOurs(options: OursOptions, cleanup: Cleanup): Promise<Ours> {
  const ours = new Ours(options, await launch(options));
  cleanup.push(() => ours.stop());
  return ours;
}

export class Ours implements Contender {
  readonly name = "ours";
  readonly title = "ArcYou Chat";
  readonly isOrdered = true;
  readonly #options: OursOptions;
  #running: RunningWorkerd;

  constructor(options: OursOptions, running: RunningWorkerd) {
    this.#options = options;
    this.#running = running;
  }

  get url(): URL {
    return this.#running.url;
  }

  async createConversation(users: string[]): Promise<string> {
    const [creator, ...others] = users;
    const response = await fetch(new URL("/api/conversations", this.url), {
      method: "POST",
      headers: { Authorization: `Bearer ${creator}`, "Content-Type": "application/json" },
      body: JSON.stringify({ type: "group", participant_ids: others }),
    });
    const body = (await response.json()) as { data?: { id: string } };
    if (!body.data) throw new Error(`POST /api/conversations: ${response.status} ${JSON.stringify(body)}`);
    return body.data.id;
  }

  connect(connection: Connection): Promise<Line> {
    const { conversationId, userId, resume } = connection;
    const url = new URL(`/api/conversations/${conversationId}/socket`, this.url);
    if (resume)
      url.search = new URLSearchParams({ since: String(resume.since), epoch: resume.token }).toString();
    const protocols = [SUBPROTOCOL, `${BEARER_SUBPROTOCOL_PREFIX}${userId}`];
    return openTextLine({ url, protocols, keepsAlive: true }, connection, '"type":"synced"');
  }

  async countStored(conversationIds: string[]): Promise<number> {
    const { rows } = await this.#options.database.client.query<{ n: number }>(
      "select count(*)::int as n from messages where conversation_id = any($1::uuid[])",
      [conversationIds],
    );
    return rows[0]?.n ?? 0;
  }

  async restart(): Promise<void> {
    await this.stop();
    this.#running = await launch(this.#options);
  }

  residentBytes(): Promise<number> {
    return residentBytes("workerd", this.#options.home);
  }

  stop(): Promise<void> {
    return this.#running.kill();
  }
}

function launch({ home, modules, database, port }: OursOptions): Promise<RunningWorkerd> {
  return startWorkerd({
    home,
    ...(port === undefined ? {} : { port }),
    modules,
    objects: SERVICE_OBJECTS,
    variables: {
      ENVIRONMENT: "development",
      DATABASE_URL: database.url,
      NEON_FETCH_ENDPOINT: database.fetchEndpoint,
      COMMANDS_PER_SECOND: "1000000",
      COMMAND_BURST: "1000000",
    },
  });
}

import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { Cleanup, Database } from "../database.ts";
import { residentBytes, startNodeServer } from "../processes.ts";
import type { Connection, Contender, Line } from "./contender.ts";
import { openTextLine } from "./text-line.ts";

const SERVER = fileURLToPath(new URL("./classic-server.ts", import.meta.url));

export interface ClassicOptions {
  database: Database;
  redisUrl: string;
  /** Whether a transaction is one statement, and so one round trip; otherwise begun and committed as usual. */
  isOneStatement: boolean;
}

/** Node `ws`, Redis pub/sub, one Postgres transaction a message: see `classic-server.ts`. */
export async function startClassic(
  { database, redisUrl, isOneStatement }: ClassicOptions,
  cleanup: Cleanup,
): Promise<Contender> {
  const launch = () => startNodeServer(SERVER, { databaseUrl: database.url, redisUrl, isOneStatement });
  let running = await launch();
  cleanup.push(() => running.kill());
  return {
    name: isOneStatement ? "classic-one" : "classic",
    title: `Node ws + Redis + Postgres${isOneStatement ? ", a transaction in one statement" : ""}`,
    // Two servers, or two events on their way through Redis, can overtake each other: its clients must sort.
    isOrdered: false,
    get url() {
      return running.url;
    },
    async createConversation() {
      const id = randomUUID();
      await database.client.query("insert into classic.conversations (id) values ($1)", [id]);
      return id;
    },
    connect(connection: Connection): Promise<Line> {
      const { conversationId, userId, resume } = connection;
      const url = new URL(`/?conversation=${conversationId}&user=${userId}`, running.url);
      if (resume) url.searchParams.set("since", String(resume.since));
      return openTextLine({ url, protocols: [] }, connection, '"type":"synced"');
    },
    async countStored(conversationIds) {
      const { rows } = await database.client.query<{ n: number }>(
        "select count(*)::int as n from classic.messages where conversation_id = any($1::uuid[])",
        [conversationIds],
      );
      return rows[0]?.n ?? 0;
    },
    async restart() {
      await running.kill();
      running = await launch();
    },
    residentBytes: () => residentBytes("node", `"isOneStatement":${isOneStatement}`),
  };
}

import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { transform } from "esbuild";
import { type RunningWorkerd, startWorkerd } from "../../dev/workerd.ts";
import type { Cleanup } from "../database.ts";
import { residentBytes } from "../processes.ts";
import type { Connection, Contender, Line } from "./contender.ts";
import { openTextLine } from "./text-line.ts";

/** The simplest object that would do: see `object-worker.ts`. */
export async function startObject({ home }: { home: string }, cleanup: Cleanup): Promise<Contender> {
  const source = await readFile(new URL("./object-worker.ts", import.meta.url), "utf8");
  const { code } = await transform(source, { loader: "ts", target: "es2024" });
  const launch = (): Promise<RunningWorkerd> =>
    startWorkerd({
      home,
      modules: { "index.js": code },
      objects: { PLAIN: "Plain" },
      variables: {},
    });
  let running = await launch();
  cleanup.push(() => running.kill());
  return {
    name: "object",
    title: "Plain Durable Object",
    isOrdered: true,
    get url() {
      return running.url;
    },
    createConversation: async () => randomUUID(),
    connect(connection: Connection): Promise<Line> {
      const { conversationId, userId } = connection;
      const url = new URL(`/api/conversations/${conversationId}/socket?user=${userId}`, running.url);
      return openTextLine({ url, protocols: [] }, connection, null);
    },
    countStored: async () => null,
    async restart() {
      await running.kill();
      running = await launch();
    },
    residentBytes: () => residentBytes("workerd", home),
  };
}

import { randomUUID } from "node:crypto";
import type { Bench, Findings, Scenario } from "../bench.ts";
import { formatNumber, median } from "../statistics.ts";
import { connectAll } from "../turns.ts";

/** The first to come back to a conversation whose object is in no memory. */
export const coldStart: Scenario = {
  name: "cold-start",
  async run(bench: Bench): Promise<Findings> {
    const messages = bench.isQuick ? 500 : 10_000;
    const rounds = bench.isQuick ? 2 : 11;
    console.log(`\nan evicted object with ${messages} messages`);
    const { ours } = bench;
    const [load] = await connectAll([ours], [{ members: 2, senders: 1 }]);
    if (!load) throw new Error("Nobody connected.");
    await load.sendAll(messages, 64);
    await load.stored();
    const cold: number[] = [];
    const warm: number[] = [];
    const fresh: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      load.cut("everybody");
      await ours.restart();
      // The Worker itself is warm: what is measured is the object.
      await fetch(new URL("/api/health", ours.url));
      const [small] = await connectAll([ours], [{ members: 1, senders: 1 }]);
      small?.cut("everybody");
      cold.push(await load.reconnect());
      load.cut("everybody");
      warm.push(await load.reconnect());
      fresh.push(await timeFresh(bench));
    }
    load.close();
    const row = (title: string, times: number[]): string[] => [
      title,
      `${formatNumber(median(times))} ms`,
      `${formatNumber(Math.max(...times))} ms`,
    ];
    const rows = [
      row(`evicted, ${formatNumber(messages)} messages`, cold),
      row("the same, in memory", warm),
      row("a conversation that was never opened", fresh),
    ];
    for (const each of rows) console.log(`  ${each.join(", ")}`);
    return {
      title: "Cold start",
      text: `workerd is killed and started again, its objects on disk; then both members connect, and each resumes. Time until both have \`synced\`. Loading the Worker itself is not in it, and Postgres is on the same machine. ${rounds} times.`,
      tables: [[["", "median", "longest"], ...rows]],
      charts: [],
      verdicts: [],
    };
  },
};

/** @returns milliseconds until two who are the first ever to come are synced */
async function timeFresh({ ours }: Bench): Promise<number> {
  const users = [randomUUID(), randomUUID()];
  const conversationId = await ours.createConversation(users);
  const from = performance.now();
  const lines = await Promise.all(
    users.map((userId) => ours.connect({ conversationId, userId, onText: () => {} })),
  );
  const elapsedMs = performance.now() - from;
  for (const line of lines) line.close();
  return elapsedMs;
}

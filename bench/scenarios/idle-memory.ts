import { setTimeout as sleep } from "node:timers/promises";
import type { Bench, Findings, Scenario } from "../bench.ts";
import { formatNumber } from "../statistics.ts";
import { connectAll } from "../turns.ts";

const MIB = 1024 * 1024;

/** What a connected participant who says nothing costs. */
export const idleMemory: Scenario = {
  name: "idle-memory",
  async run(bench: Bench): Promise<Findings> {
    const conversations = bench.isQuick ? 4 : 100;
    const members = 20;
    const sockets = conversations * members;
    // Longer than the ten seconds after which an object hibernates.
    const idleMs = bench.isQuick ? 500 : 15_000;
    console.log(`\n${sockets} idle sockets in conversations of ${members}`);
    const rows: string[][] = [];
    for (const contender of bench.contenders) {
      await contender.restart();
      // One conversation, so that what a first connection loads is not counted.
      const [first] = await connectAll([contender], [{ members: 2, senders: 1 }]);
      await first?.sendAll(20, 1);
      await sleep(idleMs / 5);
      const before = await contender.residentBytes();
      const groups = Array.from({ length: conversations }, () => ({ members, senders: 0 }));
      const [load] = await connectAll([contender], groups);
      const connected = await contender.residentBytes();
      await sleep(idleMs);
      const idle = await contender.residentBytes();
      load?.close();
      first?.close();
      const row = [
        contender.title,
        `${formatNumber(before / MIB)} MiB`,
        `${formatNumber(connected / MIB)} MiB`,
        `${formatNumber(idle / MIB)} MiB`,
        `${formatNumber((idle - before) / sockets / 1024)} KiB`,
      ];
      console.log(`  ${row.join(", ")}`);
      rows.push(row);
    }
    return {
      title: "Memory of idle sockets",
      text: `Resident memory of a fresh server, of one with ${formatNumber(sockets)} sockets more in ${conversations} conversations of ${members}, and of that one ${idleMs / 1000} s later, when objects hibernate. Garbage of the connecting is in it. Databases are not.`,
      tables: [[["", "before", `${formatNumber(sockets)} connected`, "idle", "each idle socket"], ...rows]],
      charts: [],
      verdicts: [],
    };
  },
};

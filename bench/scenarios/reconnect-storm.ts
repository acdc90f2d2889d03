import type { Bench, Findings, Scenario, Verdict } from "../bench.ts";
import type { ContenderName } from "../contenders/contender.ts";
import { formatNumber, median } from "../statistics.ts";
import { connectAll } from "../turns.ts";

const TARGET_SECONDS = 3;

/** A server dies with a thousand clients, who all come back at once and have missed a hundred messages each. */
export const reconnectStorm: Scenario = {
  name: "reconnect-storm",
  async run(bench: Bench): Promise<Findings> {
    const members = bench.isQuick ? 50 : 1_000;
    const missed = bench.isQuick ? 20 : 100;
    const rounds = bench.isQuick ? 1 : 3;
    console.log(`\n${members} clients come back at once, each missing ${missed} messages`);
    // The plain object has nothing to resume from.
    const contenders = bench.contenders.filter(({ name }) => name !== "object");
    const elapsed = new Map<ContenderName, number[]>();
    for (const contender of contenders) {
      const [load] = await connectAll([contender], [{ members, senders: 1 }]);
      if (!load) continue;
      for (let round = 0; round < rounds; round += 1) {
        await load.sendAll(10, 1);
        load.cut("listeners");
        await load.sendAll(missed, 16);
        await load.stored();
        load.cut("everybody");
        await contender.restart();
        const elapsedMs = await load.reconnect();
        console.log(`  ${contender.name.padEnd(9)} ${formatNumber(elapsedMs)} ms`);
        elapsed.set(contender.name, [...(elapsed.get(contender.name) ?? []), elapsedMs]);
      }
      load.close();
    }
    const seconds = (name: ContenderName): number => median(elapsed.get(name) ?? []) / 1000;
    const verdict: Verdict = {
      target: `1,000 clients back at once, each missing 100 messages, have everything within ${TARGET_SECONDS} s:`,
      measured: `${formatNumber(seconds("ours"))} s`,
      isMet: seconds("ours") <= TARGET_SECONDS,
    };
    return {
      title: "Reconnect storm",
      text: `${formatNumber(members)} clients of one conversation lose their connections and miss ${missed} messages; the server is killed and started again, and when it listens they all connect at once, with no pause between them. Until the last one has everything, each message once${bench.isQuick ? "" : ", in order where that is promised"}. Median of ${rounds}. The service also tells each of them who takes part.`,
      tables: [
        [
          ["", "all have everything after"],
          ...contenders.map(({ name, title }) => [title, `${formatNumber(seconds(name))} s`]),
        ],
      ],
      charts: [],
      verdicts: [verdict],
    };
  },
};

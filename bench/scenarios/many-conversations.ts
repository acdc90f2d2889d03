import { setTimeout as sleep } from "node:timers/promises";
import type { Bench, Findings, Scenario } from "../bench.ts";
import type { Load } from "../load.ts";
import { formatNumber, Histogram, median } from "../statistics.ts";
import { acksPerSecond, connectAll, eventsPerSecond, takeTurns, valuesOf } from "../turns.ts";

/** Many small conversations at once, and how far Postgres is behind them. */
export const manyConversations: Scenario = {
  name: "many-conversations",
  async run(bench: Bench): Promise<Findings> {
    const conversations = bench.isQuick ? 20 : 200;
    const members = 5;
    const perSecond = bench.isQuick ? 40 : 200;
    const seconds = bench.isQuick ? 1 : 6;
    const rounds = bench.isQuick ? 1 : Math.min(2, bench.rounds);
    const groups = Array.from({ length: conversations }, () => ({ members, senders: 1 }));
    console.log(`\n${conversations} conversations of ${members}, one of each sending`);
    const loads = await connectAll(bench.contenders, groups);

    console.log(`  ${perSecond} messages a second in all`);
    const lags = new Map<string, Histogram>();
    const offered = await takeTurns({ ...bench, rounds }, loads, async (load) => {
      const lag = lags.get(load.contender.name) ?? new Histogram();
      lags.set(load.contender.name, lag);
      const stopWatching = watchLag(load, lag);
      const round = await load.openLoop({ perSecond, seconds });
      await stopWatching();
      return round;
    });
    console.log("  saturated");
    const saturated = await takeTurns({ ...bench, rounds }, loads, (load) =>
      load.closedLoop({ inFlight: 1, seconds: seconds / 2, warmupSeconds: bench.isQuick ? 0.2 : 1 }),
    );
    for (const load of loads) load.close();

    return {
      title: `${conversations} conversations of ${members} at once`,
      text: `One member of each sends: first ${formatNumber(perSecond)} messages a second in all, in an open loop, then saturated, each with one message in flight. The lag is how long ago Postgres' newest state was the conversations', sampled every 50 ms; the other two write to Postgres before they answer, so that theirs is only the sampling.`,
      tables: [
        [
          [
            "",
            `ack p50 / p99 at ${formatNumber(perSecond)}/s, ms`,
            "lag of Postgres p50 / p99, ms",
            "saturated acks/s",
            "saturated events/s",
          ],
          ...bench.contenders.map(({ name, title }) => {
            const ack = new Histogram();
            for (const round of offered.get(name) ?? []) ack.add(round.ack);
            const lag = lags.get(name);
            return [
              title,
              `${formatNumber(ack.quantile(0.5))} / ${formatNumber(ack.quantile(0.99))}`,
              lag && lag.count > 0
                ? `${formatNumber(lag.quantile(0.5))} / ${formatNumber(lag.quantile(0.99))}`
                : "not in Postgres",
              formatNumber(median(valuesOf(saturated, name, acksPerSecond))),
              formatNumber(median(valuesOf(saturated, name, eventsPerSecond))),
            ];
          }),
        ],
      ],
      charts: [],
      verdicts: [],
    };
  },
};

/** Records until it is stopped how many milliseconds Postgres is behind what was acknowledged. */
function watchLag(load: Load, lag: Histogram): () => Promise<void> {
  let isWatching = true;
  const history: Array<{ at: number; acks: number }> = [];
  const watching = (async () => {
    while (isWatching) {
      history.push({ at: performance.now(), acks: load.acks });
      const stored = await load.contender.countStored(load.conversationIds);
      if (stored === null) return;
      // The last moment at which no more was acknowledged than is stored now.
      while ((history[1]?.acks ?? Number.POSITIVE_INFINITY) <= stored) history.shift();
      const now = performance.now();
      if (load.acks > 0) lag.record(load.acks <= stored ? 0 : now - (history[0]?.at ?? now));
      await sleep(50);
    }
  })();
  return () => {
    isWatching = false;
    return watching;
  };
}

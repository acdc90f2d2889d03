import { type Bench, type Chart, type Findings, ratioVerdict, type Scenario } from "../bench.ts";
import type { Round } from "../load.ts";
import { formatNumber, median } from "../statistics.ts";
import {
  acksPerSecond,
  comparison,
  connectAll,
  eventsPerSecond,
  type Rounds,
  ratioOf,
  takeTurns,
  valuesOf,
} from "../turns.ts";

/** Everybody may send in the small ones; a hundred of a thousand do. */
const MAX_SENDERS = 100;

/** Saturated conversations of growing size: every sender's next message leaves when its own event arrives. */
export const fanOut: Scenario = {
  name: "fan-out",
  async run(bench: Bench): Promise<Findings> {
    const sizes = bench.isQuick ? [5, 20, 60] : [10, 100, 1_000];
    const results: Array<{ size: number; rounds: Rounds<Round> }> = [];
    for (const size of sizes) {
      const senders = Math.min(size, bench.isQuick ? 20 : MAX_SENDERS);
      console.log(`\n${size} members, ${senders} sending, each one message in flight`);
      const loads = await connectAll(bench.contenders, [{ members: size, senders }]);
      const options = bench.isQuick
        ? { inFlight: 1, seconds: 0.7, warmupSeconds: 0.2 }
        : // In the largest, a message of the slower ones takes a second or two.
          { inFlight: 1, seconds: size < 1_000 ? 2 : 4, warmupSeconds: size < 1_000 ? 0.7 : 2 };
      results.push({ size, rounds: await takeTurns(bench, loads, (load) => load.closedLoop(options)) });
      for (const load of loads) load.close();
    }

    const ratios = results.map(({ rounds }) => ({
      delivered: ratioOf(rounds, "classic", eventsPerSecond),
      acks: ratioOf(rounds, "classic", acksPerSecond),
    }));
    return {
      title: "Saturated fan-out and durable ingest",
      text: `In a conversation of ${sizes.map(formatNumber).join(", ")} members, ${sizes.map((size) => Math.min(size, MAX_SENDERS)).join(", ")} of them send in a closed loop: the next message when the own event has arrived. Medians of ${bench.rounds} rounds.`,
      tables: [
        [
          ["events delivered/s", ...sizes.map((size) => `${formatNumber(size)} members`)],
          ...bench.contenders.map(({ name, title }) => [
            title,
            ...results.map(({ rounds }) => formatNumber(median(valuesOf(rounds, name, eventsPerSecond)))),
          ]),
          ...comparison(ratios.map(({ delivered }) => delivered)),
        ],
        [
          ["durable acks/s", ...sizes.map((size) => `${formatNumber(size)} members`)],
          ...bench.contenders.map(({ name, title }) => [
            title,
            ...results.map(({ rounds }) => formatNumber(median(valuesOf(rounds, name, acksPerSecond)))),
          ]),
          ...comparison(ratios.map(({ acks }) => acks)),
        ],
      ],
      charts: [chartOf(bench, results)],
      verdicts: [
        ...ratioVerdict(
          "Events delivered to 1,000 members, 100 sending, by the classic stack's:",
          ratios[2]?.delivered ?? Number.NaN,
          { atLeast: 10 },
        ),
        ...ratioVerdict(
          "Durable acks with 100 members, all sending, by the classic stack's:",
          ratios[1]?.acks ?? Number.NaN,
          { atLeast: 12 },
        ),
      ],
    };
  },
};

function chartOf(bench: Bench, results: Array<{ size: number; rounds: Rounds<Round> }>): Chart {
  return {
    file: "fan-out",
    title: "Events delivered per second, saturated",
    kind: "bars",
    labels: results.map(({ size }) => `${formatNumber(size)} members`),
    labelTitle: "",
    unit: "events/s",
    isLogarithmic: true,
    series: bench.contenders.map(({ name, title }) => ({
      title,
      values: results.map(({ rounds }) => median(valuesOf(rounds, name, eventsPerSecond))),
    })),
  };
}

import type { Bench, Chart, Findings, Scenario } from "../bench.ts";
import type { ContenderName } from "../contenders/contender.ts";
import { formatNumber, Histogram } from "../statistics.ts";
import { closeLeftBehind, connectAll, takeTurns } from "../turns.ts";

interface Latencies {
  ack: Histogram;
  delivery: Histogram;
  lateness: Histogram;
}

/** How long a message takes when the server is not saturated, and where each server begins to be. */
export const offeredRates: Scenario = {
  name: "offered-rates",
  async run(bench: Bench): Promise<Findings> {
    const members = 20;
    const rates = bench.isQuick ? [50, 200] : [20, 100, 400, 1_200];
    const rounds = bench.isQuick ? 1 : Math.min(2, bench.rounds);
    const seconds = bench.isQuick ? 0.7 : 4;
    let loads = await connectAll(bench.contenders, [{ members, senders: members }]);
    const results: Array<Map<ContenderName, Latencies>> = [];
    for (const perSecond of rates) {
      console.log(`\n${members} members, all sending, ${perSecond} messages a second in all`);
      const taken = await takeTurns({ ...bench, rounds }, loads, (load) =>
        load.openLoop({ perSecond, seconds }),
      );
      const merged = new Map<ContenderName, Latencies>();
      for (const [name, each] of taken) {
        const all = { ack: new Histogram(), delivery: new Histogram(), lateness: new Histogram() };
        for (const round of each) {
          all.ack.add(round.ack);
          all.delivery.add(round.delivery);
          all.lateness.add(round.lateness);
        }
        merged.set(name, all);
      }
      results.push(merged);
      loads = closeLeftBehind(loads, taken, perSecond * members);
    }
    for (const load of loads) load.close();

    const cell = (histogram: Histogram | undefined): string =>
      histogram
        ? [0.5, 0.99, 0.999].map((share) => formatNumber(histogram.quantile(share))).join(" / ")
        : "–";
    const table = (head: string, which: keyof Latencies): string[][] => [
      [head, ...rates.map((rate) => `${formatNumber(rate)}/s`)],
      ...bench.contenders.map(({ name, title }) => [
        title,
        ...results.map((result) => cell(result.get(name)?.[which])),
      ]),
    ];
    const lateness = new Histogram();
    for (const result of results) for (const each of result.values()) lateness.add(each.lateness);
    return {
      title: "Latency at offered rates",
      text: `${members} members send in turn at a fixed rate, in an open loop: times count from the moment a message was due, so that a server that stalls is not spared what was due meanwhile. The generator itself was late by ${formatNumber(lateness.quantile(0.5))} ms in the median and ${formatNumber(lateness.quantile(0.99))} ms at p99, which is part of every time. p50 / p99 / p99.9 in ms. Whoever delivered less than three fifths of what was offered was not offered more.`,
      tables: [table("to the own event, at", "ack"), table("to each member, at", "delivery")],
      charts: [chartOf(bench, rates, results)],
      verdicts: [],
    };
  },
};

function chartOf(bench: Bench, rates: number[], results: Array<Map<ContenderName, Latencies>>): Chart {
  return {
    file: "offered-rates",
    title: "p99 from due to delivered, 20 members",
    kind: "lines",
    labels: rates.map(formatNumber),
    labelTitle: "messages offered per second",
    unit: "ms",
    isLogarithmic: true,
    series: bench.contenders.map(({ name, title }) => ({
      title,
      values: results.map((result) => result.get(name)?.delivery.quantile(0.99) ?? Number.NaN),
    })),
  };
}

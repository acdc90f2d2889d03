import { type Bench, type Findings, ratioVerdict, type Scenario } from "../bench.ts";
import type { ContenderName } from "../contenders/contender.ts";
import type { Round } from "../load.ts";
import { formatNumber, median } from "../statistics.ts";
import {
  closeLeftBehind,
  comparison,
  connectAll,
  eventsPerSecond,
  type Rounds,
  ratioOf,
  takeTurns,
  valuesOf,
} from "../turns.ts";

const deliveryMs =
  (share: number) =>
  ({ delivery }: Round): number =>
    delivery.quantile(share);
const eventsPerFrame = ({ delivered, frames }: Round): number => delivered / frames;

/** An announcement: one of a thousand members speaks at a steady rate, whatever comes back. */
export const oneSender: Scenario = {
  name: "one-sender",
  async run(bench: Bench): Promise<Findings> {
    const members = bench.isQuick ? 60 : 1_000;
    const rates = bench.isQuick ? [50, 100] : [10, 25, 50, 100, 200];
    const rounds = bench.isQuick ? 1 : Math.min(2, bench.rounds);
    const options = bench.isQuick ? { seconds: 0.7, warmupSeconds: 0.2 } : { seconds: 4, warmupSeconds: 1 };
    let loads = await connectAll(bench.contenders, [{ members, senders: 1 }]);
    const results: Array<Rounds<Round>> = [];
    for (const perSecond of rates) {
      console.log(`\n${members} members, one sending ${perSecond} messages a second`);
      const result = await takeTurns({ ...bench, rounds }, loads, (load) =>
        load.openLoop({ perSecond, ...options }),
      );
      results.push(result);
      loads = closeLeftBehind(loads, result, perSecond * members);
    }
    for (const load of loads) load.close();

    const ratios = results.map((result) => ratioOf(result, "classic", eventsPerSecond));
    const table = (head: string, measure: (round: Round) => number): string[][] => [
      [head, ...rates.map((rate) => `${rate}/s`)],
      ...bench.contenders.map(({ name, title }) => [
        title,
        ...results.map((result) => formatNumber(median(valuesOf(result, name, measure)))),
      ]),
    ];
    const values = (name: ContenderName) =>
      results.map((result) => median(valuesOf(result, name, eventsPerSecond)));
    const total = (name: ContenderName) => values(name).reduce((sum, value) => sum + value, 0);
    return {
      title: `One of ${formatNumber(members)} members sends`,
      text: "At a steady offered rate, in an open loop. A frame costs the runtime the same whatever is in it; where frames cannot keep up with the messages, the service puts several messages in one. Whoever delivered less than three fifths of what was offered was not offered more. Where both keep up they deliver the same, within a message at either end of the time.",
      tables: [
        [...table("events delivered/s at an offered", eventsPerSecond), ...comparison(ratios)],
        table("delivery p50 in ms at an offered", deliveryMs(0.5)),
        table("delivery p99 in ms at an offered", deliveryMs(0.99)),
        table("events a frame at an offered", eventsPerFrame),
      ],
      charts: [
        {
          file: "one-sender",
          title: `Events delivered per second, one of ${formatNumber(members)} sending`,
          kind: "lines",
          labels: rates.map(String),
          labelTitle: "messages offered per second",
          unit: "events/s",
          isLogarithmic: false,
          series: bench.contenders.map(({ name, title }) => ({ title, values: values(name) })),
        },
      ],
      verdicts: ratioVerdict(
        "Events delivered to 1,000 members, one sending at a steady rate, all rates together, by the classic stack's:",
        total("ours") / total("classic"),
        { atLeast: 1 },
      ),
    };
  },
};

import { type Bench, type Findings, ratioVerdict, type Scenario } from "../bench.ts";
import type { ContenderName } from "../contenders/contender.ts";
import type { Round } from "../load.ts";
import { formatNumber, median } from "../statistics.ts";
import {
  acksPerSecond,
  comparison,
  connectAll,
  type Rounds,
  ratioOf,
  takeTurns,
  valuesOf,
} from "../turns.ts";

const ackMedianMs = ({ ack }: Round): number => ack.quantile(0.5);
const ackP99Ms = ({ ack }: Round): number => ack.quantile(0.99);

/** Two members, one sender: what sharing a commit must not cost, and what it gives to one who sends much. */
export const pair: Scenario = {
  name: "pair",
  async run(bench: Bench): Promise<Findings> {
    // The classic stack at its best, where a single message counts most.
    const contenders = [...bench.contenders, ...bench.classicInOneStatement];
    const measure = async (inFlight: number): Promise<Rounds<Round>> => {
      console.log(`\n2 members, one sending, ${inFlight} in flight`);
      const loads = await connectAll(contenders, [{ members: 2, senders: 1 }]);
      const options = bench.isQuick
        ? { inFlight, seconds: 0.7, warmupSeconds: 0.2 }
        : { inFlight, seconds: 2, warmupSeconds: 0.7 };
      const rounds = await takeTurns(bench, loads, (load) => load.closedLoop(options));
      for (const load of loads) load.close();
      return rounds;
    };
    const alone = await measure(1);
    const ingest = await measure(64);
    const ratios = {
      ack: ratioOf(alone, "classic", ackMedianMs),
      acks: ratioOf(ingest, "classic", acksPerSecond),
    };
    const cell = (rounds: Rounds<Round>, name: ContenderName, measured: (round: Round) => number) =>
      formatNumber(median(valuesOf(rounds, name, measured)));
    return {
      title: "Two members",
      text: "One of two members sends: one message in flight, which shows the time of one message, then 64, which shows how many one conversation can make durable.",
      tables: [
        [
          ["", "ack median, 1 in flight", "ack p99, 1 in flight", "durable acks/s, 64 in flight"],
          ...contenders.map(({ name, title }) => [
            title,
            `${cell(alone, name, ackMedianMs)} ms`,
            `${cell(alone, name, ackP99Ms)} ms`,
            cell(ingest, name, acksPerSecond),
          ]),
          ...comparison([ratios.ack, Number.NaN, ratios.acks]),
        ],
      ],
      charts: [],
      verdicts: [
        ...ratioVerdict("Median ack with 2 members, one in flight, by the classic stack's:", ratios.ack, {
          atMost: 0.5,
        }),
        ...ratioVerdict("Durable acks with 2 members, 64 in flight, by the classic stack's:", ratios.acks, {
          atLeast: 2,
        }),
      ],
    };
  },
};

import { expect, test } from "vitest";
import { expectSound, keepHistory, SEED } from "./ci.ts";
import { runFaults } from "./run.ts";

const ROUNDS = Number(process.env.FAULT_ROUNDS ?? 38);
const MIN_KILLS = 30;
/** One of the conversations is deleted on the way, and is not judged to its end: more than 50,000 are. */
const MIN_SENDS = 58_000;

test(`M1 M3 M4 D1 D3 D6: I1 to I15 hold in ${ROUNDS} rounds of two to five faults at once, each with a kill or a deploy (seed ${SEED})`, {
  timeout: 900_000,
}, async () => {
  await keepHistory("real", async (historyFile) => {
    const { verdict, counts } = await runFaults({
      seed: SEED,
      rounds: ROUNDS,
      minSends: MIN_SENDS,
      historyFile,
      print: console.log,
    });
    console.log(JSON.stringify({ ...counts, judged: verdict.counts }));
    expectSound(verdict);
    expect(verdict.counts.acknowledged).toBeGreaterThanOrEqual(MIN_SENDS);
    expect(counts.kills).toBeGreaterThanOrEqual(MIN_KILLS);
  });
});

test(`M1 M4 D6: I1 to I15 hold under kills of every process of \`npm run dev\`, with a broken network (seed ${SEED})`, {
  timeout: 600_000,
}, async () => {
  await keepHistory("dev", async (historyFile) => {
    const { verdict } = await runFaults({
      seed: SEED,
      rounds: 3,
      historyFile,
      runs: "dev",
      print: console.log,
    });
    expectSound(verdict);
  });
});

import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { check } from "../checker/check.ts";
import { explore } from "./explore.ts";
import type { Lies } from "./object.ts";
import { drawPlan } from "./plan.ts";
import { REGRESSIONS } from "./regressions.ts";
import { runPlan } from "./run.ts";
import { shrink } from "./shrink.ts";

const SCHEDULES = Number(process.env.SIMULATION_SCHEDULES ?? 20_000);
const FIRST = Number(process.env.SIMULATION_SEED ?? 1);

test(`I1 to I15 hold in ${SCHEDULES} simulated schedules from seed ${FIRST}`, {
  timeout: 1_800_000,
}, async () => {
  const sum = await explore({ from: FIRST, count: SCHEDULES });
  const failures = sum.failures.map(
    ({ seed, violations }) =>
      `npm run prove -- --replay ${seed}   ${violations[0]?.invariant} ${violations[0]?.message}`,
  );
  expect(failures).toEqual([]);
  expect(sum.voids.length).toBeLessThan(SCHEDULES / 100);
  console.log(sum.faultsByName);
});

test.each(REGRESSIONS)("never again: $found", async ({ plan }) => {
  const { violations, isVoid } = check(await runPlan(plan));
  expect(violations).toEqual([]);
  expect(isVoid).toEqual([]);
});

test("a seed gives the same history every time", async () => {
  for (const seed of [1, 7, 4_711]) {
    const digests = [];
    for (let n = 0; n < 2; n += 1) {
      const history = await runPlan(drawPlan(seed));
      digests.push(createHash("sha256").update(JSON.stringify(history)).digest("hex"));
    }
    expect(digests[0]).toBe(digests[1]);
  }
});

/** Seeds in which a lying platform was caught, and as what. */
async function caught(lies: Lies, seeds: number): Promise<string[]> {
  const invariants = new Set<string>();
  for (let seed = 1; seed <= seeds; seed += 1) {
    for (const { invariant } of check(await runPlan(drawPlan(seed), lies)).violations)
      invariants.add(invariant);
  }
  return [...invariants];
}

test("a platform that lets replies out before they are durable is caught", async () => {
  expect(await caught({ isHasty: true }, 300)).toEqual(expect.arrayContaining(["I1", "I12"]));
});

test("a platform that loses what it called durable is caught", async () => {
  expect(await caught({ isForgetful: true }, 300)).toEqual(expect.arrayContaining(["I1", "I12"]));
});

test("a failing schedule shrinks to the steps it needs", async () => {
  const lies = { isForgetful: true };
  const breaks = async (plan: Parameters<typeof runPlan>[0]): Promise<boolean> =>
    check(await runPlan(plan, lies)).violations.some(({ invariant }) => invariant === "I12");
  let seed = 1;
  while (!(await breaks(drawPlan(seed)))) seed += 1;
  const plan = drawPlan(seed);
  const smallest = await shrink(plan, breaks);
  expect(smallest.steps.length).toBeLessThan(plan.steps.length);
  expect(smallest.steps.some((step) => step.do.startsWith("crash"))).toBe(true);
  expect(await breaks(smallest)).toBe(true);
});

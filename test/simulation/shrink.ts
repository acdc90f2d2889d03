import type { Plan } from "./plan.ts";

/**
 * Takes away whatever a failure does not need, in ever smaller parts, as delta debugging does (Zeller and Hildebrandt,
 * "Simplifying and Isolating Failure-Inducing Input", 2002).
 *
 * @param fails whether a plan still fails in the same way
 * @returns a plan of which no single step can be left out
 */
export async function shrink(plan: Plan, fails: (candidate: Plan) => Promise<boolean>): Promise<Plan> {
  let smallest = plan;
  for (let size = Math.ceil(plan.steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < smallest.steps.length; ) {
      const steps = smallest.steps.toSpliced(from, size);
      const candidate = { ...smallest, steps };
      if (await fails(candidate)) smallest = candidate;
      else from += size;
    }
  }
  return smallest;
}

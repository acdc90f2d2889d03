import { expect, test } from "vitest";
import { keepHistory, SEED } from "./ci.ts";
import { runFaults } from "./run.ts";

/** Defects put into the built service, and an invariant that each must break. */
const MUTANTS = [
  {
    name: "acknowledges before it has written",
    invariant: "I12",
    find: /if \(log\.append\((\w+)\)\) \{/,
    replace: "if (setTimeout(() => log.append($1), 300)) {",
  },
  {
    name: "leaves out a message now and then when it drains",
    invariant: "I1",
    find: /target\.write\(\{ messages: (\w+), seq: next\.seq, ([^}]+)\}\)/,
    replace:
      "target.write({ messages: $1.filter(({ message }) => message.id % 53 !== 0), seq: next.seq, $2})",
  },
] as const;

for (const { name, invariant, find, replace } of MUTANTS) {
  test(`a service that ${name} is found out by ${invariant} (seed ${SEED})`, {
    timeout: 120_000,
  }, async () => {
    await keepHistory("mutant", async (historyFile) => {
      const { verdict } = await runFaults({
        seed: SEED,
        rounds: 2,
        historyFile,
        quietLimitMs: 3_000,
        rewrite: (bundle) => {
          expect(bundle.match(find)).not.toBeNull();
          return bundle.replace(find, replace);
        },
      });
      expect(verdict.violations.map((violation) => violation.invariant)).toContain(invariant);
    });
  });
}

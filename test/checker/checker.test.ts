import { isDeepStrictEqual } from "node:util";
import { describe, expect, test } from "vitest";
import { check, type Invariant } from "./check.ts";
import { Specimen } from "./damage.ts";
import { exampleHistory } from "./example.ts";
import type { Entry } from "./history.ts";
import { randomOf } from "./random.ts";
import { SEEDED_BUGS } from "./seeded-bugs.ts";

const SOUND_SEEDS = 300;
/** Each bug is tried in the histories of these seeds until it did its damage in so many. */
const BUG_SEEDS = 150;
const DAMAGED = 5;

const histories = new Map<number, Entry[]>();

function historyOf(seed: number): Entry[] {
  const known = histories.get(seed) ?? exampleHistory(seed);
  histories.set(seed, known);
  return known;
}

test(`${SOUND_SEEDS} right histories are found right, and none of them void`, () => {
  for (let seed = 1; seed <= SOUND_SEEDS; seed += 1) {
    const { violations, isVoid } = check(historyOf(seed));
    expect({ seed, violations, isVoid }).toEqual({ seed, violations: [], isVoid: [] });
  }
});

test("right histories hold everything there is to look at", () => {
  const found = new Set<string>();
  for (let seed = 1; seed <= 20; seed += 1) {
    for (const entry of historyOf(seed)) {
      if (entry.kind === "operation") found.add(`${entry.op} ${entry.phase}`);
      else if (entry.kind === "seen") found.add(`seen ${entry.at} ${entry.via}`);
      else found.add(entry.kind);
      if (entry.kind === "count") found.add(`count ${entry.via}`);
      if (entry.kind === "listed" && !entry.shown) found.add("not listed");
      if (entry.kind === "seen" && entry.hash === null) found.add("seen deleted");
      if (entry.kind === "postgres" && entry.poison.length > 0) found.add("poison");
      if (entry.kind === "log" && entry.floor > 1) found.add("floor");
      if (entry.kind === "held" && !entry.live) found.add("not live");
      if (entry.kind === "fresh" && !entry.found) found.add("outsider");
    }
  }
  const operations = ["send", "edit", "delete", "read", "add", "remove", "rename"];
  const states = ["server live", "server replay", "client live", "client replay"];
  const elsewhere = ["rest", "search", "inbox", "push"].map((via) => `client ${via}`);
  expect([...found]).toEqual(
    expect.arrayContaining([
      ...operations.flatMap((op) => [`${op} invoke`, `${op} ok`, `${op} info`]),
      ...["send fail", "remove fail", "end ok"],
      ...[...states, ...elsewhere].map((state) => `seen ${state}`),
      ...["seen deleted", "poison", "floor", "not live", "outsider"],
      ...["run", "shown", "announced", "position", "count", "fault", "crash", "quiet", "log", "postgres"],
      ...["held", "fresh", "listed", "not listed", "count ready", "count rest", "count inbox"],
    ]),
  );
});

describe("seeded bugs", () => {
  test("there are enough of them, of each invariant", () => {
    const byInvariant = new Map<Invariant, number>();
    for (const { violates } of SEEDED_BUGS) byInvariant.set(violates, (byInvariant.get(violates) ?? 0) + 1);
    expect(SEEDED_BUGS.length).toBeGreaterThanOrEqual(45);
    expect(new Set(SEEDED_BUGS.map(({ name }) => name)).size).toBe(SEEDED_BUGS.length);
    for (let number = 1; number <= 15; number += 1)
      expect(byInvariant.get(`I${number}` as Invariant) ?? 0, `I${number}`).toBeGreaterThanOrEqual(2);
  });

  test.each(SEEDED_BUGS)("$violates: $name", (bug) => {
    let damaged = 0;
    for (let seed = 1; seed <= BUG_SEEDS && damaged < DAMAGED; seed += 1) {
      const history = historyOf(seed);
      const specimen = new Specimen(history, randomOf(seed + 1_000));
      if (!bug.damage(specimen)) continue;
      damaged += 1;
      expect(isDeepStrictEqual(specimen.entries, history), `seed ${seed} is damaged`).toBe(false);
      const { violations, isVoid } = check(specimen.entries);
      const found = new Set(violations.map(({ invariant }) => invariant));
      expect([...found], `seed ${seed}`).toContain(bug.violates);
      expect(isVoid, `seed ${seed}`).toEqual([]);
    }
    expect(damaged).toBe(DAMAGED);
  });
});

describe("a run is void", () => {
  const cases: Array<{ name: string; reason: RegExp; spoil: (specimen: Specimen) => void }> = [
    {
      name: "when nothing was sent",
      reason: /Nothing was sent/,
      spoil: (specimen) => {
        for (const entry of specimen.all("operation", ({ op }) => op === "send")) specimen.remove(entry);
      },
    },
    {
      name: "when most sends were not acknowledged",
      reason: /Only \d+ of \d+ sends/,
      spoil: (specimen) => {
        for (const { end } of specimen.operations("send").slice(5)) end.phase = "info";
      },
    },
    {
      name: "when a fault never happened",
      reason: /The fault flood never happened/,
      spoil: (specimen) => specimen.all("run")[0]?.faults.push("flood"),
    },
    {
      name: "when nothing overlapped",
      reason: /overlapped/,
      spoil: (specimen) => {
        for (const entry of specimen.all("operation")) entry.client = "ann.1";
      },
    },
    {
      name: "when it never came to an end",
      reason: /quiet/,
      spoil: (specimen) => specimen.remove(specimen.quiet),
    },
    {
      name: "when a log was not looked at in the end",
      reason: /c1 .*no log/,
      spoil: (specimen) => specimen.remove(specimen.log("c1")),
    },
    {
      name: "when Postgres was not looked at",
      reason: /c1 .*no rows of Postgres/,
      spoil: (specimen) => specimen.remove(specimen.postgres("c1")),
    },
    {
      name: "when no client was looked at",
      reason: /c1 .*no client/,
      spoil: (specimen) => {
        for (const entry of specimen.all("held", ({ conversation }) => conversation === "c1"))
          specimen.remove(entry);
      },
    },
    {
      name: "when nobody read it anew",
      reason: /c1 .*no fresh read/,
      spoil: (specimen) => {
        for (const entry of specimen.all("fresh", ({ conversation }) => conversation === "c1"))
          specimen.remove(entry);
      },
    },
    {
      name: "when it does not say which run it is",
      reason: /which run/,
      spoil: (specimen) => {
        for (const entry of specimen.all("run")) specimen.remove(entry);
      },
    },
    {
      name: "when it is out of order",
      reason: /out of order/,
      spoil: (specimen) => {
        const [first, second] = specimen.all("operation");
        if (first && second) [first.t, second.t] = [second.t, first.t];
      },
    },
    {
      name: "when an operation ends twice",
      reason: /ends without having begun, or twice/,
      spoil: (specimen) => {
        const end = specimen.one("operation", ({ phase }) => phase === "ok");
        if (end) specimen.insert(end, end.t);
      },
    },
    {
      name: "when an operation begins twice",
      reason: /begins twice/,
      spoil: (specimen) => {
        const [invoke] = specimen.all("operation", ({ phase }) => phase === "invoke");
        if (invoke) specimen.insert(invoke, invoke.t);
      },
    },
    {
      name: "when it is quiet twice",
      reason: /quiet more than once/,
      spoil: (specimen) => void specimen.insert(specimen.quiet, specimen.quiet.t),
    },
    {
      name: "when it holds two runs",
      reason: /more than one run/,
      spoil: (specimen) => void specimen.entries.unshift(...specimen.all("run")),
    },
  ];

  test.each(cases)("$name", ({ reason, spoil }) => {
    for (const seed of [1, 2, 3]) {
      const specimen = new Specimen(historyOf(seed), randomOf(seed));
      spoil(specimen);
      expect(check(specimen.entries).isVoid).toEqual([expect.stringMatching(reason)]);
    }
  });
});

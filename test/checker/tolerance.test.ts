import { describe, expect, test } from "vitest";
import { check } from "./check.ts";
import type { Entry, OperationEntry, Row } from "./history.ts";

/*
 * Where operations overlap or nobody knows how they ended, several outcomes are right; where one ended before another
 * began, only one is. Each case is both.
 */

type Unplaced = Entry extends infer E ? (E extends { t: number } ? Omit<E, "t"> : never) : never;

/** A history of one conversation of ann's and bo's, written by hand. */
class Story {
  readonly entries: Entry[] = [
    { kind: "run", run: "story", layer: "simulation", commit: "", seed: 0, faults: [] },
  ];
  #t = 0;

  write(entry: Unplaced): number {
    this.#t += 1;
    this.entries.push({ ...entry, t: this.#t } as Entry);
    return this.#t;
  }

  get now(): number {
    return this.#t;
  }

  asks(user: string, operation: string, op: OperationEntry["op"], rest: Partial<OperationEntry> = {}): void {
    this.write({ kind: "operation", phase: "invoke", op, operation, ...place(user), ...rest });
  }

  ends(operation: string, phase: "ok" | "fail" | "info", known: Partial<OperationEntry> = {}): void {
    const invoke = this.entries.find(
      (entry): entry is OperationEntry => entry.kind === "operation" && entry.operation === operation,
    );
    if (!invoke) throw new Error(`Nobody asked for ${operation}.`);
    this.write({ ...invoke, ...known, phase });
  }

  does(user: string, operation: string, op: OperationEntry["op"], rest: Partial<OperationEntry> = {}): void {
    const { seq, ...asked } = rest;
    this.asks(user, operation, op, asked);
    this.ends(operation, "ok", seq === undefined ? {} : { seq });
  }

  /** ann sends her first message. */
  begins(): void {
    this.asks("ann", "first", "send", { temp_id: "first", hash: "A" });
    this.ends("first", "ok", { id: 1, seq: 1 });
  }

  sees(user: string, row: Row, at: "server" | "client", asked: number): void {
    this.write({
      kind: "seen",
      at,
      asked,
      via: at === "server" ? "live" : "rest",
      ...place(user),
      epoch: null,
      ...row,
    });
  }

  /** What is broken if it ends with these messages, in log and Postgres. */
  broken(rows: Row[], users: string[] = ["ann", "bo"]): string[] {
    const head = rows.at(-1)?.id ?? 0;
    const seq = Math.max(0, ...rows.map((row) => row.seq));
    const participants = users.map((user) => ({
      user,
      last_read_id: Math.max(0, ...rows.filter(({ sender }) => sender === user).map(({ id }) => id)),
    }));
    this.write({ kind: "quiet", reached: true, waited_ms: 0, limit_ms: 1 });
    this.write({ kind: "log", conversation: "c", epoch: "e", head, seq, floor: 1, rows });
    this.write({
      kind: "postgres",
      conversation: "c",
      head,
      seq,
      title: null,
      participants,
      rows,
      poison: [],
    });
    return [...new Set(check(this.entries).violations.map(({ invariant }) => invariant))];
  }
}

const place = (user: string) => ({ client: `${user}.1`, user, conversation: "c" });

const FIRST: Row = { id: 1, seq: 1, sender: "ann", temp_id: "first", hash: "A" };

describe("I1: the last word", () => {
  const edits = (overlap: boolean): Story => {
    const story = new Story();
    story.begins();
    story.asks("ann", "one", "edit", { id: 1, hash: "B" });
    if (!overlap) story.ends("one", "ok");
    story.asks("ann", "two", "edit", { id: 1, hash: "C" });
    if (overlap) story.ends("one", "ok");
    story.ends("two", "ok");
    return story;
  };

  test("of two edits that overlap, either may be the last", () => {
    expect(edits(true).broken([{ ...FIRST, seq: 3, hash: "B" }])).toEqual([]);
    expect(edits(true).broken([{ ...FIRST, seq: 3, hash: "C" }])).toEqual([]);
    expect(edits(true).broken([FIRST])).toEqual(["I1"]);
  });

  test("of two edits one after the other, only the second", () => {
    expect(edits(false).broken([{ ...FIRST, seq: 3, hash: "C" }])).toEqual([]);
    expect(edits(false).broken([{ ...FIRST, seq: 3, hash: "B" }])).toEqual(["I1"]);
  });

  test.each([
    ["C", 2, 3, []],
    ["B", 2, 3, ["I1"]],
    ["B", 3, 2, []],
    ["C", 3, 2, ["I1"]],
  ])("where seqs are known, the greater one is the last: %s at %i and %i", (hash, one, two, broken) => {
    const story = new Story();
    story.begins();
    story.asks("ann", "one", "edit", { id: 1, hash: "B" });
    story.asks("ann", "two", "edit", { id: 1, hash: "C" });
    story.ends("one", "ok", { seq: one });
    story.ends("two", "ok", { seq: two });
    expect(story.broken([{ ...FIRST, seq: 3, hash }])).toEqual(broken);
  });

  test.each([
    ["info", "B", []],
    ["info", "A", []],
    ["fail", "A", []],
    ["fail", "B", ["I1", "I2"]],
  ] as const)("an edit that ends with %s may leave %s: %j", (phase, hash, broken) => {
    const story = new Story();
    story.begins();
    story.asks("ann", "one", "edit", { id: 1, hash: "B" });
    story.ends("one", phase);
    expect(story.broken([{ ...FIRST, seq: hash === "A" ? 1 : 2, hash }]).sort()).toEqual(broken);
  });
});

describe("I7: real time", () => {
  test.each([
    ["overlap", true, []],
    ["come one after the other", false, ["I7"]],
  ] as const)("the later send may stand first if they %s", (_name, overlap, broken) => {
    const story = new Story();
    story.asks("ann", "one", "send", { temp_id: "first", hash: "A" });
    if (!overlap) story.ends("one", "ok", { id: 2, seq: 2 });
    story.asks("bo", "two", "send", { temp_id: "second", hash: "B" });
    if (overlap) story.ends("one", "ok", { id: 2, seq: 2 });
    story.ends("two", "ok", { id: 1, seq: 1 });
    const rows = [
      { id: 1, seq: 1, sender: "bo", temp_id: "second", hash: "B" },
      { ...FIRST, id: 2, seq: 2 },
    ];
    expect(story.broken(rows)).toEqual(broken);
  });
});

describe("I9: positions", () => {
  const told = (secondAsked: (first: number, firstToldAt: number) => number): string[] => {
    const story = new Story();
    story.begins();
    const first = story.now;
    const position = { kind: "position", at: "client", reader: "ann", head: null, ...place("bo") } as const;
    const toldAt = story.write({ ...position, asked: first, last_read_id: 1 });
    story.write({ ...position, asked: secondAsked(first, toldAt) + 0.5, last_read_id: 0 });
    return story.broken([FIRST]);
  };

  test("a reply may overtake another one", () => expect(told((asked) => asked)).toEqual([]));
  test("what is asked for later is no less", () => expect(told((_asked, toldAt) => toldAt)).toEqual(["I9"]));
  test("one connection never takes anything back", () =>
    expect(told((asked) => asked - 0.5)).toEqual(["I9"]));
});

describe("I10: counts", () => {
  test.each([
    ["before a deletion is asked for", "before", 1, []],
    ["before a deletion is asked for", "before", 0, ["I10"]],
    ["while it is under way", "during", 1, []],
    ["while it is under way", "during", 0, []],
    ["after it was acknowledged", "after", 0, []],
    ["after it was acknowledged", "after", 1, ["I10"]],
  ])("%s (%s), unread may be %i: %j", (_name, when, unread, broken) => {
    const story = new Story();
    const count = (): void => {
      const told = { via: "rest", head: 1, seq: null, last_read_id: 0, unread } as const;
      story.write({ kind: "count", asked: story.now + 0.5, ...place("bo"), ...told });
    };
    story.begins();
    if (when === "before") count();
    story.asks("ann", "gone", "delete", { id: 1 });
    if (when === "during") count();
    story.ends("gone", "ok", { seq: 2 });
    if (when === "after") count();
    expect(story.broken([{ ...FIRST, seq: 2, hash: null }])).toEqual(broken);
  });
});

describe("I11: membership", () => {
  const removed = (): Story => {
    const story = new Story();
    story.begins();
    story.does("ann", "out", "remove", { target: "bo" });
    return story;
  };

  test("nothing leaves the service after a removal, but what left before may arrive", () => {
    const late = removed();
    late.sees("bo", FIRST, "client", 1);
    expect(late.broken([FIRST], ["ann"])).toEqual([]);
    const leaked = removed();
    leaked.sees("bo", FIRST, "server", 1);
    expect(leaked.broken([FIRST], ["ann"])).toEqual(["I11"]);
    const asked = removed();
    asked.sees("bo", FIRST, "client", asked.now + 0.5);
    expect(asked.broken([FIRST], ["ann"])).toEqual(["I11"]);
  });

  test("a state that was asked for after the removal left after it", () => {
    const story = removed();
    story.does("ann", "changed", "edit", { id: 1, hash: "B", seq: 2 });
    story.sees("bo", { ...FIRST, seq: 2, hash: "B" }, "client", 1);
    expect(story.broken([{ ...FIRST, seq: 2, hash: "B" }], ["ann"])).toEqual(["I11"]);
  });

  test.each([
    ["ok", ["ann", "bo"], []],
    ["info", ["ann", "bo"], []],
    ["info", ["ann"], []],
    ["fail", ["ann"], ["I11"]],
  ] as const)("an addition that ends with %s excuses it or not: %j %j", (phase, users, broken) => {
    const story = removed();
    story.asks("ann", "in", "add", { target: "bo" });
    story.sees("bo", FIRST, "server", 1);
    story.ends("in", phase);
    expect(story.broken([FIRST], [...users])).toEqual(broken);
  });

  test("an addition that overlapped the removal may have come after it", () => {
    const story = new Story();
    story.begins();
    story.asks("ann", "in", "add", { target: "bo" });
    story.asks("ann", "out", "remove", { target: "bo" });
    story.ends("in", "ok");
    story.ends("out", "ok");
    story.sees("bo", FIRST, "server", 1);
    expect(story.broken([FIRST], ["ann", "bo"])).toEqual([]);
  });
});

describe("I14: deletes", () => {
  test("what left the service before a deletion was acknowledged may arrive later; nothing leaves it after", () => {
    const ways = [
      { at: "client", asked: 1, broken: [] },
      { at: "server", asked: 1, broken: ["I14"] },
      { at: "client", asked: 4.5, broken: ["I14"] },
    ] as const;
    for (const { at, asked, broken } of ways) {
      const story = new Story();
      story.begins();
      story.does("ann", "gone", "delete", { id: 1, seq: 2 });
      story.sees("bo", FIRST, at, asked);
      expect(story.broken([{ ...FIRST, seq: 2, hash: null }])).toEqual(broken);
    }
  });
});

describe("I12: epochs", () => {
  test("what was known in another epoch need not be in the log", () => {
    for (const [epoch, broken] of [
      ["e", ["I12"]],
      ["before", []],
    ] as const) {
      const story = new Story();
      story.asks("ann", "lost", "send", { temp_id: "first", hash: "A" });
      story.write({ kind: "seen", at: "client", asked: 1, via: "live", ...place("bo"), ...FIRST, epoch });
      story.ends("lost", "info");
      expect(story.broken([])).toEqual(broken);
    }
  });
});

describe("a conversation that was deleted", () => {
  test.each([
    ["ok", []],
    ["fail", ["I1"]],
  ] as const)("need not keep anything, if that ended with %s", (phase, broken) => {
    const story = new Story();
    story.begins();
    story.asks("ann", "end", "end");
    story.ends("end", phase);
    expect(story.broken([]).filter((invariant) => invariant === "I1")).toEqual(broken);
  });
});

import { expect, test } from "vitest";
import { Random } from "../test/simulation/random.ts";
import { InboxNotices } from "./inbox-notices.ts";

/** A clock that moves when everybody waits, as {@link InboxNotices} sees it. */
class Clock {
  now = 0;
  readonly #waiting: Array<{ at: number; resolve: () => void }> = [];

  pause = (ms: number): Promise<void> =>
    new Promise((resolve) => this.#waiting.push({ at: this.now + ms, resolve }));

  /** Lets time pass until nothing waits any more, or until then. */
  async runUntil(end: number): Promise<void> {
    for (;;) {
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
      this.#waiting.sort((a, b) => a.at - b.at);
      const [next] = this.#waiting;
      if (!next || next.at > end) break;
      this.#waiting.shift();
      this.now = next.at;
      next.resolve();
    }
    this.now = end;
  }
}

function setup(
  clock: Clock,
  fails: () => boolean = () => false,
  delayMs: () => number = () => 0,
  users: readonly string[] = ["a", "b"],
) {
  let state = 0;
  const shown = new Map<string, number>();
  const calls: Array<{ userId: string; at: number }> = [];
  const leased = new Set(users);
  let settled = 0;
  const notices = new InboxNotices({
    now: () => clock.now,
    pause: clock.pause,
    size: () => leased.size,
    isLeased: (userId) => leased.has(userId),
    notice: () => ({
      conversation_id: "c",
      // The state of the moment the call is made.
      state: { epoch: "e", seq: state, conversation: { seq: state } as never },
      presence: [],
    }),
    send: async (userId, notice) => {
      calls.push({ userId, at: clock.now });
      const isLost = fails();
      await clock.pause(delayMs());
      if (isLost) throw new Error("lost");
      if (notice.state === "removed") shown.delete(userId);
      else if (notice.state) shown.set(userId, notice.state.seq);
    },
    removed: (userId) => leased.delete(userId),
    settled: () => {
      settled = state;
    },
    note: () => undefined,
    later: () => undefined,
  });
  return {
    notices,
    shown,
    calls,
    leased,
    get settled() {
      return settled;
    },
    change(): void {
      state += 1;
      notices.changed(leased);
    },
    get state() {
      return state;
    },
  };
}

test.each(Array.from({ length: 30 }, (_, seed) => seed))(
  "I4 I5: each inbox is told at once after a silence, then once an interval, and ends with the newest state, seed %d",
  async (seed) => {
    const random = new Random(seed);
    const clock = new Clock();
    const run = setup(
      clock,
      () => random.integer(0, 4) === 0,
      () => random.integer(0, 700),
    );
    for (let step = 0; step < 40; step += 1) {
      run.change();
      await clock.runUntil(clock.now + random.integer(0, 400));
    }
    // What failed too often is tried by the alarm.
    for (let alarm = 0; alarm < 10; alarm += 1) {
      await clock.runUntil(clock.now + 31_000);
      run.notices.again();
    }
    expect([...run.shown.values()]).toEqual([run.state, run.state]);
    expect([run.notices.isSettled, run.settled]).toEqual([true, run.state]);
    for (const user of ["a", "b"]) {
      const times = run.calls.filter(({ userId }) => userId === user).map(({ at }) => at);
      for (const [index, time] of times.slice(1).entries())
        expect(time - (times[index] ?? 0)).toBeGreaterThanOrEqual(250);
    }
  },
);

test("I4: the first change after a silence is told at once, and a burst in two notices", async () => {
  const clock = new Clock();
  const run = setup(clock);
  run.change();
  await clock.runUntil(0);
  expect(run.calls.length).toBe(2);
  for (let n = 0; n < 100; n += 1) run.change();
  await clock.runUntil(1_000);
  expect(run.calls.filter(({ userId }) => userId === "a").map(({ at }) => at)).toEqual([0, 250]);
});

test("I4: a thousand inboxes are told every two seconds, all of them, and each the newest state", async () => {
  const clock = new Clock();
  const users = Array.from({ length: 1_000 }, (_, n) => `user ${n}`);
  const run = setup(
    clock,
    () => false,
    () => 40,
    users,
  );
  for (let n = 0; n < 30; n += 1) {
    run.change();
    await clock.runUntil(clock.now + 100);
  }
  await clock.runUntil(10_000);
  expect(new Set(run.shown.values())).toEqual(new Set([run.state]));
  expect(run.shown.size).toBe(1_000);
  expect(run.calls.length).toBe(3_000);
});

test("W5: whoever says who came or went learns whether it was told", async () => {
  const clock = new Clock();
  let isAway = false;
  const run = setup(
    clock,
    () => isAway,
    () => 40,
  );
  const told = async (about: string[]): Promise<[isTold: boolean, at: number] | null> => {
    let answer: [boolean, number] | null = null;
    void run.notices.presenceChanged(about, run.leased).then((isTold) => {
      answer = [isTold, clock.now];
    });
    await clock.runUntil(clock.now + 5_000);
    return answer;
  };
  expect(await told(["c"])).toEqual([true, 40]);
  expect(run.calls.length).toBe(2);
  // Nobody is told of themselves.
  await told(["a"]);
  expect(run.calls.map(({ userId }) => userId)).toEqual(["a", "b", "b"]);
  isAway = true;
  expect(await told(["c"])).toEqual([false, 10_040]);
  // What is being tried again is not waited for.
  expect(await told(["d"])).toEqual([false, 15_000]);
  run.leased.clear();
  expect(await told(["e"])).toEqual([true, 20_000]);
});

test("I8: a removal is told after whatever was on its way, and nothing follows it", async () => {
  const clock = new Clock();
  const run = setup(
    clock,
    () => false,
    () => 100,
  );
  run.change();
  await clock.runUntil(10);
  run.change();
  run.notices.remove(["a"]);
  const told = run.notices.tellRemoved("c");
  await clock.runUntil(5_000);
  expect(await told).toBe(true);
  run.change();
  await clock.runUntil(10_000);
  expect(run.shown.has("a")).toBe(false);
  expect(run.shown.get("b")).toBe(run.state);
});

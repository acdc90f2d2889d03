import { expect, test } from "vitest";
import type { StoredMessage } from "../db/messages.ts";
import { Drain, type DrainAnswer, retryDelayMs } from "./drain.ts";
import type { DrainCursor, Log } from "./log.ts";
import type { Mirror, MirroredParticipant } from "./mirror.ts";

const stored = (id: number) => ({ createdSeq: id, message: { id, seq: id } }) as StoredMessage;

/** A log of numbered messages, of which only what the drain asks is there. */
function setUp(answers: (messages: StoredMessage[]) => Promise<DrainAnswer>) {
  const world = {
    head: 0,
    cursor: { seq: 0, messageId: 0 } as DrainCursor,
    nowMs: 0,
    alarms: [] as number[],
    poison: [] as number[],
    written: [] as number[][],
    /** Who has read how far, and Postgres does not know. */
    reads: [] as MirroredParticipant[],
    readsWritten: [] as string[],
  };
  const log = {
    readCursor: () => world.cursor,
    undrained: ({ messageId }: DrainCursor, limit: number) => {
      const ids = Array.from(
        { length: Math.min(3, limit, world.head - messageId) },
        (_, n) => messageId + n + 1,
      );
      const last = ids.at(-1) ?? messageId;
      return {
        messages: ids.map(stored),
        next: { seq: last, messageId: last },
      };
    },
    newestDrained: ({ messageId }: DrainCursor) => {
      let id = messageId;
      while (world.poison.includes(id)) id -= 1;
      return id > 0 ? stored(id) : null;
    },
    addPoison: ({ id }: { id: number }) => world.poison.push(id),
  } as unknown as Log;
  const mirror = {
    undrained: (limit: number) => world.reads.slice(0, limit),
    markDrained: (drained: MirroredParticipant[]) => {
      world.reads = world.reads.filter((read) => !drained.includes(read));
    },
  } as unknown as Mirror;
  const drain = new Drain({
    log,
    mirror,
    target: {
      write: async ({ messages, participants }) => {
        const answer = await answers(messages);
        if (answer.outcome !== "written") return answer;
        world.written.push(messages.map(({ message }) => message.id));
        world.readsWritten.push(...participants.map(({ user_id }) => user_id));
        return answer;
      },
      report: async () => undefined,
    },
    now: () => world.nowMs,
    random: () => 0.5,
    pause: async (ms) => {
      world.nowMs += ms;
    },
    isLive: () => true,
    wakeAt: (timeMs) => world.alarms.push(timeMs),
    save: (cursor) => {
      world.cursor = cursor;
      return true;
    },
    note: () => undefined,
  });
  return { world, drain };
}

test("D1: it drains in batches until nothing is left", async () => {
  const { world, drain } = setUp(async () => ({ outcome: "written" }));
  world.head = 7;
  await drain.run();
  expect(world.written).toEqual([[1, 2, 3], [4, 5, 6], [7]]);
});

test("D1: what is committed while a drain ends is drained without being asked twice", async () => {
  const { world, drain } = setUp(async () => ({ outcome: "written" }));
  world.head = 1;
  let rest: Promise<void> | undefined;
  // Right in the turn in which the first run found nothing left.
  const first = drain.run().then(() => {
    world.head = 2;
    rest = drain.run();
  });
  await first;
  await rest;
  expect(world.cursor.messageId).toBe(2);
});

test("D2: after a failure it waits, asks for an alarm, and goes on where it stood", async () => {
  let isDown = true;
  const { world, drain } = setUp(async () =>
    isDown ? { outcome: "failed", error: "down" } : { outcome: "written" },
  );
  world.head = 2;
  await drain.run();
  expect(world.alarms).toEqual([375]);
  world.nowMs = 374;
  await drain.run();
  expect(drain.failures).toBe(1);
  world.nowMs = 375;
  await drain.run();
  expect(drain.failures).toBe(2);
  isDown = false;
  world.nowMs = drain.retryAt ?? 0;
  await drain.run();
  expect([world.cursor.messageId, drain.retryAt]).toEqual([2, null]);
});

test("D2: an exception is a failure like any other", async () => {
  const { world, drain } = setUp(async () => {
    throw new Error("broken");
  });
  world.head = 1;
  await drain.run();
  expect([drain.failures, world.alarms.length]).toEqual([1, 1]);
});

test("D4: a refused batch is written in smaller ones; only what is refused alone is set aside", async () => {
  const { world, drain } = setUp(async (messages) =>
    messages.some(({ message }) => message.id === 2)
      ? { outcome: "refused", sqlState: "23514", error: "no" }
      : { outcome: "written" },
  );
  world.head = 4;
  await drain.run();
  // The second [1] asks whether Postgres is to blame.
  expect(world.written).toEqual([[1], [1], [3, 4]]);
  expect(world.poison).toEqual([2]);
  expect(world.cursor.messageId).toBe(4);
});

test.each([0, 1])(
  "D4: with %i drained before, two that are refused together are set aside",
  async (drained) => {
    const { world, drain } = setUp(async (messages) =>
      messages.some(({ message }) => message.id > drained)
        ? { outcome: "refused", sqlState: "22P05", error: "no" }
        : { outcome: "written" },
    );
    world.head = drained;
    await drain.run();
    world.head = drained + 2;
    await drain.run();
    expect(world.poison).toEqual([drained + 1, drained + 2]);
    expect(world.cursor.messageId).toBe(drained + 2);
  },
);

test("D4: a database that refuses what it has already is broken: nothing is set aside", async () => {
  let isBroken = false;
  const { world, drain } = setUp(async () =>
    isBroken ? { outcome: "refused", sqlState: "23514", error: "no" } : { outcome: "written" },
  );
  world.head = 1;
  await drain.run();
  isBroken = true;
  world.head = 2;
  await drain.run();
  expect([world.poison, drain.failures, world.cursor.messageId]).toEqual([[], 1, 1]);
});

test("D2: a clock that is set back holds up nothing", async () => {
  let isDown = false;
  const { world, drain } = setUp(async () =>
    isDown ? { outcome: "failed", error: "down" } : { outcome: "written" },
  );
  world.nowMs = 3_600_000;
  world.head = 1;
  await drain.run();
  world.nowMs = 0;
  world.head = 2;
  await drain.run();
  expect(world.cursor.messageId).toBe(2);
  isDown = true;
  world.nowMs = 3_600_000;
  world.head = 3;
  await drain.run();
  isDown = false;
  world.nowMs = 0;
  await drain.run();
  expect(world.cursor.messageId).toBe(3);
});

test("the wait between attempts doubles up to its bound", () => {
  expect([1, 2, 3, 20].map((failures) => retryDelayMs(failures, 1))).toEqual([500, 1000, 2000, 30_000]);
  expect(retryDelayMs(3, 0)).toBe(1000);
});

const reader = (user_id: string) => ({ user_id }) as MirroredParticipant;

test("D7: read positions go along with a batch, or make one", async () => {
  const { world, drain } = setUp(async () => ({ outcome: "written" }));
  world.head = 1;
  world.reads = [reader("ana")];
  await drain.run();
  world.reads = [reader("bo")];
  await drain.run();
  expect(world.written).toEqual([[1], []]);
  expect(world.readsWritten).toEqual(["ana", "bo"]);
});

test("D7: whoever waits for one batch is told of it, also when it fails, and does not wait while none is tried", async () => {
  let answer: DrainAnswer = { outcome: "failed", error: "away" };
  const { world, drain } = setUp(async () => answer);
  world.reads = [reader("ana")];
  await drain.runOnce();
  expect(world.reads).toHaveLength(1);
  await drain.runOnce();
  expect(drain.failures).toBe(1);
  answer = { outcome: "written" };
  world.nowMs += 60_000;
  await drain.runOnce();
  expect(world.readsWritten).toEqual(["ana"]);
});

test("D2: a batch that gets no answer is tried again in smaller ones: it may have been too much", async () => {
  const { world, drain } = setUp(async (messages) =>
    messages.length > 1 ? { outcome: "failed", error: "timeout" } : { outcome: "written" },
  );
  world.head = 3;
  for (let attempt = 0; attempt < 12 && world.cursor.messageId < 3; attempt += 1) {
    await drain.run();
    world.nowMs += 60_000;
  }
  expect(world.written.flat()).toEqual([1, 2, 3]);
});

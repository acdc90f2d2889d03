import { expect, test } from "vitest";
import { TYPING_EXPIRES_MS } from "../protocol/frames.ts";
import { Random } from "../test/simulation/random.ts";
import { TYPING_INTERVAL_MS, TYPISTS, Typing } from "./typing.ts";

test.each(Array.from({ length: 60 }, (_, seed) => seed))(
  "T2 T3: others are told at most once in two seconds, and end with what is true, seed %d",
  (seed) => {
    const random = new Random(seed);
    const typing = new Typing();
    const users = ["a", "b"];
    /** What the others see: until when somebody types. */
    const seen = new Map<string, number>();
    const said = new Map<string, { isTyping: boolean; at: number }>();
    const toldAt = new Map<string, number>();
    let due: number | null = null;
    for (let now = 0; now < 60_000; now += 100) {
      let isAsked = due !== null && due <= now;
      // The last ten seconds are silent.
      if (now < 50_000 && random.integer(0, 6) === 0) {
        const user = users[random.integer(0, 1)] ?? "a";
        if (random.integer(0, 5) === 0) {
          typing.sent(user);
          seen.delete(user);
          said.delete(user);
        } else {
          const isTyping = random.integer(0, 2) > 0;
          typing.say(user, isTyping, now);
          said.set(user, { isTyping, at: now });
        }
        isAsked = true;
      }
      if (!isAsked) continue;
      const { told, next } = typing.take(now);
      due = next;
      for (const { userId, isTyping } of told) {
        expect(now - (toldAt.get(userId) ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(
          TYPING_INTERVAL_MS,
        );
        toldAt.set(userId, now);
        if (isTyping) seen.set(userId, now + TYPING_EXPIRES_MS);
        else seen.delete(userId);
      }
      if (due !== null) continue;
      for (const user of users) {
        const { isTyping, at } = said.get(user) ?? { isTyping: false, at: 0 };
        const isSeen = (seen.get(user) ?? 0) > now;
        // Nothing is held back: what is seen is what was said, or it has ended by itself.
        if (isSeen || (isTyping && now - at < TYPING_EXPIRES_MS))
          expect([now, user, isSeen]).toEqual([now, user, isTyping]);
      }
    }
    expect([...seen.values()].every((until) => until <= 60_000)).toBe(true);
  },
);

test("T3: a stop right after a start is told when the two seconds are over", () => {
  const typing = new Typing();
  typing.say("a", true, 0);
  expect(typing.take(0)).toEqual({ told: [{ userId: "a", isTyping: true }], next: null });
  typing.say("a", false, 500);
  expect(typing.take(500)).toEqual({ told: [], next: TYPING_INTERVAL_MS });
  expect(typing.take(2_000)).toEqual({ told: [{ userId: "a", isTyping: false }], next: null });
  expect(typing.take(9_000)).toEqual({ told: [], next: null });
});

test("T3: whoever starts and stops before it was told is not told of at all", () => {
  const typing = new Typing();
  typing.say("a", true, 0);
  typing.take(0);
  typing.sent("a");
  typing.say("a", true, 500);
  typing.say("a", false, 900);
  expect(typing.take(3_000).told).toEqual([]);
});

test("T5: more than fifty are not followed, and each that ends makes room", () => {
  const typing = new Typing();
  for (let n = 0; n < 1_000; n += 1) typing.say(`user ${n}`, true, 0);
  expect(typing.take(0).told.length).toBe(TYPISTS);
  typing.say("late", true, TYPING_EXPIRES_MS - 1);
  expect(typing.take(TYPING_EXPIRES_MS - 1).told).toEqual([]);
  typing.say("late", true, TYPING_EXPIRES_MS);
  expect(typing.take(TYPING_EXPIRES_MS).told).toEqual([{ userId: "late", isTyping: true }]);
});

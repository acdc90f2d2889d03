import { expect, it } from "vitest";
import { backoffMs } from "./backoff.ts";
import { judgeClose } from "./connection.ts";
import { msUntilToken, refill } from "./pace.ts";

const limits = { firstMs: 250, maxMs: 15_000 };

it("C2: doubles its ceiling up to the maximum", () => {
  const almostOne = 1 - 2 ** -53;
  expect([1, 2, 3, 7, 8, 5_000].map((failures) => backoffMs(limits, failures, almostOne))).toEqual([
    249, 499, 999, 14_999, 14_999, 14_999,
  ]);
});

it("draws the whole delay", () => {
  expect(backoffMs(limits, 9, 0)).toBe(0);
  expect(backoffMs(limits, 2, 0.5)).toBe(250);
});

it("refills a bucket by time, up to its burst, whatever the clock does", () => {
  const pace = { perSecond: 20, burst: 20 };
  expect(refill({ tokens: 0, at: 1_000 }, pace, 1_100)).toEqual({ tokens: 2, at: 1_100 });
  expect(refill({ tokens: 0, at: 1_000 }, pace, 9_000).tokens).toBe(20);
  expect(refill({ tokens: 3, at: 1_000 }, pace, 500)).toEqual({ tokens: 3, at: 500 });
  expect(msUntilToken({ tokens: 0.5, at: 0 }, pace)).toBe(25);
});

it("judges close codes", () => {
  expect([4400, 4403, 4404, 1009, 4450].map((code) => judgeClose(code, 0).isFinal)).toEqual(
    Array(5).fill(true),
  );
  expect([1000, 1001, 1006, 4429, 4500, 4599].some((code) => judgeClose(code, 0).isFinal)).toBe(false);
  expect([1, 2, 3].map((refusals) => judgeClose(4401, refusals).isFinal)).toEqual([false, false, true]);
});

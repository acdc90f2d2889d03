import { expect, test } from "vitest";
import { RateLimiter } from "./rate-limit.ts";

test("V5: a burst, then the sustained rate, each user alone", () => {
  const limiter = new RateLimiter({ perSecond: 2, burst: 3 });
  expect([0, 0, 0].map(() => limiter.take("a", 0))).toEqual([0, 0, 0]);
  expect(limiter.take("a", 0)).toBe(500);
  expect(limiter.take("b", 0)).toBe(0);
  expect(limiter.take("a", 500)).toBe(0);
  // A clock that goes back gives nothing.
  expect(limiter.take("a", 100)).toBeGreaterThan(0);
});

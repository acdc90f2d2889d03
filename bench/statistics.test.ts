import { describe, expect, test } from "vitest";
import { formatNumber, formatRatio, Histogram, median } from "./statistics.ts";

test("the median is the middle, or half way between the two middle ones", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(median([])).toBeNaN();
});

describe("a histogram", () => {
  test("finds quantiles within a hundredth", () => {
    const histogram = new Histogram();
    for (let value = 10_000; value >= 1; value -= 1) histogram.record(value / 10);
    for (const [share, value] of [
      [0.5, 500],
      [0.99, 990],
      [0.999, 999],
      [1, 1_000],
    ] as const) {
      expect(Math.abs(histogram.quantile(share) / value - 1)).toBeLessThan(0.011);
    }
    expect(histogram.largest).toBe(1_000);
    expect(histogram.count).toBe(10_000);
  });

  test("takes up another one", () => {
    const [low, high] = [new Histogram(), new Histogram()];
    for (let count = 0; count < 99; count += 1) low.record(1);
    high.record(50);
    low.add(high);
    low.add(new Histogram());
    expect(low.count).toBe(100);
    expect(low.largest).toBe(50);
    expect(Math.round(low.quantile(0.99))).toBe(1);
    expect(low.quantile(1)).toBe(50);
  });

  test("keeps what is smaller or larger than its buckets", () => {
    const histogram = new Histogram();
    histogram.record(0);
    histogram.record(1e9);
    expect(histogram.count).toBe(2);
    expect(histogram.largest).toBe(1e9);
  });

  test("of nothing has no quantiles", () => {
    expect(new Histogram().quantile(0.5)).toBeNaN();
    expect(new Histogram().largest).toBeNaN();
  });
});

test("numbers are short", () => {
  expect([1234567.8, 99.94, 12.345, 0.126, 20, Number.NaN].map(formatNumber)).toEqual([
    "1,234,568",
    "99.9",
    "12.3",
    "0.13",
    "20",
    "–",
  ]);
  expect([0.456, 19.28].map(formatRatio)).toEqual(["0.46×", "19.3×"]);
});

import { describe, expect, test } from "vitest";
import type { Chart } from "./bench.ts";
import { drawChart, scaleOf } from "./svg.ts";

const CHART: Chart = {
  file: "a",
  title: 'Events & "more" <here>',
  kind: "bars",
  labels: ["10", "100"],
  labelTitle: "",
  unit: "events/s",
  isLogarithmic: false,
  series: [
    { title: "one", values: [50, 100] },
    { title: "two", values: [25, Number.NaN] },
  ],
};

/** Heights of the bars, by the title of their series. */
function barsOf(svg: string): Array<[string, number]> {
  return [...svg.matchAll(/height="([\d.]+)" fill="[^"]+"><title>(\w+)/g)].map(([, height, title]) => [
    title ?? "",
    Number(height),
  ]);
}

describe("an axis", () => {
  test("begins at zero and ends at a round value above all", () => {
    const scale = scaleOf([3, 95], false);
    expect(scale.ticks).toEqual([0, 25, 50, 75, 100]);
    expect(scale.position(50)).toBeCloseTo(0.5);
  });

  test("goes in powers of ten, whatever the values begin at", () => {
    const scale = scaleOf([0.4, 250], true);
    expect(scale.ticks.map(Number)).toEqual([0.1, 1, 10, 100, 1_000]);
    expect(scale.position(0.1)).toBeCloseTo(0);
    expect(scale.position(10)).toBeCloseTo(0.5);
    expect(scale.position(0)).toBe(0);
  });

  test("bears values that are all the same, and none", () => {
    expect(scaleOf([100, 100], true).ticks).toEqual([100, 1_000]);
    expect(scaleOf([], false).ticks.length).toBeGreaterThan(1);
  });
});

describe("a chart", () => {
  test("draws bars in proportion, and none for what was not measured", () => {
    const bars = barsOf(drawChart(CHART));
    expect(bars.map(([title]) => title)).toEqual(["one", "two", "one"]);
    const [first, second, third] = bars.map(([, height]) => height);
    expect((second ?? 0) / (first ?? 1)).toBeCloseTo(0.5, 1);
    expect((third ?? 0) / (first ?? 1)).toBeCloseTo(2, 1);
  });

  test("draws a point for each value of a line", () => {
    const svg = drawChart({ ...CHART, kind: "lines" });
    expect(svg.match(/<circle/g)).toHaveLength(3);
    expect(svg.match(/<polyline/g)).toHaveLength(2);
  });

  test("escapes what is written on it", () => {
    const svg = drawChart(CHART);
    expect(svg).toContain("Events &amp; &quot;more&quot; &lt;here&gt;");
    expect(svg).not.toContain("<here>");
  });
});

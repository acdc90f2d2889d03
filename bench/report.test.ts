import { expect, test } from "vitest";
import { formatFindings, formatTable, verdictTable } from "./report.ts";

test("a table lines up, whatever its cells hold", () => {
  expect(
    formatTable([
      ["", "a long head"],
      ["x", "1"],
      ["longer", ""],
    ]),
  ).toBe(
    [
      "|        | a long head |",
      "| ------ | ----------- |",
      "| x      | 1           |",
      "| longer |             |",
    ].join("\n"),
  );
});

test("a missed target stands out", () => {
  expect(
    verdictTable([
      { target: "fast", measured: "2×", isMet: true },
      { target: "cheap", measured: "$4", isMet: false },
    ]).slice(1),
  ).toEqual([
    ["fast", "2×", "met"],
    ["cheap", "$4", "**missed**"],
  ]);
});

test("a chapter has its charts before its tables", () => {
  const text = formatFindings({
    title: "Title",
    text: "Text.",
    tables: [[["a"], ["b"]]],
    charts: [
      {
        file: "chart",
        title: "Chart",
        kind: "bars",
        labels: [],
        labelTitle: "",
        unit: "ms",
        isLogarithmic: false,
        series: [],
      },
    ],
    verdicts: [],
  });
  expect(text.split("\n\n")).toEqual([
    "### Title",
    "Text.",
    "![Chart](images/performance/chart.svg)",
    "| a   |\n| --- |\n| b   |",
  ]);
});

import type { Chart } from "./bench.ts";
import { formatNumber } from "./statistics.ts";

const WIDTH = 760;
const PLOT = { left: 78, right: 20, top: 46, height: 230 };
const PLOT_WIDTH = WIDTH - PLOT.left - PLOT.right;
/** Told apart by those who cannot tell red from green, and on a dark page. */
const COLOURS = ["#3b82f6", "#f59e0b", "#10b981", "#a855f7", "#ef4444"];
const LEGEND_LINE = 20;
const LEGEND_COLUMNS = 2;

/** Where a value stands between the ends of the axis: 0 to 1. */
export interface Scale {
  ticks: number[];
  position(value: number): number;
}

/** An axis over all values: from zero with round steps, or in powers of ten. */
export function scaleOf(values: readonly number[], isLogarithmic: boolean): Scale {
  const finite = values.filter((value) => Number.isFinite(value) && (value > 0 || !isLogarithmic));
  const largest = Math.max(...finite, isLogarithmic ? 0.01 : 1e-9);
  if (isLogarithmic) {
    const smallest = Math.min(...finite, largest);
    const from = Math.floor(Math.log10(smallest));
    const to = Math.max(from + 1, Math.ceil(Math.log10(largest)));
    return {
      ticks: Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index)),
      position: (value) => (Math.log10(Math.max(value, 10 ** from)) - from) / (to - from),
    };
  }
  const rough = largest / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const count = Math.max(1, Math.ceil(largest / step - 1e-9));
  return {
    ticks: Array.from({ length: count + 1 }, (_, index) => index * step),
    position: (value) => value / (count * step),
  };
}

/** A chart as an SVG that reads on light and dark pages. */
export function drawChart(chart: Chart): string {
  const scale = scaleOf(
    chart.series.flatMap(({ values }) => values),
    chart.isLogarithmic,
  );
  const bottom = PLOT.top + PLOT.height;
  const y = (value: number): number => bottom - scale.position(value) * PLOT.height;
  const legendTop = bottom + (chart.labelTitle === "" ? 44 : 60);
  const height = legendTop + Math.ceil(chart.series.length / LEGEND_COLUMNS) * LEGEND_LINE + 4;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escapeXml(chart.title)}">`,
    "<style>text{font:13px system-ui,sans-serif;fill:#374151}.title{font-weight:600;font-size:15px}.grid{stroke:#9ca3af;stroke-opacity:.35}@media(prefers-color-scheme:dark){text{fill:#d1d5db}}</style>",
    text(PLOT.left, 24, chart.title, "start", "title"),
    ...scale.ticks.flatMap((tick) => [
      `<line class="grid" x1="${PLOT.left}" x2="${WIDTH - PLOT.right}" y1="${round(y(tick))}" y2="${round(y(tick))}"/>`,
      text(PLOT.left - 8, y(tick) + 4, formatTick(tick, chart.unit), "end"),
    ]),
    ...(chart.kind === "bars" ? drawBars(chart, y, bottom) : drawLines(chart, y, bottom)),
    ...(chart.labelTitle === ""
      ? []
      : [text(PLOT.left + PLOT_WIDTH / 2, bottom + 40, chart.labelTitle, "middle")]),
    ...chart.series.flatMap(({ title }, index) => {
      const x = PLOT.left + (index % LEGEND_COLUMNS) * (PLOT_WIDTH / LEGEND_COLUMNS);
      const top = legendTop + Math.floor(index / LEGEND_COLUMNS) * LEGEND_LINE;
      return [
        `<rect x="${x}" y="${top - 10}" width="12" height="12" rx="2" fill="${colourOf(index)}"/>`,
        text(x + 18, top, title, "start"),
      ];
    }),
    "</svg>",
  ].join("\n")}\n`;
}

function drawBars(chart: Chart, y: (value: number) => number, bottom: number): string[] {
  const group = PLOT_WIDTH / chart.labels.length;
  const bar = Math.min(48, (group * 0.8) / chart.series.length);
  return chart.labels.flatMap((label, at) => {
    const middle = PLOT.left + (at + 0.5) * group;
    return [
      ...chart.series.flatMap(({ values }, index) => {
        const value = values[at] ?? Number.NaN;
        if (!Number.isFinite(value)) return [];
        const x = middle + (index - chart.series.length / 2) * bar;
        const top = Math.min(y(value), bottom);
        return [
          `<rect x="${round(x + 1)}" y="${round(top)}" width="${round(bar - 2)}" height="${round(bottom - top)}" fill="${colourOf(index)}"><title>${escapeXml(`${chart.series[index]?.title}: ${formatNumber(value)}`)}</title></rect>`,
        ];
      }),
      text(middle, bottom + 18, label, "middle"),
    ];
  });
}

function drawLines(chart: Chart, y: (value: number) => number, bottom: number): string[] {
  const step = PLOT_WIDTH / chart.labels.length;
  const x = (at: number): number => PLOT.left + (at + 0.5) * step;
  return [
    ...chart.labels.map((label, at) => text(x(at), bottom + 18, label, "middle")),
    ...chart.series.flatMap(({ title, values }, index) => {
      const points = values.flatMap((value, at) =>
        Number.isFinite(value) ? [{ x: round(x(at)), y: round(y(value)), value }] : [],
      );
      return [
        `<polyline fill="none" stroke="${colourOf(index)}" stroke-width="2.5" points="${points.map((point) => `${point.x},${point.y}`).join(" ")}"/>`,
        ...points.map(
          (point) =>
            `<circle cx="${point.x}" cy="${point.y}" r="4" fill="${colourOf(index)}"><title>${escapeXml(`${title}: ${formatNumber(point.value)}`)}</title></circle>`,
        ),
      ];
    }),
  ];
}

const colourOf = (index: number): string => COLOURS[index % COLOURS.length] ?? "#6b7280";
const round = (value: number): number => Math.round(value * 10) / 10;

function formatTick(tick: number, unit: string): string {
  const number =
    tick >= 1e6
      ? `${Number((tick / 1e6).toPrecision(3))}M`
      : tick >= 1e3
        ? `${Number((tick / 1e3).toPrecision(3))}k`
        : String(Number(tick.toPrecision(3)));
  return unit === "$" ? `$${number}` : unit === "ms" ? `${number} ms` : number;
}

function text(x: number, y: number, content: string, anchor: "start" | "middle" | "end", style = ""): string {
  const className = style === "" ? "" : ` class="${style}"`;
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"${className}>${escapeXml(content)}</text>`;
}

function escapeXml(content: string): string {
  return content
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

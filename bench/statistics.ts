/** Middle of some values; NaN of none. */
export function median(values: readonly number[]): number {
  const ascending = values.toSorted((a, b) => a - b);
  const middle = (ascending.length - 1) / 2;
  const below = ascending[Math.floor(middle)] ?? Number.NaN;
  return (below + (ascending[Math.ceil(middle)] ?? Number.NaN)) / 2;
}

/** Width of a bucket: what a quantile may be off by. */
const GROWTH = 1.01;
const LOG_GROWTH = Math.log(GROWTH);
const SMALLEST = 0.001;
const BUCKETS = Math.ceil(Math.log(1e6 / SMALLEST) / LOG_GROWTH);

/** Counts of values in buckets that grow by 1 %: a million samples cost what a thousand do. Values in one unit. */
export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS);
  #count = 0;
  #largest = Number.NaN;

  get count(): number {
    return this.#count;
  }

  /** NaN when empty. */
  get largest(): number {
    return this.#largest;
  }

  record(value: number): void {
    const bucket = Math.floor(Math.log(Math.max(value, SMALLEST) / SMALLEST) / LOG_GROWTH);
    const at = Math.min(bucket, BUCKETS - 1);
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#count += 1;
    if (!(value <= this.#largest)) this.#largest = value;
  }

  /** Adds what another one counted. */
  add(other: Histogram): void {
    for (let at = 0; at < BUCKETS; at += 1)
      this.#counts[at] = (this.#counts[at] ?? 0) + (other.#counts[at] ?? 0);
    this.#count += other.#count;
    if (!(other.#largest <= this.#largest) && other.#count > 0) this.#largest = other.#largest;
  }

  /** The value that `share` of the values do not exceed, within 1 %; NaN when empty. */
  quantile(share: number): number {
    const rank = Math.max(1, Math.ceil(this.#count * share));
    let seen = 0;
    for (let at = 0; at < BUCKETS; at += 1) {
      seen += this.#counts[at] ?? 0;
      if (seen >= rank && this.#count > 0) return Math.min(SMALLEST * GROWTH ** (at + 0.5), this.#largest);
    }
    return Number.NaN;
  }
}

/** Three significant digits, or whole numbers with separators; a dash for NaN. */
export function formatNumber(value: number): string {
  if (Number.isNaN(value)) return "–";
  if (Math.abs(value) >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString("en");
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

/** Such as `19.3×`. */
export const formatRatio = (ratio: number): string =>
  Number.isNaN(ratio) ? "–" : `${ratio.toFixed(ratio < 10 ? 2 : 1)}×`;

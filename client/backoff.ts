/** First and greatest ceiling of a delay, milliseconds. */
export interface Backoff {
  /** More than 0. */
  firstMs: number;
  maxMs: number;
}

/**
 * Milliseconds to wait after `failures` failures in a row (1 is the first): anywhere between 0 and a ceiling
 * that doubles. The whole delay is random, because clients that lost the same server at the same moment
 * must not come back together ("full jitter", AWS Architecture Blog, Exponential Backoff And Jitter).
 *
 * @param random 0 (inclusive) to 1 (exclusive)
 */
export function backoffMs({ firstMs, maxMs }: Backoff, failures: number, random: number): number {
  return Math.floor(random * Math.min(maxMs, firstMs * 2 ** (failures - 1)));
}

/** Sustained rate and burst of one user's commands. */
export interface RateLimit {
  perSecond: number;
  burst: number;
}

/**
 * Token buckets, one a user, in memory: an instance that was evicted had been idle long enough for every
 * bucket to be full again.
 */
export class RateLimiter {
  readonly #limit: RateLimit;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(limit: RateLimit) {
    this.#limit = limit;
  }

  /** Takes one token. @returns 0, or the milliseconds until there is one */
  take(userId: string, nowMs: number): number {
    const { perSecond, burst } = this.#limit;
    const bucket = this.#buckets.get(userId) ?? { tokens: burst, at: nowMs };
    bucket.tokens = Math.min(burst, bucket.tokens + (Math.max(0, nowMs - bucket.at) / 1000) * perSecond);
    bucket.at = nowMs;
    this.#buckets.set(userId, bucket);
    if (bucket.tokens < 1) return Math.ceil(((1 - bucket.tokens) / perSecond) * 1000);
    bucket.tokens -= 1;
    return 0;
  }
}

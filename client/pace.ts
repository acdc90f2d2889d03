/** Commands of one conversation: sustained rate per second, and how many may go at once after a pause. */
export interface Pace {
  perSecond: number;
  burst: number;
}

/** A token bucket. `at` is Unix milliseconds. */
export interface Bucket {
  tokens: number;
  at: number;
}

/** The bucket as it stands at `now`, refilled. A clock that went back refills nothing. */
export function refill(bucket: Bucket, { perSecond, burst }: Pace, now: number): Bucket {
  const elapsedMs = now - bucket.at;
  if (elapsedMs <= 0) return { tokens: bucket.tokens, at: now };
  return { tokens: Math.min(burst, bucket.tokens + (elapsedMs / 1000) * perSecond), at: now };
}

/** Milliseconds until the bucket holds a whole token; 0 if it does. */
export function msUntilToken({ tokens }: Bucket, { perSecond }: Pace): number {
  return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) / perSecond) * 1000);
}

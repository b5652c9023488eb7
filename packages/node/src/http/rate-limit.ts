/**
 * Token buckets per caller (address, member, institution, handle). Memory is capped: when too many
 * callers are known, those that have been quiet longest are forgotten, which gives them a full bucket.
 */
export interface RateLimit {
  /** 0 when `cost` was taken, else the seconds to wait until it could be. */
  take(caller: string, cost: number): number;
}

export interface RateLimitOptions {
  /** Tokens that come back in a second. */
  readonly perSecond: number;
  /** Most tokens a bucket holds. */
  readonly burst: number;
  readonly callersMax: number;
  readonly nowMs: () => number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

export function createRateLimit(options: RateLimitOptions): RateLimit {
  const buckets = new Map<string, Bucket>();
  return {
    take: (caller, cost) => {
      const nowMs = options.nowMs();
      const known = buckets.get(caller);
      const bucket = known ?? { tokens: options.burst, atMs: nowMs };
      const elapsed = Math.max(0, nowMs - bucket.atMs) / 1000;
      bucket.tokens = Math.min(options.burst, bucket.tokens + elapsed * options.perSecond);
      bucket.atMs = nowMs;
      // Re-inserting keeps the map in order of last use.
      buckets.delete(caller);
      buckets.set(caller, bucket);
      if (buckets.size > options.callersMax) {
        const [oldest] = buckets.keys();
        if (oldest !== undefined) buckets.delete(oldest);
      }
      // A cost above the burst would never be paid: it is paid by a full bucket and a debt.
      if (bucket.tokens < Math.min(cost, options.burst))
        return Math.max(
          1,
          Math.ceil((Math.min(cost, options.burst) - bucket.tokens) / options.perSecond),
        );
      bucket.tokens -= cost;
      return 0;
    },
  };
}

import { createBoundedCache } from '../../protocol/bounded-cache.js'

/** A limiter of `rate-limiter-flexible`, or a similar one: rejects with `msBeforeNext` when the points of a key are used up. */
export interface RateLimiter {
  consume(key: string): Promise<unknown>
  /** Gives points back. Without it, requests with a session count as well, although they are never refused. */
  reward?(key: string, points: number): Promise<unknown>
}

/** About 3 MB. If there are more networks, the counts of the oldest are forgotten. */
const MAX_NETWORKS = 20_000

/** A limiter in the memory of this process: `points` for each key, in `seconds` from its first request. */
export function createAddressCounter(points: number, seconds: number, now: () => number): RateLimiter {
  const counts = createBoundedCache<{ count: number; until: number }>(MAX_NETWORKS)
  return {
    async consume(key) {
      const instant = now()
      const known = counts.get(key)
      const entry = known && instant < known.until ? known : { count: 0, until: instant + seconds }
      if (entry !== known) counts.set(key, entry)
      if (++entry.count > points) throw { msBeforeNext: Math.max(1, (entry.until - instant) * 1000) }
    },
    async reward(key) {
      const known = counts.get(key)
      if (known) known.count--
    },
  }
}

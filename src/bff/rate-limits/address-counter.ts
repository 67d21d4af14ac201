import { createBoundedCache } from '../../protocol/bounded-cache.js'

/** A limiter of `rate-limiter-flexible`, or anything alike: it rejects with `msBeforeNext` where a key has used up its points. */
export interface RateLimiter {
  consume(key: string): Promise<unknown>
  /** Gives a point back. Without it, what signed-in people ask counts too, though it is never refused. */
  reward?(key: string, points: number): Promise<unknown>
}

/** Networks that are remembered at most, some 3 MB; with more of them at once the oldest begin anew. */
const MAX_NETWORKS = 20_000

/** Counts in this process's memory: so many `points` for each key in so many `seconds` from its first one. */
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

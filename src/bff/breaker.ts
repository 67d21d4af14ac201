/** Consecutive failures after which somebody is left alone for everybody, not only for the session that failed. */
const TRIP = 3
/** Seconds. */
const LONGEST = 30

export type Breaker = ReturnType<typeof createBreaker>

/** Leaves a provider alone that fails: what it asked for, else 1 s, doubling up to 30 s, with jitter. */
export function createBreaker(now: () => number, random: () => number = Math.random) {
  let failures = 0
  let until = 0
  return {
    until: () => until,
    succeeded() {
      failures = until = 0
    },
    /** Seconds to wait. */
    failed(retryAfter?: number): number {
      const wait = Math.min(retryAfter ?? Math.min(LONGEST, 2 ** failures) * (1 - random() / 2), 3600)
      failures++
      if (retryAfter !== undefined || failures >= TRIP) until = now() + wait
      return wait
    },
  }
}

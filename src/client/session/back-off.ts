export type BackOff = ReturnType<typeof createBackOff>

/**
 * How long to leave the backend alone after it said "not now": what it asked for, else 1 s, doubling up to 30 s, with
 * jitter. By the monotonic clock: one that is set back must not make a wait of seconds last for hours.
 */
export function createBackOff() {
  let until = 0
  let failures = 0
  return {
    waiting: () => performance.now() < until,
    /** `retryAfter` in seconds. */
    failed(retryAfter: number) {
      until =
        performance.now() +
        (Math.min(3600, retryAfter) || Math.min(30, 2 ** failures++) * (1 - Math.random() / 2)) * 1000
    },
    reset() {
      until = failures = 0
    },
  }
}

import type { Now } from '../protocol/time.js'

export type BackOff = ReturnType<typeof createBackOff>

/** How long to leave the backend alone after it said "not now": what it asked for, else 1 s, doubling up to 30 s, with jitter. */
export function createBackOff(now: Now) {
  let from = 0
  let until = 0
  let failures = 0
  return {
    /** Never when the clock was set back to before the failure. */
    waiting: () => now() < until && now() >= from,
    failed(retryAfter: number) {
      from = now()
      until = from + (Math.min(3600, retryAfter) || Math.min(30, 2 ** failures++) * (1 - Math.random() / 2))
    },
    reset() {
      until = failures = 0
    },
  }
}

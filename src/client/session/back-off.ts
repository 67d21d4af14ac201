import { monotonicNow } from '../../protocol/time.js'

export type BackOff = ReturnType<typeof createBackOff>

/**
 * How long to wait after the backend was temporarily unavailable: its `Retry-After`, else 1 s, doubling up to 30 s, with
 * jitter.
 */
export function createBackOff() {
  let waitUntil = 0
  let failures = 0
  return {
    waiting: () => monotonicNow() < waitUntil,
    /** `retryAfter` in seconds. */
    failed(retryAfter: number) {
      waitUntil =
        monotonicNow() + (Math.min(3600, retryAfter) || Math.min(30, 2 ** failures++) * (1 - Math.random() / 2))
    },
    reset() {
      waitUntil = failures = 0
    },
  }
}

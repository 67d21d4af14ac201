import { monotonicClock } from './time.js'

/** How many different callers must fail, without a success in between, before the circuit opens for everybody. */
const FAILURE_THRESHOLD = 3
/** Seconds. */
const MAX_DELAY = 30

/** Seconds to wait after this many failures: 1 s, doubling up to 30 s, with jitter. */
export const backoffDelay = (failures: number): number => Math.min(MAX_DELAY, 2 ** failures) * (1 - Math.random() / 2)

/**
 * Stops calls to a server, for all callers, when the calls of three different callers have failed without a success in
 * between. One caller alone cannot open the circuit, however often its calls make the server fail.
 */
export function createCircuitBreaker(now: () => number) {
  const clock = monotonicClock(now)
  const failing = new Set<unknown>()
  let rounds = 0
  let until = 0
  return {
    /** Seconds until the server may be called again; 0 or less: now. */
    left: () => until - clock(),
    succeeded() {
      failing.clear()
      rounds = until = 0
    },
    /** `caller`: whose call failed. Default: none, so that each failure counts. */
    failed(caller: unknown = Symbol('unknown')): void {
      if (failing.size < FAILURE_THRESHOLD) failing.add(caller)
      // Calls that were in flight when the circuit opened do not make the wait longer.
      if (failing.size >= FAILURE_THRESHOLD && clock() >= until) until = clock() + backoffDelay(rounds++)
    },
  }
}

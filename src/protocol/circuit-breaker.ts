import { monotonicClock } from './time.js'

/** Who has to fail, without a success between, before somebody is left alone for everybody. */
const FAILURE_THRESHOLD = 3
/** Seconds. */
const MAX_DELAY = 30

export type CircuitBreaker = ReturnType<typeof createCircuitBreaker>

/** Seconds to wait after so many failures: 1 s, doubling up to 30 s, with jitter. */
export const backoffDelay = (failures: number, random: () => number = Math.random): number =>
  Math.min(MAX_DELAY, 2 ** failures) * (1 - random() / 2)

/**
 * Leaves a server alone, for all, when the questions of three different askers have failed and none has succeeded between.
 * One asker alone, whose question makes the server fail however often it comes, stops nobody else.
 */
export function createCircuitBreaker(now: () => number, random: () => number = Math.random) {
  const clock = monotonicClock(now)
  const failing = new Set<unknown>()
  let rounds = 0
  let until = 0
  return {
    /** Seconds for which it is to be left alone; 0 or less: it can be asked. */
    left: () => until - clock(),
    succeeded() {
      failing.clear()
      rounds = until = 0
    },
    /** `asker`: whose question it was. Default: nobody's in particular, so that each failure counts. */
    failed(asker: unknown = Symbol('nobody')): void {
      if (failing.size < FAILURE_THRESHOLD) failing.add(asker)
      // Those that were under way when it opened make the rest no longer.
      if (failing.size >= FAILURE_THRESHOLD && clock() >= until) until = clock() + backoffDelay(rounds++, random)
    },
  }
}

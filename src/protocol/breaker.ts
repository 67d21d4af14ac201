import { steadyClock } from './time.js'

/** Who has to fail, without a success between, before somebody is left alone for everybody. */
const TRIP = 3
/** Seconds. */
const LONGEST = 30

export type Breaker = ReturnType<typeof createBreaker>

/** Seconds to wait after so many failures: 1 s, doubling up to 30 s, with jitter. */
export const backOff = (failures: number, random: () => number = Math.random): number =>
  Math.min(LONGEST, 2 ** failures) * (1 - random() / 2)

/**
 * Leaves a server alone, for all, when the questions of three different askers have failed and none has succeeded between.
 * One asker alone, whose question makes the server fail however often it comes, stops nobody else.
 */
export function createBreaker(now: () => number, random: () => number = Math.random) {
  const clock = steadyClock(now)
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
      if (failing.size < TRIP) failing.add(asker)
      // Those that were under way when it opened make the rest no longer.
      if (failing.size >= TRIP && clock() >= until) until = clock() + backOff(rounds++, random)
    },
  }
}

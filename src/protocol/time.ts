/** Seconds since 1970-01-01T00:00:00Z, fractions allowed. */
export type EpochSeconds = number

/** The clock that comes in by the door. */
export type Now = () => EpochSeconds

/** The clock that is used when none was handed in. */
export const systemNow: Now = () => Date.now() / 1000

/** Seconds that the clocks of those who write instants and those who read them may differ, where no option says it. */
export const CLOCK_TOLERANCE = 30

/**
 * Whether an instant that somebody else wrote lies at most so many seconds back. One of the future, or in milliseconds, does
 * not: of what age it is nobody knows.
 */
export const isRecent = (instant: unknown, seconds: number, now: EpochSeconds, tolerance = CLOCK_TOLERANCE): boolean =>
  typeof instant === 'number' && instant <= now + tolerance && now - instant <= seconds

/**
 * A clock for what one process remembers. What has passed is the larger of what the two clocks say, so that one that is set back
 * does not make old things young. The monotonic clock costs four times what the other one does, so it is read once a second.
 */
export function monotonicClock(now: Now): Now {
  let wall = now()
  let time = wall
  let tick = performance.now() / 1000
  return () => {
    const age = now() - wall
    if (age >= 0 && age < 1) return time + age
    const before = tick
    tick = performance.now() / 1000
    wall += age
    time += Math.max(age, tick - before)
    return time
  }
}

/** Seconds since 1970-01-01T00:00:00Z, fractions allowed. */
export type EpochSeconds = number

/** Returns the current time; injected for tests. */
export type Now = () => EpochSeconds

/** The default clock. */
export const systemNow: Now = () => Date.now() / 1000

/** Seconds by a clock that nobody can set: a wait or a lifetime is not longer because the system clock was set back. */
export const monotonicNow = (): number => performance.now() / 1000

/** Seconds that two machines' clocks may differ, unless an option says otherwise. */
export const CLOCK_TOLERANCE = 30

/**
 * Whether a time that somebody else wrote is at most this many seconds in the past. `false` for a time in the future or
 * in milliseconds: its age is unknown.
 */
export const isRecent = (instant: unknown, seconds: number, now: EpochSeconds, tolerance = CLOCK_TOLERANCE): boolean =>
  typeof instant === 'number' && instant <= now + tolerance && now - instant <= seconds

/**
 * A clock for what one process caches. Elapsed time is the larger of what the two clocks say, so that setting the clock
 * back does not make old entries new. The monotonic clock costs four times as much as the other one, so it is read once
 * a second.
 */
export function monotonicClock(now: Now): Now {
  let time = now()
  let wall = time
  let tick = monotonicNow()
  return () => {
    const age = now() - wall
    if (age >= 0 && age < 1) return time + age
    const passed = monotonicNow() - tick
    tick += passed
    wall += age
    time += Math.max(age, passed)
    return time
  }
}

import { type Now, steadyClock, systemNow } from './time.js'
import { callWithTimeout, withTimeout } from './timeout.js'

/** A secret, or how to get it from a secret manager. A function is asked again when the value may have been rotated. */
export type Secret = string | (() => Promise<string>)

/** Seconds after which what comes from a function is asked for again: a rotation is noticed within that time. */
const REREAD = 300
/** Seconds until it is asked for again after that has failed. */
const RETRY = 10
/** Seconds that anybody waits for a new value where there is one from before. */
const LEAST = 1

/** Seconds that what comes from a function is used where it is asked for at each use: asking delays nobody, a rotation is seen at once. */
const MOMENT = 1

/** The text now. @throws what the function throws, or Error `TimeoutError` after five seconds */
export const reveal = async (secret: Secret): Promise<string> =>
  typeof secret === 'function' ? callWithTimeout(secret) : secret

/** Whether any of them may change. */
export const isDynamic = (secrets: readonly Secret[]): boolean => secrets.some((secret) => typeof secret === 'function')

export interface ReadingOptions {
  /** Whether a function gives any of them. */
  dynamic: boolean
  /** Seconds after which it is asked again. Default 300. */
  every?: number
  now?: Now
  onFailure?: () => void
}

/**
 * What is made of secrets, kept: once for texts, and again after `every` seconds where a function gives them. While that
 * fails or hangs, what was made before serves, and nobody waits for longer than a second; `onFailure` hears of it. Without
 * anything from before a failure is the caller's, and is not remembered.
 */
export function createReading<Made>(
  make: () => Promise<Made>,
  { dynamic, every = REREAD, now = systemNow, onFailure }: ReadingOptions,
): () => Promise<Made> {
  const clock = steadyClock(now)
  let held: { made: Promise<Made>; readAt: number } | undefined

  return () => {
    if (held && !(dynamic && clock() - held.readAt > every)) return held.made
    const before = held?.made
    const reading = make()
    const fresh = { made: reading, readAt: clock() }
    held = fresh
    if (!before) {
      reading.catch(() => {
        if (held === fresh) held = undefined
      })
      return reading
    }
    const settled = reading.catch(() => {
      onFailure?.()
      fresh.readAt = clock() - every + RETRY
      return before
    })
    let late = false
    fresh.made = withTimeout<Made, undefined>(settled, LEAST, undefined).then((made) => {
      late = made === undefined
      return made ?? before
    })
    settled.then((made) => {
      if (late) fresh.made = Promise.resolve(made)
    })
    return fresh.made
  }
}

/** The same, for what is to be the newest wherever it is used: it is good for a second. */
export const createCurrent = <Made>(
  make: () => Promise<Made>,
  { dynamic, onFailure }: Pick<ReadingOptions, 'dynamic' | 'onFailure'>,
): (() => Promise<Made>) =>
  createReading(make, { dynamic, every: MOMENT, now: () => performance.now() / 1000, ...(onFailure && { onFailure }) })

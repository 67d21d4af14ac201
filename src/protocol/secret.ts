import { monotonicClock, type Now, systemNow } from './time.js'
import { callWithTimeout, withTimeout } from './timeout.js'

/** A secret, or how to get it from a secret manager. A function is asked again when the value may have been rotated. */
export type Secret = string | (() => Promise<string>)

/** Seconds after which what comes from a function is asked for again: a rotation is noticed within that time. */
const REFRESH_INTERVAL = 300
/** Seconds until it is asked for again after that has failed. */
const RETRY_INTERVAL = 10
/** Seconds that anybody waits for a new value where there is one from before. */
const MAX_WAIT = 1

/** Seconds that what comes from a function is used where it is asked for at each use: asking delays nobody, a rotation is seen at once. */
const FRESH_INTERVAL = 1

/** The text now. @throws what the function throws, or Error `TimeoutError` after five seconds */
export const resolveSecret = async (secret: Secret): Promise<string> =>
  typeof secret === 'function' ? callWithTimeout(secret) : secret

/** Whether any of them may change. */
export const isDynamic = (secrets: readonly Secret[]): boolean => secrets.some((secret) => typeof secret === 'function')

export interface SecretCacheOptions {
  /** Whether a function gives any of them. */
  dynamic: boolean
  /** Seconds after which it is asked again. Default 300. */
  maxAge?: number
  now?: Now
  onFailure?: () => void
}

/**
 * What is made of secrets, kept: once for texts, and again after `every` seconds where a function gives them. While that
 * fails or hangs, what was made before serves, and nobody waits for longer than a second; `onFailure` hears of it. Without
 * anything from before a failure is the caller's, and is not remembered.
 */
export function createSecretCache<Made>(
  make: () => Promise<Made>,
  { dynamic, maxAge: every = REFRESH_INTERVAL, now = systemNow, onFailure }: SecretCacheOptions,
): () => Promise<Made> {
  const clock = monotonicClock(now)
  let cached: { made: Promise<Made>; readAt: number } | undefined

  return () => {
    if (cached && !(dynamic && clock() - cached.readAt > every)) return cached.made
    const previous = cached?.made
    const reading = make()
    const fresh = { made: reading, readAt: clock() }
    cached = fresh
    if (!previous) {
      reading.catch(() => {
        if (cached === fresh) cached = undefined
      })
      return reading
    }
    const settled = reading.catch(() => {
      onFailure?.()
      fresh.readAt = clock() - every + RETRY_INTERVAL
      return previous
    })
    let late = false
    fresh.made = withTimeout<Made, undefined>(settled, MAX_WAIT, undefined).then((made) => {
      late = made === undefined
      return made ?? previous
    })
    settled.then((made) => {
      if (late) fresh.made = Promise.resolve(made)
    })
    return fresh.made
  }
}

/** The same, for what is to be the newest wherever it is used: it is good for a second. */
export const createFreshSecretCache = <Made>(
  make: () => Promise<Made>,
  { dynamic, onFailure }: Pick<SecretCacheOptions, 'dynamic' | 'onFailure'>,
): (() => Promise<Made>) =>
  createSecretCache(make, {
    dynamic,
    maxAge: FRESH_INTERVAL,
    now: () => performance.now() / 1000,
    ...(onFailure && { onFailure }),
  })

import { monotonicClock, monotonicNow, type Now, systemNow } from './time.js'
import { callWithTimeout, withTimeout } from './timeout.js'

/** A secret, or a function that gets it from a secret manager. The function is called again to notice a rotation. */
export type Secret = string | (() => Promise<string>)

/** Seconds after which a function is called again: a rotation is noticed within this time. */
const REFRESH_INTERVAL = 300
/** Seconds until a function is called again after it has failed. */
const RETRY_INTERVAL = 10
/** Seconds that a caller waits for a new value while an older one is available. */
const MAX_WAIT = 1

/** The current value. @throws what the function throws, or Error `TimeoutError` after five seconds */
export const resolveSecret = async (secret: Secret): Promise<string> =>
  typeof secret === 'function' ? callWithTimeout(secret) : secret

/** Whether any of them may change. */
export const isDynamic = (secrets: readonly Secret[]): boolean => secrets.some((secret) => typeof secret === 'function')

export interface SecretCacheOptions {
  /** Whether a function gives any of them. */
  dynamic: boolean
  /** Seconds after which a function is called again. Default 300. */
  maxAge?: number
  now?: Now
  onFailure?: () => void
}

/**
 * Caches what is made from secrets: for ever if all are texts, and for `every` seconds if a function returns any of
 * them. While that function fails or hangs, the previous value is used, and no caller waits longer than a second;
 * `onFailure` is called. Without a previous value the caller gets the error, and the error is not cached.
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

/** For secrets whose newest value is wanted for each use: a value is used for one second. */
export const freshSecrets: Pick<SecretCacheOptions, 'maxAge' | 'now'> = { maxAge: 1, now: monotonicNow }

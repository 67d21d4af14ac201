import { createRemoteJWKSet, customFetch, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { createKeySetFetch } from '../failures/provider-fetch.js'
import { usableKeys } from './usable-keys.js'

/** Seconds. A key that is missing in a set which was fetched just now does not exist. */
const MIN_AGE = 1

interface KeySetOptions {
  uri: URL
  fetch: typeof globalThis.fetch
  /** Seconds to wait for a response. */
  timeout: number
  /** Seconds without a further fetch for unknown keys, after one that has not found its key. */
  cooldown: number
  /** Seconds; never goes back. */
  clock: () => number
}

export interface KeySet {
  /**
   * Finds the key of a token. An unknown key is looked for in a new fetch. If it is not found there, others are not looked for during
   * the cool-down: anybody can send tokens with any `kid`. A key that the provider has just begun to use is found at once.
   *
   * `direct`: the token comes from the provider itself, so its key is always looked for.
   *
   * Rejects with JWKSNoMatchingKey, JWKSMultipleMatchingKeys, or a RequestError if the keys cannot be fetched.
   */
  find(direct?: boolean): JWTVerifyGetKey
  /** Finds a key without a fetch; `undefined` if none was fetched yet. */
  readonly known: JWTVerifyGetKey | undefined
  reload(): Promise<void>
  readonly reloading: boolean
  /** Whether unknown keys are not looked for now. */
  readonly coolingDown: boolean
  /** When the keys were fetched last, by the clock. */
  readonly readAt: number
  /** How often keys were fetched. */
  readonly fetches: number
  jwks(): JSONWebKeySet | undefined
}

/** The key set of an issuer. Only usable keys count. Creating it makes no request. */
export function createKeySet({ uri, fetch, timeout, cooldown, clock }: KeySetOptions): KeySet {
  let fetches = 0
  let readAt = Number.NEGATIVE_INFINITY
  let missedAt = Number.NEGATIVE_INFINITY
  /** Why the last fetch has failed; `undefined` if it has not. */
  let failure: unknown
  const send = createKeySetFetch(fetch)
  const keys = createRemoteJWKSet(uri, {
    // Age and cool-down are decided here, by the given clock.
    cacheMaxAge: Number.POSITIVE_INFINITY,
    cooldownDuration: Number.POSITIVE_INFINITY,
    timeoutDuration: Math.ceil(timeout * 1000),
    [customFetch]: async (url, init) => {
      fetches++
      return usableKeys(await send(url, init as RequestInit))
    },
  })
  const coolingDown = () => clock() - missedAt < cooldown
  const isNew = () => clock() - readAt < Math.min(MIN_AGE, cooldown)

  async function reload(): Promise<void> {
    try {
      await keys.reload()
    } catch (error) {
      failure = error
      throw error
    }
    readAt = clock()
    failure = undefined
  }

  const find =
    (direct = false): JWTVerifyGetKey =>
    async (header, token) => {
      const first = readAt === Number.NEGATIVE_INFINITY
      if (first) await reload()
      try {
        return await keys(header, token)
      } catch (error) {
        if (first || !(error instanceof errors.JWKSNoMatchingKey)) throw error
        if (!direct && isNew()) throw error
        if (!direct && !keys.reloading && coolingDown()) {
          throw failure ?? error
        }
      }
      // Before the fetch: tokens that come while it runs must not cause another one.
      missedAt = clock()
      await reload()
      const key = await keys(header, token)
      missedAt = Number.NEGATIVE_INFINITY
      return key
    }

  return {
    find,
    reload,
    get known() {
      return readAt === Number.NEGATIVE_INFINITY ? undefined : keys
    },
    get reloading() {
      return keys.reloading
    },
    get coolingDown() {
      return coolingDown()
    },
    get readAt() {
      return readAt
    },
    get fetches() {
      return fetches
    },
    jwks: keys.jwks,
  }
}

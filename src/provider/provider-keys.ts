import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  errors,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
  jwksCache,
} from 'jose'
import { monotonicClock } from '../protocol/time.js'
import { ProviderError } from './errors.js'
import type { ProviderSettings } from './settings.js'

/** Milliseconds that the provider’s keys are cached. An unknown `kid` reads them again, twice a minute at most. */
const JWKS_MAX_AGE = 3_600_000
/** Seconds until keys are read again in the background after a failure. */
const RETRY = 60

/** Where the keys are, and those that were read already for other reasons. */
interface KeySource {
  metadata(): Promise<{ readonly jwks_uri?: string }>
  /** `uat`: when they were read, in seconds since 1970. */
  readKeys?(): { readonly jwks: JSONWebKeySet; readonly uat: number } | undefined
}

export type ProviderKeys = ReturnType<typeof createProviderKeys>

/** The keys of a provider. If they cannot be read, those that are known already serve. Creating it makes no request. */
export function createProviderKeys(
  { timeout, fetch, now, emit }: Pick<ProviderSettings, 'timeout' | 'fetch' | 'now' | 'emit'>,
  { metadata, readKeys }: KeySource,
) {
  const clock = monotonicClock(now)
  let keys: { uri: string; set: ReturnType<typeof createRemoteJWKSet> } | undefined
  let retryAt = 0

  async function keySet() {
    const { jwks_uri = '' } = await metadata()
    if (!URL.canParse(jwks_uri)) throw new ProviderError('temporarily_unavailable')
    if (keys?.uri !== jwks_uri) {
      const read = readKeys?.()
      const options = { timeoutDuration: timeout * 1000, cacheMaxAge: JWKS_MAX_AGE, [customFetch]: fetch }
      const known = read && { [jwksCache]: { jwks: read.jwks, uat: read.uat * 1000 } }
      keys = { uri: jwks_uri, set: createRemoteJWKSet(new URL(jwks_uri), { ...options, ...known }) }
    }
    return keys.set
  }

  function readInBackground(set: ReturnType<typeof createRemoteJWKSet>): void {
    if (set.reloading || clock() < retryAt) return
    set.reload().catch(() => {
      retryAt = clock() + RETRY
      emit({ type: 'provider_unavailable', detail: 'keys' })
    })
  }

  return {
    /** Verifies with the newest keys. If they cannot be read, `verify` is called again with those that are known. */
    async verify<Result>(verify: (keys: JWTVerifyGetKey) => Promise<Result>): Promise<Result> {
      const set = await keySet()
      return verify(set).catch((error: unknown) => {
        const known = areUnreadable(error) ? set.jwks() : undefined
        if (!known) throw error
        return verify(createLocalJWKSet(known))
      })
    },

    /** Verifies with known keys only, without waiting for any. `undefined`: the key is not known yet, and is read now. */
    async verifyAtOnce(verify: (keys: JWTVerifyGetKey) => Promise<unknown>): Promise<boolean | undefined> {
      const set = await keySet().catch(() => undefined)
      if (!set) return undefined
      if (!set.fresh) readInBackground(set)
      const known = set.jwks()
      if (!known) return undefined
      return verify(createLocalJWKSet(known)).then(
        () => true,
        (error: unknown) => {
          if (!(error instanceof errors.JWKSNoMatchingKey) || set.coolingDown) return false
          readInBackground(set)
          return undefined
        },
      )
    },
  }
}

/** Whether an error of a verification says that the keys could not be read. */
export const areUnreadable = (error: unknown): boolean =>
  !(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout || error.code === 'ERR_JOSE_GENERIC'

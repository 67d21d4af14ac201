import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, errors, type JWK, type JWTVerifyGetKey } from 'jose'
import { monotonicClock } from '../../protocol/time.js'
import { requestErrorIn } from '../failures/failure.js'
import type { FailureReports } from '../failures/report.js'
import { createIssuer } from '../issuer.js'
import type { ProviderSettings } from '../settings.js'
import { createKeySet, type KeySet } from './key-set.js'

/** Seconds that the provider’s keys are cached. */
const MAX_AGE = 3600
/** Seconds without a further fetch for unknown keys. @see KeySet */
const COOLDOWN = 30
/** Seconds until keys are read again after a failure, if there are known ones. */
const RETRY = 60

export type ProviderKeys = ReturnType<typeof createProviderKeys>

/** The keys of a provider. If they cannot be read, those that are known already serve. Creating it makes no request. */
export function createProviderKeys(
  settings: Pick<ProviderSettings, 'issuer' | 'tenants' | 'timeout' | 'fetch' | 'now'>,
  metadata: () => Promise<{ readonly jwks_uri?: string }>,
  failures: Pick<FailureReports, 'report'>,
) {
  const { timeout, fetch, now } = settings
  const issuer = createIssuer(settings)
  const clock = monotonicClock(now)
  let found: { uri: string; set: KeySet } | undefined
  let retryAt = Number.NEGATIVE_INFINITY

  async function keySet(): Promise<KeySet> {
    const { jwks_uri = '' } = await metadata()
    if (found?.uri !== jwks_uri) {
      const options = { timeout, cooldown: COOLDOWN, clock, fetch }
      found = { uri: jwks_uri, set: createKeySet({ uri: new URL(jwks_uri), ...options }) }
    }
    return found.set
  }

  const isStale = (set: KeySet): boolean => clock() - set.readAt >= MAX_AGE

  /** If it fails, it is tried again after a minute. */
  function inBackground(set: KeySet, read: () => Promise<unknown>): void {
    if (set.reloading || clock() < retryAt) return
    read().catch((error) => {
      if (!areUnreadable(error)) return
      retryAt = clock() + RETRY
      failures.report(error, 'keys')
    })
  }

  /** Reads keys that are too old. If that fails, they still serve. */
  async function readIfStale(set: KeySet): Promise<void> {
    if (!set.known || !isStale(set) || clock() < retryAt) return
    await set.reload().catch((error: unknown) => {
      retryAt = clock() + RETRY
      failures.report(error, 'keys')
    })
  }

  /** Where many tenants share a key set, a key may be for one issuer only: its member `issuer` says which. */
  const forIssuer =
    (set: KeySet, keys: JWTVerifyGetKey): JWTVerifyGetKey =>
    async (header, token) => {
      if (!issuer.isTemplate) return keys(header, token)
      // A new key is looked for in the whole set. Of several, some may be of another issuer.
      await Promise.resolve(keys(header, token)).catch((error: unknown) => {
        if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
      })
      const { iss } = decodeJwt(`.${token.payload}.`)
      const isOwn = (each: JWK & { issuer?: unknown }) =>
        [undefined, settings.issuer, iss].some((one) => one === each.issuer)
      return createLocalJWKSet({ keys: (set.jwks()?.keys ?? []).filter(isOwn) })(header, token)
    }

  return {
    /**
     * Verifies a token with the newest keys. If they cannot be read, those that are known serve.
     *
     * `direct`: the provider itself has sent the token.
     *
     * @throws ProviderError if the keys cannot be read; otherwise what `verify` throws
     */
    async verify<Result>(
      token: string,
      verify: (keys: JWTVerifyGetKey) => Promise<Result>,
      direct = false,
    ): Promise<Result> {
      const set = await keySet()
      await readIfStale(set)
      return withAnyKey(token, forIssuer(set, set.find(direct)), verify).catch((error: unknown) => {
        throw areUnreadable(error) ? failures.report(error, 'keys') : error
      })
    },

    /** Verifies with known keys only, without waiting for any. `undefined`: the key is not known yet, and is read now. */
    async verifyAtOnce(
      token: string,
      verify: (keys: JWTVerifyGetKey) => Promise<unknown>,
    ): Promise<boolean | undefined> {
      const set = await keySet().catch(() => undefined)
      if (!set) return undefined
      if (isStale(set)) inBackground(set, set.reload)
      const { known } = set
      if (!known) return undefined
      return withAnyKey(token, forIssuer(set, known), verify).then(
        () => true,
        (error: unknown) => {
          if (!(error instanceof errors.JWKSNoMatchingKey) || (set.coolingDown && !set.reloading)) return false
          inBackground(set, () => verify(set.find()))
          return undefined
        },
      )
    },
  }
}

/** Verifies with the matching key, or with any of several keys that have the `kid` of the token. */
async function withAnyKey<Result>(
  token: string,
  keys: JWTVerifyGetKey,
  verify: (keys: JWTVerifyGetKey) => Promise<Result>,
): Promise<Result> {
  try {
    return await verify(keys)
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys) || !('kid' in decodeProtectedHeader(token))) throw error
    for await (const key of error)
      try {
        return await verify(async () => key)
      } catch (fault) {
        if (!(fault instanceof errors.JWSSignatureVerificationFailed)) throw fault
      }
    throw new errors.JWSSignatureVerificationFailed()
  }
}

/** Whether the keys could not be read or used. Otherwise the error is about the token. */
const areUnreadable = (error: unknown): boolean =>
  !(error instanceof errors.JOSEError) || error instanceof errors.JWKSInvalid || requestErrorIn(error) !== undefined

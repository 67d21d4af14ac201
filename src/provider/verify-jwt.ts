import { createRemoteJWKSet, customFetch, errors, type JWTVerifyResult, jwtVerify } from 'jose'
import { ProviderError } from './errors.js'
import type { Provider } from './provider.js'

/** Milliseconds for which the provider's keys are used without asking again; an unknown `kid` asks, twice a minute at most. */
const KEYS_AGE = 3_600_000

/**
 * Verifies what a provider signs for this client beside ID Tokens: signature by its published keys, `alg` on the
 * configured list, `iss`, `aud`, and `exp` and what else is required.
 *
 * @throws ProviderError `temporarily_unavailable` while the keys cannot be had; else what `refused` makes of the claim at fault
 */
export function createProviderJwt(provider: Provider, refused: (claim: string) => Error) {
  const { issuer, client_id, idTokenAlgs, clockTolerance, now, timeout, fetch } = provider.settings
  let keys: { uri: string; set: ReturnType<typeof createRemoteJWKSet> } | undefined

  async function keySet() {
    const { jwks_uri = '' } = await provider.metadata()
    if (!URL.canParse(jwks_uri)) throw new ProviderError('temporarily_unavailable')
    if (keys?.uri !== jwks_uri) {
      const options = { timeoutDuration: timeout * 1000, cacheMaxAge: KEYS_AGE, [customFetch]: fetch }
      keys = { uri: jwks_uri, set: createRemoteJWKSet(new URL(jwks_uri), options) }
    }
    return keys.set
  }

  return async (token: string, requiredClaims: string[]): Promise<JWTVerifyResult> => {
    const set = await keySet()
    return jwtVerify(token, set, {
      algorithms: [...idTokenAlgs],
      issuer,
      audience: client_id,
      clockTolerance,
      currentDate: new Date(now() * 1000),
      requiredClaims: ['exp', ...requiredClaims],
    }).catch((error: unknown) => {
      const claim = faultOf(error)
      throw claim === undefined ? new ProviderError('temporarily_unavailable') : refused(claim)
    })
  }
}

/** What is wrong with a token; `undefined` for keys that cannot be had, which is no fault of the token. */
function faultOf(error: unknown): string | undefined {
  if (error instanceof errors.JWTExpired) return 'exp'
  if (error instanceof errors.JWTClaimValidationFailed) return error.claim
  if (error instanceof errors.JOSEAlgNotAllowed) return 'alg'
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed)
    return 'signature'
  const unreachable =
    !(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout || error.code === 'ERR_JOSE_GENERIC'
  return unreachable ? undefined : 'format'
}

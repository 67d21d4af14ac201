import { createRemoteJWKSet, customFetch, errors, type JWTVerifyResult, jwtVerify } from 'jose'
import { ProviderError } from './errors.js'
import type { Provider } from './provider.js'

/** Milliseconds that the provider’s keys are cached. An unknown `kid` reads them again, twice a minute at most. */
const JWKS_MAX_AGE = 3_600_000

/**
 * Verifies JWTs of a provider that are not ID Tokens: signature, `alg` on the configured list, `iss`, `aud`, `exp`, and that the
 * required claims are present.
 *
 * @throws ProviderError `temporarily_unavailable` if the keys cannot be read; otherwise the error that `refused` returns for a claim
 */
export function createProviderJwt(provider: Provider, refused: (claim: string) => Error) {
  const { issuer, client_id, idTokenAlgs, clockTolerance, now, timeout, fetch } = provider.settings
  let keys: { uri: string; set: ReturnType<typeof createRemoteJWKSet> } | undefined

  async function keySet() {
    const { jwks_uri = '' } = await provider.metadata()
    if (!URL.canParse(jwks_uri)) throw new ProviderError('temporarily_unavailable')
    if (keys?.uri !== jwks_uri) {
      const options = { timeoutDuration: timeout * 1000, cacheMaxAge: JWKS_MAX_AGE, [customFetch]: fetch }
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

/** The claim or part that is invalid; `undefined` if the keys could not be read. */
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

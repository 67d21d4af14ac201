import { errors, type JWTVerifyResult, jwtVerify } from 'jose'
import { ProviderError } from './errors.js'
import type { Provider } from './provider.js'
import { areUnreadable } from './provider-keys.js'

/**
 * Verifies JWTs of a provider that are not ID Tokens: signature, `alg` on the configured list, `iss`, `aud`, `exp`, and that the
 * required claims are present.
 *
 * @throws ProviderError `temporarily_unavailable` if the keys cannot be read; otherwise the error that `refused` returns for a claim
 */
export function createProviderJwt(provider: Provider, refused: (claim: string) => Error) {
  const { issuer, client_id, idTokenAlgs, clockTolerance, now } = provider.settings

  return async (token: string, requiredClaims: string[]): Promise<JWTVerifyResult> => {
    const options = {
      algorithms: [...idTokenAlgs],
      issuer,
      audience: client_id,
      clockTolerance,
      currentDate: new Date(now() * 1000),
      requiredClaims: ['exp', ...requiredClaims],
    }
    return provider.keys
      .verify((keys) => jwtVerify(token, keys, options))
      .catch((error: unknown) => {
        if (error instanceof ProviderError) throw error
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
  return areUnreadable(error) ? undefined : 'format'
}

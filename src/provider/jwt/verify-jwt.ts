import { decodeJwt, errors, type JWTVerifyResult, jwtVerify } from 'jose'
import { ProviderError } from '../errors.js'
import { createIssuer } from '../issuer.js'
import type { ProviderSettings } from '../settings.js'
import { areUnreadable, type ProviderKeys } from './provider-keys.js'

interface JwtOptions {
  requiredClaims: string[]
  /** The provider itself has sent the token, so its key is looked for even if others were not found. */
  direct?: boolean
}

/**
 * Verifies JWTs of a provider: signature, `alg` on the configured list, `iss`, `aud`, `exp`, and that the required claims are
 * present. What the metadata says of algorithms does not count: the client is registered with those of the configuration.
 *
 * @throws ProviderError `temporarily_unavailable` if the keys cannot be read; otherwise the error that `refused` returns for a claim
 */
export function createProviderJwt(
  { settings, keys }: { settings: ProviderSettings; keys: ProviderKeys },
  refused: (claim: string) => Error,
) {
  const { client_id, idTokenAlgs, clockTolerance, now, emit } = settings
  const issuer = createIssuer(settings)

  return async (token: string, { requiredClaims, direct = false }: JwtOptions): Promise<JWTVerifyResult> => {
    const options = {
      algorithms: [...idTokenAlgs],
      issuer: issuer.expected(unverifiedIssuer(token)),
      audience: client_id,
      clockTolerance,
      currentDate: new Date(now() * 1000),
      requiredClaims: ['exp', ...requiredClaims],
    }
    return keys
      .verify(token, (keys) => jwtVerify(token, keys, options), direct)
      .catch((error: unknown) => {
        if (error instanceof ProviderError) throw error
        const claim = faultOf(error)
        if (claim !== undefined) throw refused(claim)
        emit({ type: 'provider_unavailable', detail: 'keys' })
        throw new ProviderError('temporarily_unavailable', { cause: error })
      })
  }
}

/** The `iss` of a token before it is verified: it only selects the expected one. */
function unverifiedIssuer(token: string): unknown {
  try {
    return decodeJwt(token).iss
  } catch {
    return undefined
  }
}

/** The claim or part that is invalid; `undefined` if the keys could not be read. */
function faultOf(error: unknown): string | undefined {
  if (error instanceof errors.JWTExpired) return 'exp'
  if (error instanceof errors.JWTClaimValidationFailed) return error.claim
  if (error instanceof errors.JOSEAlgNotAllowed) return 'alg'
  if (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JWSSignatureVerificationFailed
  )
    return 'signature'
  return areUnreadable(error) ? undefined : 'format'
}

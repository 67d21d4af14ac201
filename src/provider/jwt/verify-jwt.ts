import { decodeJwt, decodeProtectedHeader, errors, type JWTVerifyResult, jwtVerify } from 'jose'
import { ProviderError } from '../errors.js'
import { createIssuer } from '../issuer.js'
import type { ProviderSettings } from '../settings.js'
import type { ProviderKeys } from './provider-keys.js'

interface JwtOptions {
  requiredClaims: string[]
  /** The provider itself has sent the token, so its key is looked for even if others were not found. */
  direct?: boolean
}

/**
 * Verifies JWTs of a provider: signature, `alg` on the configured list, `iss`, `aud`, `exp`, and that the required claims are
 * present. What the metadata says of algorithms does not count: the client is registered with those of the configuration.
 *
 * @throws ProviderError if the keys cannot be read; otherwise the error that `refused` returns for a claim. Its `detail` is for the
 * operator.
 */
export function createProviderJwt(
  { settings, keys }: { settings: ProviderSettings; keys: ProviderKeys },
  refused: (claim: string, detail?: string) => Error,
) {
  const { client_id, idTokenAlgs, clockTolerance, now } = settings
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
        if (!(error instanceof errors.JOSEAlgNotAllowed)) throw refused(faultOf(error))
        throw refused('alg', algorithmDetail(decodeProtectedHeader(token).alg, idTokenAlgs))
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

/** For the operator: the algorithm of a refused token, which is not verified, and the option that does not list it. */
export const algorithmDetail = (alg: unknown, idTokenAlgs: readonly string[]): string =>
  `"alg" is ${typeof alg === 'string' && /^[\w-]{1,32}$/.test(alg) ? alg : 'unknown'}; idTokenAlgs has ${idTokenAlgs.join(', ')}`

/** The claim or part that is invalid. */
function faultOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'exp'
  if (error instanceof errors.JWTClaimValidationFailed) return error.claim
  if (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JWSSignatureVerificationFailed
  )
    return 'signature'
  return 'format'
}

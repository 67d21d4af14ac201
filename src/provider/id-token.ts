import { decodeBase64url, encodeBase64url } from '../protocol/base64url.js'
import { ProviderError } from './errors.js'
import type { ProviderSettings } from './settings.js'

/** Seconds. An older ID Token was not issued for the code that was just redeemed. */
const MAX_AGE = 600

interface IdTokenToCheck {
  claims: {
    iat: number
    aud: string | string[]
    azp?: unknown
    acr?: unknown
    at_hash?: unknown
    [claim: string]: unknown
  }
  id_token: string
  access_token: string
  acr_values?: string | undefined
}

/**
 * The checks that openid-client does not make: `typ`, `alg` on the configured list, `azp`, an `iat` that is in the future or too
 * old, a requested `acr`, and `at_hash` if present. openid-client has checked the signature, `iss`, `aud`, `exp`, `nonce`, and
 * `auth_time` against `max_age`.
 *
 * @throws ProviderError `id_token_invalid` with the claim
 * @see OpenID Connect Core 1.0 sections 3.1.3.7 and 3.1.3.8
 */
export async function validateIdToken(
  { claims, id_token, access_token, acr_values }: IdTokenToCheck,
  settings: Pick<ProviderSettings, 'client_id' | 'idTokenAlgs' | 'clockTolerance' | 'now' | 'emit'>,
): Promise<void> {
  const { client_id, idTokenAlgs, clockTolerance, now, emit } = settings
  const refuse = (claim: string): never => {
    emit({ type: 'id_token_refused', claim })
    throw new ProviderError('id_token_invalid', { claim, description: `The ID Token was refused: ${claim}` })
  }
  const { alg, typ } = headerOf(id_token)
  if (hasOtherType(typ)) refuse('typ')
  if (!idTokenAlgs.includes(alg)) refuse('alg')
  if (claims.azp !== undefined && claims.azp !== client_id) refuse('azp')
  if (Array.isArray(claims.aud) && claims.aud.length > 1 && claims.azp === undefined) refuse('azp')
  if (claims.iat > now() + clockTolerance || claims.iat < now() - MAX_AGE) refuse('iat')
  if (acr_values !== undefined && !acr_values.split(' ').some((requested) => requested === claims.acr)) refuse('acr')
  if (claims.at_hash !== undefined && claims.at_hash !== (await halfHash(access_token, alg))) refuse('at_hash')
}

/** The header of a token whose signature has been verified, so it is known to be JSON. */
function headerOf(id_token: string): { alg: string; typ?: unknown } {
  const bytes = decodeBase64url(id_token.slice(0, id_token.indexOf('.')))
  const header = (bytes ? JSON.parse(new TextDecoder().decode(bytes)) : {}) as { alg?: unknown; typ?: unknown }
  return { ...header, alg: `${header.alg}` }
}

/**
 * Whether `typ` is anything but `JWT`. The same key signs ID Tokens and logout tokens: without this check, a logout token with
 * a `nonce` could be used to sign in. No other type is registered for ID Tokens. @see RFC 8725 section 3.11
 */
export const hasOtherType = (typ: unknown): boolean => typ !== undefined && !/^(application\/)?jwt$/i.test(`${typ}`)

/** The left half of the hash, for `at_hash`. The hash function is that of `alg`; Ed25519 uses SHA-512. */
async function halfHash(access_token: string, alg: string): Promise<string> {
  const bits = /(256|384|512)$/.exec(alg)?.[1] ?? '512'
  const digest = new Uint8Array(await crypto.subtle.digest(`SHA-${bits}`, new TextEncoder().encode(access_token)))
  return encodeBase64url(digest.subarray(0, digest.length / 2))
}

/** The claim or header parameter that openid-client refused; `undefined` for any other error. */
export function refusedClaim(error: unknown): string | undefined {
  const { code, cause } = error as { code?: string; cause?: { message?: string; cause?: { claim?: unknown } } }
  const message = cause?.message ?? ''
  if (code === 'OAUTH_KEY_SELECTION_FAILED' || message.includes('signature verification')) return 'signature'
  if (message.includes('"alg"')) return 'alg'
  const claim = cause?.cause?.claim ?? /(?:JWT|ID Token) "(\w+)"/.exec(message)?.[1]
  if (typeof claim === 'string') return claim
  if (/JWT|ID Token/.test(message)) return 'format'
  if (/id_token/.test(message)) return 'missing'
  return undefined
}

import type { JWTPayload } from 'jose'
import { encodeBase64url } from '../../protocol/base64url.js'
import { ProviderError } from '../errors.js'
import { createIssuer } from '../issuer.js'
import type { ProviderSettings } from '../settings.js'
import type { ProviderKeys } from './provider-keys.js'
import { createProviderJwt } from './verify-jwt.js'

/** Seconds. An older ID Token was not issued for the code that was just redeemed. */
const MAX_AGE = 600

/** The claims of a verified ID Token. @see OpenID Connect Core 1.0 section 2 */
export interface IdTokenClaims extends JWTPayload {
  iss: string
  sub: string
  aud: string | string[]
  iat: number
  exp: number
}

/** The ID Token of a sign-in, the token beside it, and what the authorization request said. */
interface IdTokenToCheck {
  id_token: string
  access_token: string
  nonce: string
  max_age?: number | undefined
  acr_values?: string | undefined
}

/**
 * Verifies the ID Token of a sign-in: signature, `alg` on the configured list, `typ`, `iss`, `tid` where the issuer is a template,
 * `sub`, `aud`, `azp`, `exp`, an `iat` that is in the future or too old, `nonce`, `auth_time` against `max_age`, a requested `acr`, and
 * `at_hash` if present.
 *
 * Not checked: whether the tenant may sign in.
 *
 * @throws ProviderError `id_token_invalid` with the claim, another code if the keys cannot be read
 * @see OpenID Connect Core 1.0 sections 3.1.3.7 and 3.1.3.8
 */
export async function verifyIdToken(
  { id_token, access_token, nonce, max_age, acr_values }: IdTokenToCheck,
  settings: ProviderSettings,
  keys: ProviderKeys,
): Promise<IdTokenClaims> {
  const { client_id, clockTolerance, now, emit } = settings
  const refused = (claim: string, detail?: string): ProviderError => {
    emit({ type: 'id_token_refused', claim, ...(detail !== undefined && { detail }) })
    return new ProviderError('id_token_invalid', { claim, description: `The ID Token was refused: ${claim}` })
  }
  const requireThat = (holds: boolean, claim: string): void => {
    if (!holds) throw refused(claim)
  }
  const verify = createProviderJwt({ settings, keys }, refused)
  const { payload, protectedHeader } = await verify(id_token, {
    requiredClaims: ['sub', 'aud', 'iat', 'nonce'],
    direct: true,
  })
  const { sub, aud, azp, iat, auth_time, acr, at_hash } = payload
  requireThat(!hasOtherType(protectedHeader.typ), 'typ')
  requireThat(createIssuer(settings).isOwnTenant(payload), 'tid')
  requireThat(typeof sub === 'string' && sub !== '', 'sub')
  requireThat(azp === undefined || azp === client_id, 'azp')
  requireThat(!Array.isArray(aud) || aud.length === 1 || azp !== undefined, 'aud')
  requireThat(typeof iat === 'number' && iat <= now() + clockTolerance && iat >= now() - MAX_AGE, 'iat')
  requireThat(payload['nonce'] === nonce, 'nonce')
  requireThat(auth_time === undefined || typeof auth_time === 'number', 'auth_time')
  if (max_age !== undefined)
    requireThat(typeof auth_time === 'number' && auth_time + max_age >= now() - clockTolerance, 'auth_time')
  if (acr_values !== undefined)
    requireThat(
      acr_values.split(' ').some((requested) => requested === acr),
      'acr',
    )
  if (at_hash !== undefined) requireThat(at_hash === (await halfHash(access_token, protectedHeader.alg)), 'at_hash')
  return payload as IdTokenClaims
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

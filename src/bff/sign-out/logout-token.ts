import { decodeJwt, type JWTPayload } from 'jose'
import { createProviderJwt } from '../../provider/jwt/verify-jwt.js'
import { Refusal } from '../errors.js'
import type { Provider } from '../providers.js'
import type { SessionOwner } from '../sessions/sessions.js'

/** Seconds. An older token is refused, whatever its `exp`. */
const MAX_AGE = 300

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/** A verified logout token. */
interface VerifiedLogoutToken {
  readonly owner: SessionOwner
  readonly jti: string
  /** Seconds for which the token must be remembered, so that it is not used again. */
  readonly lifetime: number
}

/**
 * Verifies logout tokens of the configured issuer: signature, `alg` on the configured list, `typ` (`logout+jwt` or `JWT`, if present),
 * `iss`, `aud`, `exp` and `iat` within tolerance, the event, `sub` or `sid`, `jti`, and that there is no claim that only ID Tokens
 * have (`nonce`, `at_hash`, `c_hash`, `s_hash`).
 *
 * Not checked: whether the token was used before. The caller checks that, with `jti`.
 *
 * @throws Refusal `invalid_request` for a token that is refused, ProviderError if the keys cannot be read
 * @see OpenID Connect Back-Channel Logout 1.0 sections 2.4 and 2.6
 */
export function createLogoutTokenVerifier(provider: Provider) {
  const { clockTolerance, now } = provider.settings
  const verify = createProviderJwt(provider, refusedLogout)

  return async (token: string): Promise<VerifiedLogoutToken> => {
    const { payload, protectedHeader } = await verify(token, { requiredClaims: ['iat', 'jti'] })
    const type = protectedHeader.typ?.toLowerCase().replace(/^application\//, '')
    if (type !== undefined && type !== 'logout+jwt' && type !== 'jwt') throw refusedLogout('typ')
    return validateClaims(payload, now(), clockTolerance)
  }
}

/** Claims of ID Tokens: an ID Token must not be used as a logout token. */
const idTokenClaims = ['nonce', 'at_hash', 'c_hash', 's_hash']

function validateClaims(claims: JWTPayload, now: number, tolerance: number): VerifiedLogoutToken {
  const { iss = '', iat = 0, exp = 0, jti, sub, sid, events } = claims as JWTPayload & Record<string, unknown>
  if (iat > now + tolerance || iat < now - MAX_AGE) throw refusedLogout('iat')
  const event = events instanceof Object ? (events as Record<string, unknown>)[EVENT] : undefined
  if (!(event instanceof Object) || Array.isArray(event)) throw refusedLogout('events')
  for (const claim of idTokenClaims) if (claims[claim] !== undefined) throw refusedLogout(claim)
  if (typeof jti !== 'string' || !jti) throw refusedLogout('jti')
  if (sub !== undefined && (typeof sub !== 'string' || !sub)) throw refusedLogout('sub')
  if (sid !== undefined && (typeof sid !== 'string' || !sid)) throw refusedLogout('sid')
  if (sub === undefined && sid === undefined) throw refusedLogout('sub')
  const last = Math.min(exp, iat + MAX_AGE) + tolerance + 1
  return { owner: { iss, sub, sid: sid as string | undefined }, jti, lifetime: Math.max(1, last - now) }
}

export const refusedLogout = (claim: string, detail?: string): Refusal => {
  const description = `The logout token was refused: ${claim}`
  return new Refusal('invalid_request', {
    claim,
    description,
    ...(detail !== undefined && { detail: `${description}, ${detail}` }),
  })
}

/** `iss` of a token, not verified: to find the keys to verify it with. @throws Refusal */
export function unverifiedIssuer(token: string): string {
  try {
    return `${decodeJwt(token).iss}`
  } catch {
    throw refusedLogout('format')
  }
}

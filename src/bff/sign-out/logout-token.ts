import { decodeJwt, type JWTPayload } from 'jose'
import { createProviderJwt } from '../../provider/verify-jwt.js'
import { Refusal } from '../errors.js'
import type { Provider } from '../providers.js'
import type { SessionOwner } from '../sessions/sessions.js'

/** Seconds: one that was issued longer ago is not believed any more, whatever its `exp` says. */
const MAX_AGE = 300

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/** A logout token whose every rule has been checked. */
export interface VerifiedLogoutToken {
  readonly owner: SessionOwner
  readonly jti: string
  /** Seconds for which the token could be shown again. */
  readonly lifetime: number
}

/**
 * Verifies logout tokens of the configured issuer: signature by its published keys, `alg` on the configured list, `typ`
 * `logout+jwt` where there is one, `iss`, `aud`, `exp` and `iat` within tolerance, the event, `sub` or `sid`, a `jti`, and
 * nothing that only ID Tokens have (`nonce`, `at_hash`, `c_hash`, `s_hash`).
 *
 * Not checked: whether it was shown before. The caller does, with `jti`.
 *
 * @throws Refusal `invalid_request` for a token that is refused, `temporarily_unavailable` while the keys cannot be had
 * @see OpenID Connect Back-Channel Logout 1.0 sections 2.4 and 2.6
 */
export function createLogoutTokenVerifier(provider: Provider) {
  const { issuer, clockTolerance, now } = provider.settings
  const verify = createProviderJwt(provider, refusedLogout)

  return async (token: string): Promise<VerifiedLogoutToken> => {
    const { payload, protectedHeader } = await verify(token, ['iat', 'jti'])
    const type = protectedHeader.typ?.toLowerCase().replace(/^application\//, '')
    if (type !== undefined && type !== 'logout+jwt' && type !== 'jwt') throw refusedLogout('typ')
    return validateClaims(payload, issuer, now(), clockTolerance)
  }
}

/** What only ID Tokens have. One with the event in it must not sign anybody out. */
const idTokenClaims = ['nonce', 'at_hash', 'c_hash', 's_hash']

function validateClaims(claims: JWTPayload, iss: string, now: number, tolerance: number): VerifiedLogoutToken {
  const { iat = 0, exp = 0, jti, sub, sid, events } = claims as JWTPayload & Record<string, unknown>
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

export const refusedLogout = (claim: string): Refusal =>
  new Refusal('invalid_request', { claim, description: `The logout token was refused: ${claim}` })

/** Whose a token says it is, to know by which keys to judge it; nothing of it is believed before. @throws Refusal */
export function unverifiedIssuer(token: string): string {
  try {
    return `${decodeJwt(token).iss}`
  } catch {
    throw refusedLogout('format')
  }
}

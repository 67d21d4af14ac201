import { createRemoteJWKSet, customFetch, errors, type JWTPayload, jwtVerify } from 'jose'
import { Refusal } from './errors.js'
import type { Provider } from './provider.js'
import type { Whose } from './sessions.js'
import type { Settings } from './settings.js'

/** Seconds: one that was issued longer ago is not believed any more, whatever its `exp` says. */
const ANCIENT = 300

/** Milliseconds for which the provider's keys are used without asking again; an unknown `kid` asks, twice a minute at most. */
const KEYS_AGE = 3_600_000

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/** A logout token whose every rule has been checked. */
export interface VerifiedLogoutToken {
  readonly whose: Whose
  readonly jti: string
  /** Seconds for which the token could be shown again. */
  readonly lifetime: number
}

/**
 * Verifies logout tokens of the configured issuer: signature by its published keys, `alg` on the configured list, `typ`
 * `logout+jwt` where there is one, `iss`, `aud`, `exp` and `iat` within tolerance, the event, `sub` or `sid`, a `jti`, and
 * no `nonce`.
 *
 * Not checked: whether it was shown before. The caller does, with `jti`.
 *
 * @throws Refusal `invalid_request` for a token that is refused, `temporarily_unavailable` while the keys cannot be had
 * @see OpenID Connect Back-Channel Logout 1.0 sections 2.4 and 2.6
 */
export function createLogoutTokenVerifier(settings: Settings, provider: Provider) {
  const { issuer, client_id, idTokenAlgs, clockTolerance, now } = settings
  let keys: { uri: string; set: ReturnType<typeof createRemoteJWKSet> } | undefined

  async function keySet() {
    const { jwks_uri = '' } = await provider.metadata()
    if (!URL.canParse(jwks_uri)) throw new Refusal('temporarily_unavailable')
    if (keys?.uri !== jwks_uri) {
      const options = {
        timeoutDuration: settings.timeout * 1000,
        cacheMaxAge: KEYS_AGE,
        [customFetch]: settings.fetch,
      }
      keys = { uri: jwks_uri, set: createRemoteJWKSet(new URL(jwks_uri), options) }
    }
    return keys.set
  }

  return async (token: string): Promise<VerifiedLogoutToken> => {
    const set = await keySet()
    const { payload, protectedHeader } = await jwtVerify(token, set, {
      algorithms: [...idTokenAlgs],
      issuer,
      audience: client_id,
      clockTolerance,
      currentDate: new Date(now() * 1000),
      requiredClaims: ['iat', 'exp', 'jti'],
    }).catch((error: unknown) => {
      throw refusalOf(error)
    })
    const type = protectedHeader.typ?.toLowerCase().replace(/^application\//, '')
    if (type !== undefined && type !== 'logout+jwt' && type !== 'jwt') throw refused('typ')
    return judge(payload, now(), clockTolerance)
  }
}

function judge(claims: JWTPayload, now: number, tolerance: number): VerifiedLogoutToken {
  const { iat = 0, exp = 0, jti, sub, sid, events, nonce } = claims as JWTPayload & Record<string, unknown>
  if (iat > now + tolerance || iat < now - ANCIENT) throw refused('iat')
  const event = events instanceof Object ? (events as Record<string, unknown>)[EVENT] : undefined
  if (!(event instanceof Object) || Array.isArray(event)) throw refused('events')
  if (nonce !== undefined) throw refused('nonce')
  if (typeof jti !== 'string' || !jti) throw refused('jti')
  if (sub !== undefined && (typeof sub !== 'string' || !sub)) throw refused('sub')
  if (sid !== undefined && (typeof sid !== 'string' || !sid)) throw refused('sid')
  if (sub === undefined && sid === undefined) throw refused('sub')
  const last = Math.min(exp, iat + ANCIENT) + tolerance
  return { whose: { sub, sid: sid as string | undefined }, jti, lifetime: Math.max(1, last - now) }
}

const refused = (claim: string): Refusal =>
  new Refusal('invalid_request', { claim, description: `The logout token was refused: ${claim}` })

/** Keys that cannot be had are no fault of the token: the provider is to send it again. */
function refusalOf(error: unknown): Refusal {
  if (error instanceof errors.JWTExpired) return refused('exp')
  if (error instanceof errors.JWTClaimValidationFailed) return refused(error.claim)
  if (error instanceof errors.JOSEAlgNotAllowed) return refused('alg')
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed)
    return refused('signature')
  const unreachable =
    !(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout || error.code === 'ERR_JOSE_GENERIC'
  return unreachable ? new Refusal('temporarily_unavailable') : refused('format')
}

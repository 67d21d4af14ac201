import type { AuthenticationResult, Authenticator, Principal } from '../protocol/principal.js'
import { object, optional, text } from '../protocol/shape.js'
import { validate } from '../protocol/validate.js'
import { StoreError } from '../store/contract.js'
import type { Bff } from './bff.js'
import { contextOf } from './context.js'
import { bffErrors, Refusal, retryLater, storeDown } from './errors.js'
import { createCookieJar } from './http/cookies.js'
import { requireOwnPage } from './http/csrf.js'
import type { PresentSession } from './sessions/sessions.js'
import { requireUser } from './sessions/signed-in-user.js'

export interface SessionCookieOptions {
  /** The claim that names the tenant: one of the backend's `claims`. Default `tenant`. */
  tenantClaim?: string
}

export const sessionCookieOptions = object<SessionCookieOptions>({ tenantClaim: optional(text) })

/**
 * Accepts the session cookie of a backend, for an API on the app’s own origin: `createGuard({ accept: [sessionCookie(bff)] })`.
 * Every request, including GET, must have the header `Sallyport-CSRF: 1` and come from `baseUrl` or one of `allowedOrigins`.
 * Otherwise the answer is 403 `csrf_required`, which names the expected origin. `EventSource`, WebSockets and navigations cannot
 * send the header.
 *
 * A page can say which user it shows: the header `Sallyport-User` with the `user_digest` of `/session`. If another user is
 * signed in, the answer is 409 `user_changed`.
 *
 * The principal has the granted scopes, the claims that the page may see, and `acr` and `auth_time` of the sign-in. A cookie
 * without a session is 401 `session_expired`, with the same body for every cause. If the store is down, the answer is 503 and the
 * cookie is kept. Sign-out and revocation take effect at the next request.
 *
 * With a store, a request counts as use, like one to `/api`. With sealed cookies it does not, because only a response of the
 * backend can set the cookie of the last use. No request goes to the provider.
 *
 * Not done: CORS for `allowedOrigins`, rate limits, caching headers. An API in another process needs a backend with the same
 * options and the same store. With sealed cookies, only one process knows who has signed out.
 *
 * @throws TypeError when `bff` is not from `createBff()`, or does not keep the claim that `tenantClaim` names
 * @see RFC 10017 section 6.1.3.3
 */
export function sessionCookie(bff: Bff, options: SessionCookieOptions = {}): Authenticator {
  validate('sessionCookie', sessionCookieOptions, options)
  const context = contextOf(bff)
  if (!context) throw new TypeError('sessionCookie: "bff" must be what createBff(…) returned, not a copy of it')
  const { settings, sessions } = context
  const { tenantClaim = 'tenant' } = options
  if (options.tenantClaim !== undefined && !settings.claims.includes(tenantClaim))
    throw new TypeError(
      `sessionCookie: "tenantClaim" names "${tenantClaim}", which the backend does not keep; add it to "claims"`,
    )
  const jar = createCookieJar(settings)
  const countsAsUse = settings.store !== undefined

  return {
    method: 'session_cookie',
    explicit: false,
    // No scheme is registered for cookies. Browsers ignore this one. Its parameters can request a step-up.
    challenge: { scheme: 'Cookie' },
    claims: (request) => jar.values(request, jar.session).length > 0,

    async verify(request): Promise<AuthenticationResult> {
      try {
        requireOwnPage(request, settings)
        const session = await sessions.read(request, countsAsUse, false)
        if (!session.record) return refused(new Refusal('session_expired'), session.reason)
        await requireUser(request, session.record)
        return { ok: true, principal: principalOf(session, tenantClaim) }
      } catch (error) {
        if (error instanceof Refusal) return refused(error, error.details.detail)
        if (!(error instanceof StoreError)) throw error
        return refused(new Refusal('temporarily_unavailable', { description: storeDown }), error.code)
      }
    },
  }
}

function principalOf({ record, expiresAt }: PresentSession, tenantClaim: string): Principal {
  const { sub, iss, scope, claims, acr, auth_time, created } = record
  const tenant = claims[tenantClaim]
  return {
    method: 'session_cookie',
    sub,
    iss,
    scopes: scope.split(' ').filter(Boolean),
    ...(typeof tenant === 'string' && { tenant }),
    expiresAt,
    // A copy, because the record is cached: a handler that changes the claims must not change those of the next request.
    claims: {
      ...structuredClone(claims),
      iat: Math.floor(created),
      ...(acr !== undefined && { acr }),
      ...(auth_time !== undefined && { auth_time }),
    },
  }
}

function refused({ code, message }: Refusal, detail?: string): AuthenticationResult {
  const [status] = bffErrors[code]
  return {
    ok: false,
    status: status as 401 | 403 | 409 | 503,
    error: code,
    error_description: message,
    ...(retryLater(code) && { retryAfter: 1 }),
    ...(detail !== undefined && { detail }),
  }
}

import type { AuthenticationResult, Authenticator, Principal } from '../protocol/principal.js'
import { object, optional, text } from '../protocol/shape.js'
import { validate } from '../protocol/validate.js'
import { StoreError } from '../store/contract.js'
import type { Bff } from './bff.js'
import { contextOf } from './context.js'
import { bffErrors, Refusal, storeDown } from './errors.js'
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
 * Accepts the session cookie of a backend, for an API on the app's own origin: `createGuard({ accept: [sessionCookie(bff)] })`.
 * The page sends what it sends the backend, on every method, GET included: the header `Sallyport-CSRF: 1`, from `baseUrl` or
 * one of `allowedOrigins`. Anything else is 403 `csrf_required`, naming the origin expected. `EventSource`, WebSockets and
 * navigations cannot send the header.
 *
 * A page that says whom it shows, by the header `Sallyport-User` with the `user_digest` of `/session`, is refused while another
 * person is signed in: 409 `user_changed`.
 *
 * The principal has the granted scopes, the claims that the page sees, and `acr` and `auth_time` of the sign-in. A cookie
 * without a session, whatever became of it, is 401 `session_expired`, one body for every cause; a store that is away is 503
 * with the cookie untouched. Sign-out and revocation hold on the next request.
 *
 * With a store a call counts as use, as a call of `/api` does; beside sealed cookies it does not, since only an answer of the
 * backend can write down the last use. The provider is never asked.
 *
 * Not done: CORS for `allowedOrigins`, rate limits; the answer's caching is the API's. An API in another process makes the
 * same backend there, over the same store: sealed cookies of a person who has signed out are known to one process.
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
    // No scheme is registered for cookies, and browsers pass over this one; a step-up is told by its parameters.
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
        if (error instanceof Refusal) return refused(error)
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
    // A copy: what one request's handler writes is nothing that the next one, or the page, reads.
    claims: {
      ...structuredClone(claims),
      iat: Math.floor(created),
      ...(acr !== undefined && { acr }),
      ...(auth_time !== undefined && { auth_time }),
    },
  }
}

function refused({ code, message, retryable }: Refusal, detail?: string): AuthenticationResult {
  const [status] = bffErrors[code]
  return {
    ok: false,
    status: status as 401 | 403 | 409 | 503,
    error: code,
    error_description: message,
    ...(retryable && { retryAfter: 1 }),
    ...(detail !== undefined && { detail }),
  }
}

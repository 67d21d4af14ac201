import { type CookieAttributes, cookieValues, parseCookies, serializeCookie } from '../../protocol/http/cookies.js'
import type { PlainRequest } from '../../protocol/http/plain-response.js'
import type { Settings } from '../settings.js'

/** The names and attributes of all cookies of this backend. */
export interface CookieJar {
  readonly session: string
  /** The second part of a sealed session. */
  readonly part: string
  readonly idle: string
  readonly logout: string
  /** See `createReplacedCookie()`. */
  readonly replaced: string
  /** The prefix of the names of transaction cookies. */
  readonly transaction: string
  set(name: string, value: string, maxAge: number): string
  expire(name: string): string
  /** `Set-Cookie` values that delete the session cookies of a request. */
  clear(request: PlainRequest): string[]
  /** Every value of a cookie in a request. */
  values(request: PlainRequest, name: string): string[]
  /** The names of the transaction cookies of a request. */
  transactions(request: PlainRequest): string[]
}

/**
 * `__Host-Http-<name>`: Secure, HttpOnly, `Path=/`, no `Domain`. Browsers that support the prefix refuse such a cookie from
 * scripts and from other hosts. Other browsers still enforce `__Host-`. SameSite=Strict: browsers do not send it with navigations
 * from other sites. With `loopbackCookies` the port precedes the name, because all ports of a host share cookies. A dot follows
 * the name. `name` has no dots, so cookies of different apps have different names.
 *
 * @see RFC 10017 section 6.1.3.2, draft-ietf-httpbis-layered-cookies (cookie name prefixes)
 */
export function createCookieJar({ name, origin, loopbackCookies, mode, response_mode }: Settings): CookieJar {
  const { port } = new URL(origin)
  const session = loopbackCookies ? `${port || '80'}.${name}` : `__Host-Http-${name}`
  const attributes: CookieAttributes = { sameSite: 'Strict', secure: !loopbackCookies }
  // Browsers send Lax cookies, but not Strict ones, when the provider redirects back.
  const lax: CookieAttributes = { ...attributes, sameSite: 'Lax' }
  const logout = `${session}.logout`
  // Needed when another site links to /login.
  const replaced = `${session}.replaced`
  const transaction = `${session}.tx.`
  // In token-mediating mode the page sends it: Strict. In proxy mode the provider redirects (Lax) or posts a form (None).
  const callbackCookie: CookieAttributes = response_mode === 'form_post' ? { ...attributes, sameSite: 'None' } : lax
  const transactionCookie = mode === 'proxy' ? callbackCookie : attributes
  const attributesOf = (cookie: string) =>
    cookie === logout || cookie === replaced ? lax : cookie.startsWith(transaction) ? transactionCookie : attributes
  const values = (request: PlainRequest, cookie: string) => cookieValues(request.headers.get('cookie'), cookie)
  const part = `${session}.2`
  const idle = `${session}.idle`
  const expire = (cookie: string) => serializeCookie(cookie, '', { ...attributesOf(cookie), maxAge: 0 })
  return {
    session,
    part,
    idle,
    logout,
    replaced,
    transaction,
    set: (cookie, value, maxAge) => serializeCookie(cookie, value, { ...attributesOf(cookie), maxAge }),
    expire,
    clear: (request) =>
      [session, part, idle, replaced].flatMap((cookie) => (values(request, cookie).length ? [expire(cookie)] : [])),
    values,
    transactions: (request) => [
      ...new Set(
        parseCookies(request.headers.get('cookie')).flatMap(([found]) =>
          found.startsWith(transaction) ? [found] : [],
        ),
      ),
    ],
  }
}

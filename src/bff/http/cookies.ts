import { type CookieAttributes, cookieValues, parseCookies, serializeCookie } from '../../protocol/http/cookies.js'
import type { PlainRequest } from '../../protocol/http/plain-response.js'
import type { Settings } from '../settings.js'

/** What the cookies of this backend are called and how they are set: one place decides. */
export interface CookieJar {
  readonly session: string
  /** The second part of a session that does not fit into one cookie. */
  readonly part: string
  readonly idle: string
  readonly logout: string
  /** Which session a sign-in replaces. */
  readonly replaced: string
  /** The names of transaction cookies begin so. */
  readonly transaction: string
  set(name: string, value: string, maxAge: number): string
  expire(name: string): string
  /** What clears the session cookies that were sent. */
  clear(request: PlainRequest): string[]
  /** Every value sent under exactly this name. */
  values(request: PlainRequest, name: string): string[]
  /** The names of the transaction cookies sent. */
  transactions(request: PlainRequest): string[]
}

/**
 * `__Host-Http-<name>`: Secure, HttpOnly, `Path=/`, no `Domain`. Browsers that know the prefix refuse it from script and
 * from any other host; those that do not know it still enforce the `__Host-` it begins with. Strict: no other site's
 * navigation carries it. With `loopbackCookies` the port stands before the name, since ports of one host share cookies.
 * A dot parts the name from what follows: `name` has none, so no cookie of one app is called like one of another app.
 *
 * @see RFC 10017 section 6.1.3.2, draft-ietf-httpbis-layered-cookies (cookie name prefixes)
 */
export function createCookieJar({ name, origin, loopbackCookies, mode, response_mode }: Settings): CookieJar {
  const { port } = new URL(origin)
  const session = loopbackCookies ? `${port || '80'}.${name}` : `__Host-Http-${name}`
  const attributes: CookieAttributes = { sameSite: 'Strict', secure: !loopbackCookies }
  // Sent by the browser on the way back from the provider, where Strict cookies are not.
  const lax: CookieAttributes = { ...attributes, sameSite: 'Lax' }
  const logout = `${session}.logout`
  // Another site's navigation to /login carries it.
  const replaced = `${session}.replaced`
  const transaction = `${session}.tx.`
  // Where the page redeems, Strict; where the provider sends people back to us, by a link or by a form, what that needs.
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

import { trimBlanks } from './header.js'

/** Attributes of one of our cookies: always HttpOnly, `Path=/`, without `Domain`. */
export interface CookieAttributes {
  sameSite: 'Strict' | 'Lax' | 'None'
  secure: boolean
  /** Seconds. 0 expires the cookie; absent: a session cookie. */
  maxAge?: number
}

/**
 * The values of every cookie with exactly this name, in the order sent. More than one means that somebody else could
 * set a cookie for this host: the caller treats that as no cookie at all.
 *
 * Names are compared byte for byte. A sibling subdomain can set a cookie whose name differs from ours by one byte, past
 * the prefix that browsers protect. A parser that strips that byte would accept the cookie as ours.
 *
 * @see RFC 6265 section 5.4 (servers should not rely on the order)
 */
export function cookieValues(header: string | null, name: string): string[] {
  const values: string[] = []
  if (!header?.includes(name)) return values
  for (let from = 0; from <= header.length; ) {
    const semicolon = header.indexOf(';', from)
    const to = semicolon < 0 ? header.length : semicolon
    const equals = header.indexOf('=', from)
    if (equals >= 0 && equals < to && trimBlanks(header.slice(from, equals)) === name)
      values.push(trimBlanks(header.slice(equals + 1, to)))
    from = to + 1
  }
  return values
}

/** All cookies of a `Cookie` header as pairs. Values are unchanged; nothing is percent-decoded. */
export function parseCookies(header: string | null): Array<[name: string, value: string]> {
  if (!header) return []
  return header.split(';').flatMap((text) => {
    const pair = trimBlanks(text)
    const at = pair.indexOf('=')
    return at < 1 ? [] : [[trimBlanks(pair.slice(0, at)), trimBlanks(pair.slice(at + 1))] as [string, string]]
  })
}

/**
 * Writes one `Set-Cookie` value. `name` and `value` come from us (token characters, base64url and dots). @see RFC 6265
 * section 4.1
 */
export function serializeCookie(name: string, value: string, { sameSite, secure, maxAge }: CookieAttributes): string {
  const age = maxAge === undefined ? '' : `; Max-Age=${Math.max(0, Math.floor(maxAge))}`
  return `${name}=${value}; Path=/; HttpOnly; SameSite=${sameSite}${secure ? '; Secure' : ''}${age}`
}

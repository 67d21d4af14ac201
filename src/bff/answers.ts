import { bffErrors, type Refusal } from './errors.js'

/**
 * What every answer carries that may depend on the session: no cache keeps it, and none that does mistakes one person's
 * for another's. @see RFC 9111 section 5.2.2.5
 */
const headers = {
  'Cache-Control': 'no-store, private',
  Vary: 'Cookie',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
}

function withCookies(response: Response, cookies: readonly string[] = []): Response {
  // The last word on a cookie is the only one: no answer sets one name twice (RFC 6265 section 4.1.1).
  const byName = new Map(cookies.map((cookie) => [cookie.slice(0, cookie.indexOf('=')), cookie]))
  for (const cookie of byName.values()) response.headers.append('Set-Cookie', cookie)
  return response
}

export function json(body: unknown, cookies?: readonly string[], status = 200): Response {
  const response = new Response(JSON.stringify(body), {
    status,
    headers: { ...headers, 'Content-Type': 'application/json' },
  })
  return withCookies(response, cookies)
}

export const redirect = (location: string, cookies?: readonly string[]): Response =>
  withCookies(new Response(null, { status: 303, headers: { ...headers, Location: location } }), cookies)

/** An error answer in RFC 6749 section 5.2's shape. Says what a caller may know and nothing else. */
export function refusalAnswer({ code, message, details }: Refusal): Response {
  const { reason, claim, retryAfter, cookies } = details
  const [status] = bffErrors[code]
  const response = json({ error: code, error_description: message, reason, claim }, cookies, status)
  if (status === 503 || status === 409) response.headers.set('Retry-After', `${Math.ceil(retryAfter ?? 1)}`)
  return response
}

import type { PlainResponse } from '../../protocol/http/plain-response.js'
import { bffErrors, type Refusal, retryLater } from '../errors.js'

/**
 * Headers of every response that may depend on the session: no cache may store it, or serve it to another user.
 * @see RFC 9111 section 5.2.2.5
 */
export const sessionHeaders = {
  'Cache-Control': 'no-store, private',
  Vary: 'Cookie',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
}
const jsonHeaders = { ...sessionHeaders, 'Content-Type': 'application/json' }

/** The last value of each cookie: no response sets one name twice (RFC 6265 section 4.1.1). */
function lastOfEachName(cookies: readonly string[]): readonly string[] {
  if (cookies.length < 2) return cookies
  return [...new Map(cookies.map((cookie) => [cookie.slice(0, cookie.indexOf('=')), cookie])).values()]
}

export const json = (body: unknown, cookies: readonly string[] = [], status = 200): PlainResponse => ({
  status,
  headers: jsonHeaders,
  cookies: lastOfEachName(cookies),
  body: JSON.stringify(body),
})

export const redirect = (location: string, cookies: readonly string[] = []): PlainResponse => ({
  status: 303,
  headers: { ...sessionHeaders, Location: location },
  cookies: lastOfEachName(cookies),
  body: null,
})

export const withHeaders = (answer: PlainResponse, more: Readonly<Record<string, string>>): PlainResponse => ({
  ...answer,
  headers: { ...answer.headers, ...more },
})

/** An error response. It contains only what a caller may know. @see RFC 6749 section 5.2 */
export function refusalAnswer({ code, message, details }: Refusal): PlainResponse {
  const { reason, claim, transaction, retryAfter, cookies, allow } = details
  const [status] = bffErrors[code]
  const answer = json({ error: code, error_description: message, reason, claim, transaction }, cookies, status)
  if (allow) return withHeaders(answer, { Allow: allow.join(', ') })
  if (!retryLater(code)) return answer
  return withHeaders(answer, { 'Retry-After': `${Math.ceil(retryAfter ?? 1)}` })
}

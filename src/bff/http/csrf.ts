import type { PlainRequest, PlainResponse } from '../../protocol/http/plain-response.js'
import { Refusal } from '../errors.js'
import type { Settings } from '../settings.js'
import { withHeaders } from './answers.js'

/**
 * The CSRF check. A request must have the header `Sallyport-CSRF: 1`: another site can send it only after a preflight, which is
 * refused. `Sec-Fetch-Site` (Fetch Metadata, which scripts cannot forge) must say that the request comes from this origin. And
 * `Origin`, if present, must be that of `baseUrl` or one of `allowedOrigins`. All three are checked, since SameSite does not stop
 * a sibling subdomain.
 *
 * Browsers without Fetch Metadata must pass the other two. `Sec-Fetch-Site: none` passes: the user started the request, not
 * a page.
 *
 * @throws Refusal `csrf_required`
 * @see RFC 10017 section 6.1.3.3
 */
export function requireOwnPage(request: PlainRequest, { origin: ownOrigin, allowedOrigins }: Settings): void {
  const origin = request.headers.get('origin')
  const site = request.headers.get('sec-fetch-site')
  const allowed = origin !== null && allowedOrigins.includes(origin)
  const refuse = (what: string): never => {
    throw new Refusal('csrf_required', {
      description: `${what}. This endpoint answers requests with the header Sallyport-CSRF: 1 from ${ownOrigin}`,
    })
  }
  if (request.headers.get('sallyport-csrf') !== '1') refuse('The header Sallyport-CSRF is missing')
  if (origin !== null && origin !== ownOrigin && !allowed)
    refuse(
      'The page is on another origin than "baseUrl", and "allowedOrigins" does not list it (localhost and 127.0.0.1 are two origins)',
    )
  if (site !== null && site !== 'same-origin' && site !== 'none' && !allowed)
    refuse('The request comes from another site')
}

/** For `EventSource`, which cannot send the header: the browser must say that a page of this origin sends the request. */
export function isOwnStream(request: PlainRequest, { origin: ownOrigin }: Settings): boolean {
  const origin = request.headers.get('origin')
  return request.headers.get('sec-fetch-site') === 'same-origin' && (origin === null || origin === ownOrigin)
}

/** Requires a top-level navigation, and no prefetch. For endpoints that browsers navigate to. */
export function requireNavigation(request: PlainRequest): void {
  const mode = request.headers.get('sec-fetch-mode') ?? 'navigate'
  const destination = request.headers.get('sec-fetch-dest') ?? 'document'
  const prefetched = ['sec-purpose', 'purpose', 'x-moz', 'x-purpose'].some((name) =>
    /prefetch|prerender|preview/i.test(request.headers.get(name) ?? ''),
  )
  const nextPrefetch = request.headers.get('next-router-prefetch') !== null
  if (mode !== 'navigate' || destination !== 'document' || prefetched || nextPrefetch)
    throw new Refusal('csrf_required', { description: 'This endpoint is for top-level navigations' })
}

/**
 * CORS with credentials for pages on `allowedOrigins`. Other origins get no CORS headers. @see https://fetch.spec.whatwg.org/#http-cors-protocol
 */
export function allowOrigin(request: PlainRequest, answer: PlainResponse, { allowedOrigins }: Settings): PlainResponse {
  if (!allowedOrigins.length) return answer
  const origin = request.headers.get('origin')
  if (origin === null || !allowedOrigins.includes(origin)) return answer
  return withHeaders(answer, {
    'Access-Control-Allow-Origin': origin,
    'Access-Control-Allow-Credentials': 'true',
    'Access-Control-Expose-Headers': 'Retry-After',
    Vary: 'Cookie, Origin',
  })
}

/** Answers a CORS preflight. */
export function answerPreflight(request: PlainRequest, settings: Settings): PlainResponse {
  const refused: PlainResponse = { status: 403, headers: { Vary: 'Origin' }, cookies: [], body: null }
  if (!settings.allowedOrigins.includes(request.headers.get('origin') ?? '')) return refused
  const headers = {
    'Access-Control-Allow-Methods': 'GET, POST, PUT, PATCH, DELETE',
    'Access-Control-Allow-Headers': 'Sallyport-CSRF, Sallyport-User, Content-Type',
    'Access-Control-Max-Age': '600',
  }
  return allowOrigin(request, { ...refused, status: 204, headers }, settings)
}

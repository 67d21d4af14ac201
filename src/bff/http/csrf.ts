import type { PlainRequest, PlainResponse } from '../../protocol/http/plain-response.js'
import { Refusal } from '../errors.js'
import type { Settings } from '../settings.js'
import { withHeaders } from './answers.js'

/**
 * Who may call: requests that carry `Sallyport-CSRF: 1` (a page of another site cannot send it without a preflight that
 * is never approved), that the browser says come from this origin (Fetch Metadata, which no script can forge), and whose
 * `Origin`, where there is one, is exactly ours or listed in `allowedOrigins`. Each is enough against most; all hold
 * together, since SameSite does not stop a sibling subdomain.
 *
 * Browsers without Fetch Metadata are judged by the other two. `Sec-Fetch-Site: none` (nobody's page) passes with the
 * header: the person did it.
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
  if (origin !== null && origin !== ownOrigin && !allowed) refuse('The Origin is another')
  if (site !== null && site !== 'same-origin' && site !== 'none' && !allowed)
    refuse('The request comes from another site')
}

/** What `EventSource` asks, which can send no header of ours: the browser itself says that a page of this origin does. */
export function isOwnStream(request: PlainRequest, { origin: ownOrigin }: Settings): boolean {
  const origin = request.headers.get('origin')
  return request.headers.get('sec-fetch-site') === 'same-origin' && (origin === null || origin === ownOrigin)
}

/** A top-level navigation, as far as the browser says. For the few endpoints that people are sent to. */
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
 * Answers for pages on `allowedOrigins`: CORS with credentials for exactly them. Everybody else gets no CORS header at
 * all, reflected or not. @see https://fetch.spec.whatwg.org/#http-cors-protocol
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

/** Answers a preflight itself. Nothing is run, whatever it asks for. */
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

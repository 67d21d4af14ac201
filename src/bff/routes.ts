import { configuredResource } from '../protocol/http/resource.js'

/** An API behind the proxy. Nothing in a request can change the upstream. */
export interface RouteOptions {
  /** The base URL of the API: `https://api.example.com/v1` (http: on loopback only). */
  upstream: string
  /** Default `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`. */
  methods?: readonly string[]
  /** The token's resource, one of `resources`. Default: the session's own token. */
  resource?: string
  /** Scopes of the token, space-separated. Default: those of the resource. */
  scope?: string
  /** Requests need no session, and no token is sent. Default `false`. */
  anonymous?: boolean
  /** Further request headers to forward, in lower case. */
  requestHeaders?: readonly string[]
  /** Further response headers to forward, in lower case. */
  responseHeaders?: readonly string[]
  /** Seconds until the API must have begun to respond. Default 30. */
  timeout?: number
  /** Bytes of a request body at most. Default 10 MiB. */
  limit?: number
  /**
   * Responses to `GET` are event streams. `EventSource` cannot send a CSRF header: `Sec-Fetch-Site: same-origin` is required
   * instead. Streams end with the session. Default `false`.
   */
  sse?: boolean
  /** WebSockets may be opened through `bff.authorizeUpgrade`. They end with the session. Default `false`. */
  websocket?: boolean
}

/** A route, validated, with defaults. */
export interface Route {
  readonly upstream: URL
  /** `upstream` without a slash at its end. */
  readonly base: string
  readonly methods: readonly string[]
  readonly resource: readonly string[]
  readonly scope: string
  readonly anonymous: boolean
  readonly requestHeaders: readonly string[]
  readonly responseHeaders: readonly string[]
  readonly timeout: number
  readonly limit: number
  readonly sse: boolean
  readonly websocket: boolean
}

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

const requestHeaders =
  'accept accept-language content-type content-encoding content-language if-match if-none-match if-modified-since if-unmodified-since if-range range idempotency-key prefer'.split(
    ' ',
  )
const responseHeaders =
  'content-type content-language content-disposition content-range accept-ranges etag last-modified location link retry-after www-authenticate deprecation sunset'.split(
    ' ',
  )

/** Headers that are never forwarded: credentials, addresses, those of a connection or of this backend. */
const forbiddenHeaders =
  /^(cookie|set-cookie|authorization|dpop|host|origin|referer|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|content-length|content-encoding|forwarded|via|cache-control|vary|strict-transport-security|content-security-policy.*|proxy-.*|x-forwarded-.*|x-real-ip|x-original-.*|x-http-method.*|sec-.*|access-control-.*|cross-origin-.*|sallyport-.*|.*_.*)$/

/** Validates the routes. `misuse` throws and names the option. */
export function validateRoutes(
  options: Readonly<Record<string, RouteOptions>>,
  resources: Readonly<Record<string, unknown>>,
  upstreamUrl: (value: string) => URL,
  misuse: (remedy: string) => never,
): ReadonlyMap<string, Route> {
  const routes = new Map<string, Route>()
  for (const [name, route] of Object.entries(options)) {
    if (!/^[a-z\d][a-z\d-]{0,63}$/.test(name)) misuse(`names "${name}"; a route is lower-case letters, digits and "-"`)
    const upstream = upstreamUrl(route.upstream)
    if (upstream.search || upstream.hash) misuse(`"${name}": "upstream" must have no query and no fragment`)
    for (const method of route.methods ?? [])
      if (!methods.includes(method)) misuse(`"${name}": "methods" knows ${methods.join(', ')}`)
    const resource = route.resource === undefined ? [] : [configuredResource(route.resource, Object.keys(resources))]
    if (resource.includes(undefined)) misuse(`"${name}": "resource" must be one of "resources"`)
    for (const header of [...(route.requestHeaders ?? []), ...(route.responseHeaders ?? [])])
      if (!/^[a-z\d-]+$/.test(header) || forbiddenHeaders.test(header))
        misuse(`"${name}": the header "${header}" cannot be forwarded; names are lower case`)
    const { timeout = 30, limit = 10 * 2 ** 20 } = route
    routes.set(name, {
      upstream,
      base: upstream.href.replace(/\/$/, ''),
      methods: route.methods ?? methods,
      resource: resource.filter((item) => item !== undefined),
      scope: (route.scope ?? '').split(' ').filter(Boolean).sort().join(' '),
      anonymous: route.anonymous ?? false,
      requestHeaders: [...requestHeaders, ...(route.sse ? ['last-event-id'] : []), ...(route.requestHeaders ?? [])],
      responseHeaders: [...responseHeaders, ...(route.responseHeaders ?? [])],
      timeout,
      limit,
      sse: route.sse ?? false,
      websocket: route.websocket ?? false,
    })
  }
  return routes
}

import { ProviderError } from '../errors.js'
import { RequestError, RequestFailed, UnexpectedResponse, UnreadableResponse } from './provider-fetch.js'
import { readable } from './provider-text.js'

/** An endpoint of the provider, as messages for the operator name it. */
export interface Endpoint {
  readonly name: string
  readonly url: string | undefined
  /** The status of a success. Default 200. */
  readonly success?: number
}

/** Why a request to the provider has no result. `detail` is for the operator: endpoint, what is wrong, URL. */
export type Failure = { readonly detail: string } & (
  | {
      readonly type: 'error'
      readonly status: number
      /** An OAuth error code, or `unknown`. Absent: the response is no OAuth error, but a page of a gateway or firewall. */
      readonly error?: string
      readonly retryAfter?: number
    }
  /** A success that cannot be used: after a refresh, the refresh token may be used up. Status 0: the request was not sent. */
  | { readonly type: 'unreadable'; readonly status: number }
  /** The provider did not get the request: connection refused, host not found. */
  | { readonly type: 'unreachable' }
  /** The provider may have processed the request: connection reset, timeout. */
  | { readonly type: 'unknown' }
)

/** Seconds. A longer `Retry-After` is shortened, so that a header cannot extend an outage. */
const MAX_RETRY_AFTER = 300

/**
 * Whether the same request may succeed later. Everything else is a mistake: of the configuration, of the provider, or of this
 * request.
 */
export const isTemporary = (failure: Failure): boolean =>
  failure.type === 'unreachable' ||
  failure.type === 'unknown' ||
  (failure.type === 'error' && isTemporaryError(failure))

/** The same for the status and error of an event. 0: there was no response. */
export const isTemporaryStatus = (response: { status: number; error?: string }): boolean =>
  response.status === 0 || isTemporaryError(response)

/** A 403 without an OAuth error is the page of a firewall. */
const isTemporaryError = ({ status, error = '' }: { status: number; error?: string }): boolean =>
  [408, 425, 429].includes(status) ||
  status >= 500 ||
  (status === 403 && error === '') ||
  ['temporarily_unavailable', 'server_error'].includes(error)

/** Errors that mean: the user must interact with the provider. @see OpenID Connect Core 1.0 section 3.1.2.6 */
export const interactionErrors: ReadonlySet<unknown> = new Set([
  'interaction_required',
  'consent_required',
  'login_required',
  'account_selection_required',
])

/** Errors about this client, or about how it makes its requests. @see RFC 6749 section 5.2 */
const clientErrors: readonly (string | undefined)[] = [
  'invalid_client',
  'unauthorized_client',
  'invalid_request',
  'unsupported_grant_type',
]

/** An OAuth error about this request: this code, scope, resource or user. Any other failure concerns all users. */
export const concernsRequest = (failure: Failure): failure is Failure & { type: 'error'; error: string } =>
  failure.type === 'error' &&
  failure.error !== undefined &&
  failure.status !== 401 &&
  !isTemporary(failure) &&
  !clientErrors.includes(failure.error)

/** The provider refuses this client. A 401 says so, whatever its body says. @see RFC 6749 section 5.2 */
export const refusesClient = ({ status, error }: { status: number; error?: string }): boolean =>
  status === 401 || error === 'invalid_client' || error === 'unauthorized_client'

/**
 * A provider's `error` for an answer, an event or a log: an OAuth error code, or `unknown`. Free text of a provider is never passed
 * on. @see RFC 6749 section 5.2
 */
export const errorCode = (error: unknown): string =>
  typeof error === 'string' && /^[a-z_]{1,64}$/.test(error) ? error : 'unknown'

export const detailOf = ({ name, url }: Endpoint, what: string): string =>
  `${name}: ${what}${url === undefined ? '' : ` (${readableUrl(url)})`}`

/** Without user name and password. */
function readableUrl(url: string): string {
  if (!URL.canParse(url)) return readable(url)
  const { origin, pathname, search } = new URL(url)
  return `${origin}${pathname}${search}`.slice(0, 200)
}

/** An error, and the errors that caused it. */
export function* causesOf(error: unknown): Generator<unknown> {
  for (let at = error; at instanceof Object; at = (at as { cause?: unknown }).cause) yield at
}

/** The error of a `fetch` for providers; `undefined` for any other error. */
export const requestErrorIn = (error: unknown): RequestError | undefined =>
  [...causesOf(error)].find((cause) => cause instanceof RequestError)

/** The ProviderError among the causes of an error: openid-client has called a function that has thrown it. */
export const providerErrorIn = (error: unknown): ProviderError | undefined =>
  [...causesOf(error)].find((cause) => cause instanceof ProviderError)

/** What the error of a `fetch` for providers means. `name`: of the endpoint. */
export function requestFailure(error: RequestError, name: string): Failure | undefined {
  const endpoint = { name, url: error.url }
  if (error instanceof RequestFailed) return networkFailure(error, endpoint)
  if (error instanceof UnexpectedResponse) return responseFailure(error, endpoint)
  if (!(error instanceof UnreadableResponse)) return undefined
  const { status, flaw } = error
  return { type: 'unreadable', status, detail: detailOf(endpoint, `${status}, ${flaw}`) }
}

function networkFailure(failed: RequestFailed, endpoint: Endpoint): Failure {
  const codes = [...causesOf(failed)].map((cause) => `${(cause as { code?: unknown }).code}`)
  const { name = 'Error' } = (failed.cause ?? {}) as { name?: string }
  const code = codes.find((code) => /^[A-Z][A-Z\d_]{2,63}$/.test(code))
  const refused = codes.some((code) => /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH)$/.test(code))
  return {
    type: refused ? 'unreachable' : 'unknown',
    detail: detailOf(endpoint, `no response, ${code ?? readable(name)}`),
  }
}

function responseFailure({ response, said }: UnexpectedResponse, endpoint: Endpoint): Failure {
  const { status, headers } = response
  // In a browser, a redirect has the status 0.
  const what = [status || 'a redirect', redirectIn(headers, endpoint.url), said && `"${said}"`]
    .filter(Boolean)
    .join(', ')
  return { type: 'error', status, ...retryAfterIn(headers), detail: detailOf(endpoint, what) }
}

/** The query of a redirect may have a secret in it. */
function redirectIn(headers: Headers, url: string | undefined): string {
  const location = headers.get('location')
  if (location === null || !URL.canParse(location, url)) return ''
  const { origin, pathname } = new URL(location, url)
  return `a redirect to ${readable(`${origin}${pathname}`)}`
}

export function retryAfterIn(headers: Headers): { retryAfter?: number } {
  const text = headers.get('retry-after') ?? ''
  return /^\d{1,6}$/.test(text) ? { retryAfter: Math.min(MAX_RETRY_AFTER, Number(text)) } : {}
}

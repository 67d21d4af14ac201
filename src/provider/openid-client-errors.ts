import * as oidc from 'openid-client'
import { interactionErrors, type ProviderAnswer } from './refresh-outcome.js'

/** Seconds. A longer `Retry-After` is shortened, so that a header cannot extend an outage. */
const MAX_RETRY_AFTER = 300

/** What the provider did, from what openid-client has thrown. */
export function answerFromError(error: unknown): ProviderAnswer {
  if (error instanceof oidc.ResponseBodyError)
    return {
      type: 'error',
      status: error.status,
      error: errorCodeFrom(error),
      json: true,
      ...retryAfter(error.response),
    }
  if (error instanceof oidc.WWWAuthenticateChallengeError)
    return { type: 'error', status: error.status, json: true, ...retryAfter(error.response) }
  const { cause } = error as { cause?: unknown }
  // An error status without an OAuth error in a JSON body. A network error has status 0.
  if (cause instanceof Response && cause.status >= 300)
    return { type: 'error', status: cause.status, json: false, ...retryAfter(cause) }
  for (let at: unknown = error; at instanceof Object; at = (at as { cause?: unknown }).cause)
    if (/^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH)$/.test(`${(at as { code?: unknown }).code}`))
      return { type: 'unreachable' }
  const { code } = error as { code?: unknown }
  // Codes of openid-client for a response that it has read, except for two.
  const answered = /^OAUTH_(?!TIMEOUT|ABORT)/.test(`${code}`)
  return { type: 'unknown', ...(answered && { answered }) }
}

/**
 * A provider's `error` for an answer, an event or a log: an OAuth error code, or `unknown`. Free text of a provider is never passed
 * on. @see RFC 6749 section 5.2
 */
export const errorCode = (error: unknown): string =>
  typeof error === 'string' && /^[a-z_]{1,64}$/.test(error) ? error : 'unknown'

/** Microsoft Entra ID answers `invalid_grant` for a missing consent, and gives the reason in `suberror`. */
function errorCodeFrom({ error, cause }: oidc.ResponseBodyError): string {
  const { suberror } = cause
  return error === 'invalid_grant' && typeof suberror === 'string' && interactionErrors.has(suberror)
    ? suberror
    : errorCode(error)
}

function retryAfter({ headers }: Response): { retryAfter?: number } {
  const text = headers.get('retry-after') ?? ''
  return /^\d{1,6}$/.test(text) ? { retryAfter: Math.min(MAX_RETRY_AFTER, Number(text)) } : {}
}

import * as oidc from 'openid-client'
import { type ProviderAnswer, wantsThePerson } from './refresh-outcome.js'

/** Seconds that a provider can ask to be left alone by. More would be its outage made longer by a header. */
const LONGEST_REST = 300

/** Sorts what openid-client throws into what the provider did. */
export function answerOf(error: unknown): ProviderAnswer {
  if (error instanceof oidc.ResponseBodyError)
    return { type: 'error', status: error.status, error: wordOf(error), json: true, ...retryAfter(error.response) }
  if (error instanceof oidc.WWWAuthenticateChallengeError)
    return { type: 'error', status: error.status, json: true, ...retryAfter(error.response) }
  const { cause } = error as { cause?: unknown }
  // A status that is no success, without an OAuth error in a JSON body. Status 0 is a network error's.
  if (cause instanceof Response && cause.status >= 300)
    return { type: 'error', status: cause.status, json: false, ...retryAfter(cause) }
  for (let at: unknown = error; at instanceof Object; at = (at as { cause?: unknown }).cause)
    if (/^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH)$/.test(`${(at as { code?: unknown }).code}`))
      return { type: 'unreachable' }
  const { code } = error as { code?: unknown }
  // openid-client's words for what it has read, but for two.
  const answered = /^OAUTH_(?!TIMEOUT|ABORT)/.test(`${code}`)
  return { type: 'unknown', ...(answered && { answered }) }
}

/**
 * An error of a provider's as it may stand in an answer, an event or a log: a code as OAuth has them, or `unknown`. Text of theirs
 * goes nowhere. @see RFC 6749 section 5.2
 */
export const errorCode = (error: unknown): string =>
  typeof error === 'string' && /^[a-z_]{1,64}$/.test(error) ? error : 'unknown'

/** Entra says `invalid_grant` for a consent that is missing, and beside it what it means. */
function wordOf({ error, cause }: oidc.ResponseBodyError): string {
  const { suberror } = cause
  return error === 'invalid_grant' && typeof suberror === 'string' && wantsThePerson.has(suberror)
    ? suberror
    : errorCode(error)
}

function retryAfter({ headers }: Response): { retryAfter?: number } {
  const text = headers.get('retry-after') ?? ''
  return /^\d{1,6}$/.test(text) ? { retryAfter: Math.min(LONGEST_REST, Number(text)) } : {}
}

import * as oidc from 'openid-client'
import type { ProviderAnswer } from './provider-answers.js'

/** Sorts what openid-client throws into what the provider did. */
export function answerOf(error: unknown): ProviderAnswer {
  if (error instanceof oidc.ResponseBodyError)
    return { type: 'error', status: error.status, error: error.error, json: true, ...retryAfter(error.response) }
  if (error instanceof oidc.WWWAuthenticateChallengeError)
    return { type: 'error', status: error.status, json: true, ...retryAfter(error.response) }
  const { cause } = error as { cause?: unknown }
  // A status that is no success, without an OAuth error in a JSON body. Status 0 is a network error's.
  if (cause instanceof Response && cause.status >= 300)
    return { type: 'error', status: cause.status, json: false, ...retryAfter(cause) }
  for (let at: unknown = error; at instanceof Object; at = (at as { cause?: unknown }).cause)
    if (/^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH)$/.test(`${(at as { code?: unknown }).code}`))
      return { type: 'unreachable' }
  return { type: 'unknown' }
}

function retryAfter({ headers }: Response): { retryAfter?: number } {
  const text = headers.get('retry-after') ?? ''
  return /^\d{1,6}$/.test(text) ? { retryAfter: Number(text) } : {}
}

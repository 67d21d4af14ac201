import * as oidc from 'openid-client'
import type { ProviderError } from '../errors.js'
import {
  causesOf,
  detailOf,
  type Endpoint,
  errorCode,
  type Failure,
  interactionErrors,
  providerErrorIn,
  requestErrorIn,
  requestFailure,
  retryAfterIn,
} from './failure.js'

/** Why a request has failed, from what openid-client has thrown. */
export function failureOf(error: unknown, endpoint: Endpoint): Failure {
  if (error instanceof oidc.ResponseBodyError) return oauthError(error, endpoint)
  if (error instanceof oidc.WWWAuthenticateChallengeError) {
    const { status, response } = error
    return { type: 'error', status, ...retryAfterIn(response.headers), detail: detailOf(endpoint, `${status}`) }
  }
  const reported = providerErrorIn(error)
  if (reported) return failureFrom(reported)
  const failed = requestErrorIn(error)
  return (failed && requestFailure(failed, endpoint.name)) ?? unreadable(error, endpoint)
}

/** The failure that an error was made from, or an error of our own. */
function failureFrom({ code, message, details: { detail = message } }: ProviderError): Failure {
  return code === 'temporarily_unavailable' ? { type: 'unknown', detail } : { type: 'unreadable', status: 0, detail }
}

/** {@link createProviderFetch} has made the description readable. */
function oauthError(thrown: oidc.ResponseBodyError, endpoint: Endpoint): Failure {
  const { status, response, error_description: said } = thrown
  const error = errorCodeFrom(thrown)
  const detail = detailOf(endpoint, `${status} ${error}${said ? `, "${said}"` : ''}`)
  return { type: 'error', status, error, ...retryAfterIn(response.headers), detail }
}

/** Microsoft Entra ID answers `invalid_grant` for a missing consent, and gives the reason in `suberror`. */
function errorCodeFrom({ error, cause }: oidc.ResponseBodyError): string {
  const { suberror } = cause
  return error === 'invalid_grant' && typeof suberror === 'string' && interactionErrors.has(suberror)
    ? suberror
    : errorCode(error)
}

/** A success that openid-client refuses. Otherwise a function of the app has thrown, or this code is wrong. */
function unreadable(error: unknown, endpoint: Endpoint): Failure {
  const causes = [...causesOf(error)] as ErrorLike[]
  const answered = causes.some(({ code }) => typeof code === 'string' && code.startsWith('OAUTH_'))
  if (!answered)
    return { type: 'unreadable', status: 0, detail: detailOf(endpoint, `not sent, ${causes.at(-1)?.name}`) }
  const { success = 200 } = endpoint
  const status = causes.find((cause) => cause instanceof Response)?.status ?? success
  return { type: 'unreadable', status, detail: detailOf(endpoint, [status, flawOf(causes)].filter(Boolean).join(', ')) }
}

type ErrorLike = Partial<Record<'message' | 'attribute' | 'code' | 'name', unknown>> & { status?: number }

/** What is wrong with a response, from the messages of oauth4webapi. */
function flawOf(causes: readonly ErrorLike[]): string | undefined {
  const attribute = causes.find((cause) => typeof cause.attribute === 'string')?.attribute
  if (attribute !== undefined) return `no usable ${attribute}`
  const text = causes.map(({ message }) => message).join()
  const member = /body "(\w+)" property/.exec(text)?.[1]
  if (member !== undefined) return `no usable ${member}`
  if (/`token_type`/.test(text)) return 'no usable token_type'
  if (/JWE/.test(text)) return 'an encrypted token'
  if (/content-type|as JSON|top level object/.test(text)) return 'no JSON object'
  return /JWT/.test(text) ? 'no valid JWT' : undefined
}

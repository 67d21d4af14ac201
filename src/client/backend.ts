import type { ErrorResponse } from '../protocol/session.js'
import { type AuthError, clientError, type EagerErrorCode, isClientCode, temporaryError } from './errors.js'

/** Members that are `undefined` are not sent. Pairs, where a parameter stands there several times. */
export type Form = Record<string, string | number | undefined> | [string, string][]

/**
 * What came back. `body` is there only if the answer was a JSON object: an HTML page from something in between is not
 * the backend speaking. Status 0: nothing came back at all.
 */
export interface Answer {
  status: number
  ok: boolean
  body?: Record<string, unknown> & Partial<ErrorResponse>
  /** Seconds, from `Retry-After`; 0 without. */
  retryAfter: number
  /** For the `cause` of an error: the server's own words, nothing of what was asked. */
  cause?: unknown
}

export type Backend = (path: string, form?: Form) => Promise<Answer>

/** Milliseconds: longer than the backend itself waits for the provider. */
const DEADLINE = 20_000

/** Asks the backend. Never rejects: an outage is an answer of status 0. */
export function createBackend(url: string, fetch: typeof globalThis.fetch, note: (text: string) => void): Backend {
  return async (path, form) => {
    const answer: Answer = { status: 0, ok: false, retryAfter: 0 }
    try {
      const response = await fetch(url + path, {
        method: form ? 'POST' : 'GET',
        headers: { 'Sallyport-CSRF': '1' },
        credentials: 'include',
        signal: AbortSignal.timeout(DEADLINE),
        body: form ? encode(form) : null,
      })
      const { status, headers } = response
      answer.status = status
      answer.retryAfter = Number(headers.get('retry-after')) || 0
      answer.cause = { status }
      const body = await response.json()
      answer.body = body
      answer.cause = { status, error: body.error, error_description: body.error_description }
      answer.ok = response.ok
    } catch (error) {
      answer.cause ??= error
    }
    note(`${path} ${answer.status} ${answer.body?.error}`)
    return answer
  }
}

/** JSON drops what is `undefined`, of a record and of nothing else. */
export const encode = (form: Form): URLSearchParams => new URLSearchParams(JSON.parse(JSON.stringify(form)))

/**
 * What an answer that is no success means: the backend spoke and refuses, or this is not the time. Without JSON nobody
 * spoke; 408, 409, 429 and 5xx are "not now" whoever spoke.
 */
export function failureOf({ status, body, cause }: Answer, otherwise: EagerErrorCode): AuthError {
  const error = body?.error
  if (!error || status === 408 || status === 409 || status > 428) return temporaryError(otherwise, cause)
  return clientError(isClientCode(error) ? error : 'request_refused', { cause })
}

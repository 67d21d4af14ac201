import type { ErrorResponse } from '../protocol/session.js'
import { type AuthError, clientError, type EagerErrorCode, isClientCode, temporaryError } from './errors.js'

/** Form parameters. `undefined` is not sent. Pairs, where a parameter is repeated. */
export type Form = Record<string, string | number | undefined> | [string, string][]

/**
 * The backend's answer. `body` is set only if it is JSON: an HTML page comes from a proxy in between. Status 0: there was
 * no answer.
 */
export interface Answer {
  status: number
  ok: boolean
  body?: Record<string, unknown> & Partial<ErrorResponse>
  /** Seconds, from `Retry-After`; 0 without. */
  retryAfter: number
  /** For the `cause` of an error: what the server said, nothing of the request. */
  cause?: unknown
}

export type Backend = (path: string, form?: Form) => Promise<Answer>

/** Milliseconds. Longer than the backend waits for the provider. */
const TIMEOUT = 20_000

/**
 * Sends requests to the backend. Never rejects: an outage is an answer with status 0.
 *
 * Two answers are about the cookies of a moment ago: another tab has just renewed (409), or has signed in or out. The request is
 * sent once more, with the cookies that the browser has by then.
 */
export function createBackend(url: string, fetch: typeof globalThis.fetch, log: (text: string) => void): Backend {
  return async (path, form) => {
    const answer = await send(path, form)
    if (answer.status !== 409 && answer.body?.reason !== 'logged_out') return answer
    await new Promise((resolve) => setTimeout(resolve, 500 * Math.random()))
    return send(path, form)
  }

  async function send(path: string, form?: Form): Promise<Answer> {
    const answer: Answer = { status: 0, ok: false, retryAfter: 0 }
    try {
      const response = await fetch(url + path, {
        method: form ? 'POST' : 'GET',
        headers: { 'Sallyport-CSRF': '1' },
        credentials: 'include',
        signal: AbortSignal.timeout(TIMEOUT),
        body: form ? encodeForm(form) : null,
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
    log(`${path} ${answer.status} ${answer.body?.error}`)
    return answer
  }
}

/** JSON drops the members of a record that are `undefined`. */
export const encodeForm = (form: Form): URLSearchParams => new URLSearchParams(JSON.parse(JSON.stringify(form)))

/**
 * The error for an answer that is no success. An answer without JSON, and any with 408, 409, 429 or 5xx, means
 * "temporarily unavailable"; the rest means that the backend refuses.
 */
export function errorOf({ status, body, cause }: Answer, temporaryCode: EagerErrorCode): AuthError {
  const error = body?.error
  if (!error || status === 408 || status === 409 || status > 428) return temporaryError(temporaryCode, cause)
  return clientError(isClientCode(error) ? error : 'request_refused', { cause })
}

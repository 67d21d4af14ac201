import type { ErrorAnswer } from '../protocol/session.js'

/** Members that are `undefined` are not sent; a list is sent as the same parameter several times. */
export type Form = Record<string, string | number | readonly string[] | undefined>

/**
 * What came back. `body` is an object only if the answer was JSON: an HTML page from something in between is not the
 * backend speaking. Status 0: nothing came back at all.
 */
export interface Answer {
  status: number
  ok: boolean
  body: (Record<string, unknown> & Partial<ErrorAnswer>) | undefined
  /** Seconds, from `Retry-After`. */
  retryAfter: number
  cause?: unknown
}

export type Backend = ReturnType<typeof createBackend>

/** Longer than the backend itself waits for the provider. */
const DEADLINE = 20_000

/** Asks the backend. Never rejects: an outage is an answer of status 0. */
export function createBackend(url: string, fetch: typeof globalThis.fetch) {
  return async (path: string, form?: Form): Promise<Answer> => {
    const abort = new AbortController()
    const timer = setTimeout(() => abort.abort(), DEADLINE)
    try {
      const response = await fetch(url + path, {
        method: form ? 'POST' : 'GET',
        headers: { 'Sallyport-CSRF': '1' },
        credentials: 'include',
        signal: abort.signal,
        ...(form && { body: encode(form) }),
      })
      const json = /json/.test(response.headers.get('content-type') ?? '') ? await response.json() : undefined
      const body = json && typeof json === 'object' ? json : undefined
      return {
        status: response.status,
        ok: response.ok && !!body,
        body,
        retryAfter: Number(response.headers.get('retry-after')) || 0,
      }
    } catch (cause) {
      return { status: 0, ok: false, body: undefined, retryAfter: 0, cause }
    } finally {
      clearTimeout(timer)
    }
  }
}

function encode(form: Form): URLSearchParams {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(form))
    if (value !== undefined) for (const item of [value].flat()) parameters.append(name, `${item}`)
  return parameters
}

/** The server's own words, for `cause`: nothing of what was asked. */
export const quote = ({ status, body, cause }: Answer): unknown =>
  body?.error ? { status, error: body.error, error_description: body.error_description } : (cause ?? { status })

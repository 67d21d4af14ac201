import type { Aim } from './aim.js'
import { clientError } from './errors.js'
import type { Wanted } from './renewal.js'

/** How `auth.fetch` gets its tokens. */
export interface FetchPorts {
  fetch: typeof globalThis.fetch
  aim(url: URL): Aim | undefined
  backend: string
  /** Its base URL is what `fetch` resolves against, a `<base>` element included. */
  document: Document
  subtle: SubtleCrypto
  /** Empty where the backend keeps it: there the call goes to its proxy. */
  getToken(wanted: Wanted): Promise<string>
  /** The backend has refused: perhaps nobody is signed in any more. */
  look(): void
}

export function createFetch(ports: FetchPorts) {
  const { fetch, aim, document, subtle, getToken } = ports
  return async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const request = input instanceof Request ? input : undefined
    const url = new URL(request?.url ?? `${input}`, document.baseURI)
    const found = aim(url)
    if (!found) throw clientError('origin_not_allowed')
    const wanted: Wanted = { ...found.api, signal: init?.signal ?? request?.signal }
    const send = (token: string, what = input) => {
      const headers = new Headers(init?.headers ?? request?.headers)
      headers.set('Authorization', `Bearer ${token}`)
      return fetch(what, { ...init, headers })
    }
    const token = await getToken(wanted)
    if (!token) return import('./proxied.js').then(({ proxied }) => proxied(url, found, request, init, ports))
    const response = await send(token, request?.clone())
    // A stream is gone once it was sent; anything else can be sent again.
    if (response.status !== 401 || init?.body instanceof ReadableStream) return response
    return import('./replay.js').then(
      ({ replay }) =>
        replay(response, token, subtle, (digest) => getToken({ ...wanted, refused: token, digest }), send),
      () => response,
    )
  }
}

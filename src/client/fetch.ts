import { clientError } from './errors.js'
import type { FetchPorts } from './fetch-ports.js'
import type { Wanted } from './renewal.js'
import type { FetchOptions } from './types.js'

export function createFetch(ports: FetchPorts) {
  const { fetch, aim, document, subtle, getToken, login } = ports
  return async (input: RequestInfo | URL, init?: RequestInit, options?: FetchOptions): Promise<Response> => {
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
    const more = () => import('./calls.js')
    if (!token) return more().then(({ proxied }) => proxied(url, found, request, init, ports, options))
    const response = await send(token, request?.clone())
    // A stream is gone once it was sent; anything else can be sent again.
    if (response.status !== 401 || init?.body instanceof ReadableStream) return response
    return more().then(
      ({ replay }) => replay(response, token, subtle, (also) => getToken({ ...wanted, ...also }), send, login, options),
      () => response,
    )
  }
}

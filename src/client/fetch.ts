import { clientError } from './errors.js'
import type { FetchPorts } from './fetch-ports.js'
import type { Wanted } from './renewal.js'
import type { FetchOptions } from './types.js'

export function createFetch(ports: FetchPorts) {
  const { fetch, aim, document, getToken } = ports
  return async (input: RequestInfo | URL, init?: RequestInit, options?: FetchOptions): Promise<Response> => {
    const given = input instanceof Request ? input : undefined
    const url = new URL(given?.url ?? `${input}`, document.baseURI)
    const found = aim(url)
    if (!found) throw clientError('origin_not_allowed')
    // All of it as it is now: its owner may change it while a token is awaited. The body whole: Firefox and Safari cannot
    // send a stream, Chromium only over HTTP/2, and that of a Request becomes one, or nothing, at another address.
    const streamed = init?.body instanceof ReadableStream
    const request = new Request(given ?? url, streamed ? { ...init, body: null } : init)
    const content = /^(GET|HEAD)$/.test(request.method) ? null : (streamed ? new Response(init.body) : request).blob()
    const wanted: Wanted = { ...found.api, signal: request.signal }
    const [token, body] = await Promise.all([getToken(wanted), content])
    const more = () => import('./calls.js')
    if (!token) return more().then(({ proxied }) => proxied(url, found, request, body, streamed, ports, options))
    const send = (token: string) => {
      const { headers } = request
      headers.set('Authorization', `Bearer ${token}`)
      return fetch(request, { headers, body })
    }
    const response = await send(token)
    // A stream is sent once.
    if (response.status !== 401 || streamed) return response
    return more().then(
      ({ replay }) => replay(response, token, wanted, send, ports, options),
      () => response,
    )
  }
}

import { clientError } from '../errors.js'
import type { Wanted } from '../session/renewal.js'
import type { FetchOptions } from '../types.js'
import type { FetchPorts } from './context.js'

export function createFetch(ports: FetchPorts) {
  return async (input: RequestInfo | URL, init?: RequestInit, options?: FetchOptions): Promise<Response> => {
    const given = input instanceof Request ? input : undefined
    const url = new URL(given?.url ?? `${input}`, ports.document.baseURI)
    const found = ports.aim(url)
    if (!found) throw clientError('origin_not_allowed')
    // All of it as it is now: its owner may change it while a token is awaited. A stream whole: Firefox and Safari cannot
    // send one, Chromium only over HTTP/2.
    const stream = init?.body instanceof ReadableStream && new Response(init.body).blob()
    const request = new Request(given ?? url, stream ? { ...init, body: null } : init)
    const wanted: Wanted = { ...found.api, signal: request.signal }
    const [token, body] = await Promise.all([ports.getToken(wanted), stream || null])
    const more = () => import('./lazy.js')
    if (!token) return more().then(({ proxied }) => proxied(url, found, request, body, init, wanted, ports, options))
    const send = (token: string) => {
      const { headers } = request
      headers.set('Authorization', `Bearer ${token}`)
      return ports.fetch(request.clone(), { headers, body })
    }
    const response = await send(token)
    // A stream is sent once.
    if (response.status !== 401 || stream) return response
    return more().then(
      ({ replay }) => replay(response, token, wanted, send, ports, options),
      () => response,
    )
  }
}

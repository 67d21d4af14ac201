import { clientError } from '../errors.js'
import type { RequestedToken } from '../session/renewal.js'
import type { FetchOptions } from '../types.js'
import type { CallContext } from './context.js'

export function createFetch(context: CallContext) {
  return async (input: RequestInfo | URL, init?: RequestInit, options?: FetchOptions): Promise<Response> => {
    const inputRequest = input instanceof Request ? input : undefined
    const url = new URL(inputRequest?.url ?? `${input}`, context.document.baseURI)
    const target = context.api(url)
    if (!target) throw clientError('origin_not_allowed')
    // All of it as it is now: its owner may change it while a token is awaited. A stream whole: Firefox and Safari cannot
    // send one, Chromium only over HTTP/2.
    const stream = init?.body instanceof ReadableStream && new Response(init.body).blob()
    const request = new Request(inputRequest ?? url, stream ? { ...init, body: null } : init)
    const requested: RequestedToken = { ...target.api, signal: request.signal }
    const [token, body] = await Promise.all([context.getToken(requested), stream || null])
    const more = () => import('./lazy.js')
    if (!token)
      return more().then(({ proxied }) => proxied(url, target, request, body, init, requested, context, options))
    const send = (token: string) => {
      const { headers } = request
      headers.set('Authorization', `Bearer ${token}`)
      return context.fetch(request.clone(), { headers, body })
    }
    const response = await send(token)
    // A stream is sent once.
    if (response.status !== 401 || stream) return response
    return more().then(
      ({ replay }) => replay(response, token, requested, send, context, options),
      () => response,
    )
  }
}

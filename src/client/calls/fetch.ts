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
    // Copied now: the caller may change it while a token is awaited. A stream is read in full, because Firefox and Safari
    // cannot send one and Chromium can only over HTTP/2.
    const stream = init?.body instanceof ReadableStream && new Response(init.body).blob()
    const request = new Request(inputRequest ?? url, stream ? { ...init, body: null } : init)
    const requested: RequestedToken = { ...target.api, signal: request.signal }
    const [token, body] = await Promise.all([context.getToken(requested), stream || null])
    const loadMore = () => import('./later-chunk.js')
    if (!token)
      return loadMore().then(({ proxied }) => proxied(url, target, request, body, init, requested, context, options))
    const send = (token: string) => {
      const { headers } = request
      headers.set('Authorization', `Bearer ${token}`)
      return context.fetch(request.clone(), { headers, body })
    }
    const response = await send(token)
    // A stream is not sent twice.
    if (response.status !== 401 || stream) return response
    return loadMore().then(
      ({ replay }) => replay(response, token, requested, send, context, options),
      () => response,
    )
  }
}

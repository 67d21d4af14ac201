import type { Dpop } from '../provider/client/dpop.js'
import type { MachineTokenOptions, TokenCache } from './token-cache.js'

/** Calls APIs with a token of this client. */
export function createCalls(tokens: TokenCache, dpop: Dpop | undefined, fetch: typeof globalThis.fetch) {
  async function send(request: Request, token: string, retried = false): Promise<Response> {
    const call = new Request(request.body ? request.clone() : request)
    call.headers.set('Authorization', `${dpop ? 'DPoP' : 'Bearer'} ${token}`)
    if (dpop) call.headers.set('DPoP', await dpop.proof(call.method, call.url, token))
    const response = await fetch(call)
    const isNewNonce = dpop?.rememberNonce(call.url, response.headers.get('dpop-nonce') ?? undefined)
    const needsNonce = response.status === 401 && /use_dpop_nonce/.test(response.headers.get('www-authenticate') ?? '')
    // Retried once with a new proof that contains the nonce of the API. @see RFC 9449 section 9
    if (!isNewNonce || !needsNonce || retried) return response
    await response.body?.cancel()
    return send(request, token, true)
  }

  return async (input: string | URL | Request, init: RequestInit = {}, requested: MachineTokenOptions = {}) => {
    const stream = init.body instanceof ReadableStream
    const request = new Request(input, init)
    const token = await tokens.get(requested)
    const response = await send(request, token)
    if (response.status !== 401 || stream) return response
    const another = await tokens.get(requested, token).catch(() => token)
    if (another === token) return response
    await response.body?.cancel()
    return send(request, another)
  }
}

import type { Dpop } from '../provider/client/dpop.js'
import type { MachineTokenOptions, TokenCache } from './token-cache.js'

/** Calls of APIs with a token of this client. */
export function createCalls(tokens: TokenCache, dpop: Dpop | undefined, fetch: typeof globalThis.fetch) {
  async function send(request: Request, token: string, asked = false): Promise<Response> {
    const call = new Request(request.body ? request.clone() : request)
    call.headers.set('Authorization', `${dpop ? 'DPoP' : 'Bearer'} ${token}`)
    if (dpop) call.headers.set('DPoP', await dpop.proof(call.method, call.url, token))
    const response = await fetch(call)
    const news = dpop?.rememberNonce(call.url, response.headers.get('dpop-nonce') ?? undefined)
    const wants = response.status === 401 && /use_dpop_nonce/.test(response.headers.get('www-authenticate') ?? '')
    // The proof is made again with its nonce; an API that wants another one every time is not asked for ever. @see RFC 9449 section 9
    if (!news || !wants || asked) return response
    await response.body?.cancel()
    return send(request, token, true)
  }

  return async (input: string | URL | Request, init: RequestInit = {}, wanted: MachineTokenOptions = {}) => {
    const stream = init.body instanceof ReadableStream
    const request = new Request(input, init)
    const token = await tokens.get(wanted)
    const response = await send(request, token)
    if (response.status !== 401 || stream) return response
    const another = await tokens.get(wanted, token).catch(() => token)
    if (another === token) return response
    await response.body?.cancel()
    return send(request, another)
  }
}

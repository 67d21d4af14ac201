import { generateKeyPair, generateProof } from 'dpop'

export type DpopFetch = ReturnType<typeof createDpopFetch>

/**
 * The key that tokens are bound to, and `fetch` with proofs of it. The key is made in this page, cannot be exported, and is
 * gone with the page. A stolen token is useless elsewhere; a script in this page can still use it here. @see RFC 9449
 */
export function createDpopFetch(fetch: typeof globalThis.fetch) {
  const keyPair = generateKeyPair('ES256', { extractable: false })
  /** The last nonce of each origin. */
  const nonces = new Map<string, string>()

  async function send(input: RequestInfo | URL, init: RequestInit): Promise<Response> {
    const request = new Request(input instanceof Request ? input.clone() : input, init)
    const token = request.headers.get('authorization')?.replace(/^Bearer /, '') ?? ''
    const { origin, pathname } = new URL(request.url)
    const proof = await generateProof(await keyPair, origin + pathname, request.method, nonces.get(origin), token)
    request.headers.set('Authorization', `DPoP ${token}`)
    request.headers.set('DPoP', proof)
    const response = await fetch(request)
    const nonce = response.headers.get('dpop-nonce')
    if (nonce) nonces.set(origin, nonce)
    return response
  }

  return {
    keyPair: () => keyPair,
    /** `fetch` with a proof for the token of the request. One retry when the API requires a nonce. @see RFC 9449 section 9 */
    async fetch(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
      const response = await send(input, init)
      const wants = response.status === 401 && /use_dpop_nonce/.test(response.headers.get('www-authenticate') ?? '')
      return wants && !(init.body instanceof ReadableStream) ? send(input, init) : response
    },
  }
}

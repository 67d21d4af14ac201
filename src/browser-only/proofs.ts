import { generateKeyPair, generateProof } from 'dpop'

export type Proofs = ReturnType<typeof createProofs>

/**
 * The key that tokens are bound to: made in this page, not extractable, gone with it. A token that is taken elsewhere is of
 * no use there; a script in this page can still use it here. @see RFC 9449
 */
export function createProofs(fetch: typeof globalThis.fetch) {
  const keyPair = generateKeyPair('ES256', { extractable: false })
  /** By origin: what an API last said. */
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
    /** `fetch` with a proof for the token that the request carries. One retry when the API wants a nonce. @see RFC 9449 section 9 */
    async fetch(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
      const response = await send(input, init)
      const wants = response.status === 401 && /use_dpop_nonce/.test(response.headers.get('www-authenticate') ?? '')
      return wants && !(init.body instanceof ReadableStream) ? send(input, init) : response
    },
  }
}

import { encodeBase64url } from '../protocol/base64url.js'

/**
 * Answers a 401: asks once for another token than the refused one and sends the request once more with it. When there
 * is no other token, or the second answer is a 401 as well, the caller gets that answer: no loop.
 *
 * The backend is told the SHA-256 of the refused token, so that it can tell a stale page from a refused renewal.
 */
export async function replay(
  response: Response,
  refused: string,
  subtle: SubtleCrypto,
  getAnother: (digest: string) => Promise<string>,
  send: (token: string) => Promise<Response>,
): Promise<Response> {
  const digest = await subtle.digest('SHA-256', new TextEncoder().encode(refused))
  const token = await getAnother(encodeBase64url(new Uint8Array(digest))).catch(() => refused)
  if (token === refused) return response
  await response.body?.cancel()
  return send(token)
}

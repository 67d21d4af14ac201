import { encodeBase64url } from '../../protocol/base64url.js'
import type { RequestedToken } from '../session/renewal.js'
import type { FetchOptions } from '../types.js'
import type { CallContext } from './context.js'
import { stepUp } from './step-up.js'

/**
 * After a 401: gets another token than the refused one, once, and sends the request once more. If there is no other token,
 * or the second answer is a 401 too, the caller gets that answer: there is no loop. If the API requires another sign-in, a
 * new token would not help: the user signs in again, where the caller's `stepUp` option says so.
 *
 * The backend gets the SHA-256 of the refused token: it tells a page with an old token from a token that the API refuses.
 */
export async function replay(
  response: Response,
  refused: string,
  requested: RequestedToken,
  send: (token: string) => Promise<Response>,
  { subtle, getToken, login }: CallContext,
  options: FetchOptions | undefined,
): Promise<Response> {
  const stepUpResponse = await stepUp(response, options, login, async () => send(await getToken(requested)))
  if (stepUpResponse) return stepUpResponse
  const bytes = await subtle.digest('SHA-256', new TextEncoder().encode(refused))
  const digest = encodeBase64url(new Uint8Array(bytes))
  const token = await getToken({ ...requested, refused, digest }).catch(() => refused)
  if (token === refused) return response
  await response.body?.cancel()
  return send(token)
}

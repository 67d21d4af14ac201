import { encodeBase64url } from '../../protocol/base64url.js'
import type { RequestedToken } from '../session/renewal.js'
import type { FetchOptions } from '../types.js'
import type { CallContext } from './context.js'
import { stepUp } from './step-up.js'

/**
 * Answers a 401: asks once for another token than the refused one and sends the request once more with it. When there
 * is no other token, or the second answer is a 401 as well, the caller gets that answer: no loop. An API that wants another
 * sign-in gets it, if the caller asked for that: another token of this one would not help.
 *
 * The backend is told the SHA-256 of the refused token, so that it can tell a stale page from a refused renewal.
 */
export async function replay(
  response: Response,
  refused: string,
  requested: RequestedToken,
  send: (token: string) => Promise<Response>,
  { subtle, getToken, login }: CallContext,
  options: FetchOptions | undefined,
): Promise<Response> {
  const stepped = await stepUp(response, options, login, async () => send(await getToken(requested)))
  if (stepped) return stepped
  const bytes = await subtle.digest('SHA-256', new TextEncoder().encode(refused))
  const digest = encodeBase64url(new Uint8Array(bytes))
  const token = await getToken({ ...requested, refused, digest }).catch(() => refused)
  if (token === refused) return response
  await response.body?.cancel()
  return send(token)
}

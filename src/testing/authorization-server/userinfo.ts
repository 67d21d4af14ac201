import { proofOf } from './dpop.js'
import { accessTokenOf } from './introspection.js'
import type { Claims } from './keys.js'
import { clientOf, type ProviderState } from './provider-state.js'
import { json, nonceAnswer, oauthError } from './token.js'

/** UserInfo, signed if the client is registered for it. @see OpenID Connect Core 1.0 section 5.3 */
export async function userinfo(state: ProviderState, request: Request): Promise<Response> {
  const [scheme = '', token = ''] = (request.headers.get('authorization') ?? '').split(' ')
  const known = accessTokenOf(state, token)
  if (!known) return oauthError('invalid_token', 'invalid access token', 401)
  const { sub, client_id, cnf } = known as { sub?: string; client_id?: string; cnf?: { jkt?: string } }
  const proof = await proofOf(state, request, token)
  if (proof && 'error' in proof) {
    const refused = oauthError(proof.error, 'invalid DPoP proof', 401)
    refused.headers.set('WWW-Authenticate', `DPoP error="${proof.error}"`)
    return nonceAnswer(state, refused)
  }
  if (scheme.toLowerCase() !== (cnf?.jkt ? 'dpop' : 'bearer') || proof?.jkt !== cnf?.jkt)
    return oauthError('invalid_token', 'the access token is not bound to the key of the DPoP proof', 401)
  const claims: Claims = { ...state.users.find((user) => user.sub === sub) }
  const body = state.tamper.userinfo?.(claims) ?? claims
  const client = clientOf(state, client_id)
  if (!client?.userinfo_signed_response_alg) return json(body)
  const full = { iss: state.issuer, aud: client.client_id, ...body }
  const header = { alg: client.userinfo_signed_response_alg }
  const jwt = await state.keys.sign(state.tamper.signed?.(full, header) ?? { claims: full, header })
  return new Response(jwt, { headers: { 'Content-Type': 'application/jwt', 'Cache-Control': 'no-store' } })
}

import { decodeJwt } from 'jose'
import { clientOf, type ProviderState } from './provider-state.js'
import { oauthError } from './token.js'

/** @see OpenID Connect RP-Initiated Logout 1.0 section 2 */
export function endSession(state: ProviderState, url: URL): Response {
  const query = url.searchParams
  const hint = query.get('id_token_hint')
  const client = clientOf(state, query.get('client_id') ?? (hint === null ? undefined : decodeJwt(hint).aud))
  const target = query.get('post_logout_redirect_uri')
  if (target !== null && !client?.post_logout_redirect_uris?.includes(target))
    return oauthError('invalid_request', 'the post_logout_redirect_uri is not registered')
  state.signedIn = undefined
  if (target === null) return new Response('Signed out', { status: 200 })
  const location = new URL(target)
  const sent = query.get('state')
  if (sent !== null) location.searchParams.set('state', sent)
  return new Response(null, { status: 302, headers: { Location: location.href } })
}

import { authenticate } from './client-authentication.js'
import type { Claims } from './keys.js'
import { isPublic, type ProviderState } from './provider-state.js'
import { clientRefused, json, oauthError } from './token.js'

/**
 * Introspection, for authenticated clients. Unknown, expired and revoked tokens get the same response. A refresh token
 * is known, too, and has no `aud` and no `token_type`. @see RFC 7662 section 2
 */
export async function introspect(state: ProviderState, request: Request): Promise<Response> {
  const form = new URLSearchParams(await request.text())
  const client = await authenticate(state, request, form)
  if (!client || isPublic(client)) return clientRefused(request)
  const [token, second] = form.getAll('token')
  if (!token || second !== undefined) return oauthError('invalid_request', 'exactly one token is required')
  const claims = accessTokenOf(state, token) ?? refreshTokenOf(state, token)
  const answer = { active: claims !== undefined, ...claims }
  return json(state.tamper.introspection?.(answer) ?? answer)
}

/** The claims of a valid access token, of either format. */
export function accessTokenOf(state: ProviderState, token: string): Claims | undefined {
  const { accessTokens, accessTokenFamilies, revokedFamilies, now } = state
  if (revokedFamilies.has(accessTokenFamilies.get(token) ?? '')) return undefined
  const claims = accessTokens.get(token)
  return claims && Number(claims['exp']) > now() ? claims : undefined
}

function refreshTokenOf({ issuer, refreshTokens, revokedFamilies }: ProviderState, token: string): Claims | undefined {
  const { client_id, sub, scope, family, spent } = refreshTokens.get(token) ?? {}
  if (family === undefined || spent !== undefined || revokedFamilies.has(family)) return undefined
  return { iss: issuer, client_id, sub, scope }
}

import type { Claims, Header } from './keys.js'
import { issue, type ProviderState, randomText } from './provider-state.js'

/** The header of access tokens. @see RFC 9068 section 2.1 */
export const accessTokenHeader: Header = { alg: 'RS256', typ: 'at+jwt' }

/** The claims of an access token that is issued now. @see RFC 9068 section 2.2 */
export function accessTokenClaims(
  { issuer, now, accessTokenLifetime }: ProviderState,
  { lifetime = accessTokenLifetime, ...claims }: Claims & { lifetime?: number | undefined },
): Claims {
  const iat = Math.floor(now())
  return { iss: issuer, ...claims, iat, exp: iat + lifetime, jti: crypto.randomUUID() }
}

/** Issues a JWT with these claims, or a random text for which introspection has them. */
export async function issueAccessToken(state: ProviderState, claims: Claims) {
  const opaque = state.accessTokenFormat === 'opaque'
  const access_token = opaque ? randomText() : await state.keys.sign({ header: accessTokenHeader, claims })
  const { jkt } = (claims['cnf'] ?? {}) as { jkt?: string }
  const token_type = jkt === undefined ? 'Bearer' : 'DPoP'
  state.accessTokens.set(access_token, { ...claims, token_type })
  return { access_token: issue(state, access_token), token_type }
}

import type { Principal } from '../protocol/principal.js'

export type Claims = Readonly<Record<string, unknown>>

/** The time claim that is wrong. Checked on every request, also for a cached token. */
export function timeFlaw({ iat, exp, nbf }: Claims, now: number, tolerance: number): string | undefined {
  if (iat !== undefined && !(isInstant(iat) && iat <= now + tolerance)) return 'iat'
  if (exp !== undefined && !(isInstant(exp) && exp > now - tolerance)) return 'exp'
  return nbf === undefined || (isInstant(nbf) && nbf <= now + tolerance) ? undefined : 'nbf'
}

const isInstant = (value: unknown): value is number => Number.isFinite(value)

export const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

/** Claims that only other kinds of JWT have (ID Tokens, logout tokens, security events). */
const otherTokenClaims = ['at_hash', 'c_hash', 's_hash', 'events']

/**
 * The claim that is wrong in a JWT whose signature, issuer and audience are verified. `hasAccessTokenHeader`: whether `typ` in its
 * header is `at+jwt`.
 */
export function claimFlaw(
  claims: Claims,
  profile: 'rfc9068' | 'jwt',
  hasAccessTokenHeader: () => boolean,
  now: number,
  tolerance: number,
): string | undefined {
  const flaw = claims['exp'] === undefined ? 'exp' : timeFlaw(claims, now, tolerance)
  if (flaw) return flaw
  if (!isText(claims['sub'])) return 'sub'
  if (profile === 'rfc9068') {
    if (claims['iat'] === undefined) return 'iat'
    if (typeof claims['jti'] !== 'string') return 'jti'
    return isText(claims['client_id']) ? undefined : 'client_id'
  }
  const { typ, token_use, nonce } = claims
  const hasTyp = typ !== undefined
  if (hasTyp && !isAccessTokenTyp(claims)) return 'typ claim'
  // Values of Cognito and of Hydra.
  if (token_use !== undefined && token_use !== 'access' && token_use !== 'access_token') return 'token_use'
  if (otherTokenClaims.some((name) => claims[name] !== undefined)) return 'another kind of token'
  // ID Tokens have a nonce, and so have access tokens of Keycloak before version 25: those say what they are.
  const isMarked = hasTyp || token_use !== undefined
  return nonce === undefined || isMarked || hasAccessTokenHeader() ? undefined : 'another kind of token'
}

/**
 * Whether the `typ` claim of Keycloak is that of an access token, and not of a refresh, ID or logout token. `DPoP` without a key
 * would drop the binding.
 */
export function isAccessTokenTyp({ typ, cnf }: Claims): boolean {
  return typ === 'Bearer' || (typ === 'DPoP' && isText((cnf as { jkt?: unknown } | null | undefined)?.jkt))
}

/** The principal from verified claims. A client's own token may have no `sub`: then `client_id` is the subject. */
export function principalOf(claims: Claims, tenantClaim: string): Principal {
  const { iss, sub, exp, client_id, azp, scp, scope = scp, [tenantClaim]: tenant } = claims
  const client = client_id ?? azp
  const principal: Principal = { method: 'access_token', sub: `${sub ?? client_id}`, scopes: scopesOf(scope), claims }
  if (typeof iss === 'string') principal.iss = iss
  if (typeof client === 'string') principal.client_id = client
  if (typeof tenant === 'string') principal.tenant = tenant
  if (typeof exp === 'number') principal.expiresAt = exp
  return principal
}

function scopesOf(scope: unknown): string[] {
  if (Array.isArray(scope)) return scope.filter((item) => typeof item === 'string')
  return typeof scope === 'string' ? scope.split(' ').filter(Boolean) : []
}

import {
  type CryptoKey,
  decodeJwt,
  errors,
  type JWTHeaderParameters,
  type JWTPayload,
  type JWTVerifyGetKey,
} from 'jose'
import type { Authenticator, Principal, Verdict } from '../protocol/principal.js'
import { type BindingError, checkBinding } from './binding.js'
import { guardErrors } from './errors.js'
import { createIssuerKeys, KeysUnavailable } from './issuer-keys.js'
import { createProofCheck, type DpopOptions } from './proof.js'
import { createSignatureCheck, LONGEST, TokenFlaw } from './signature.js'

export interface AccessTokenOptions {
  /** Compared character for character with `iss`. */
  issuer: string
  /**
   * `rfc9068` (default): `typ` is `at+jwt`, and `sub`, `client_id`, `iat`, `jti` are there. `jwt`: for issuers whose access
   * tokens are plain JWTs (Keycloak, Entra, Okta); `typ` is `JWT` or absent, and what looks like an ID, refresh or logout
   * token is refused.
   */
  profile?: 'rfc9068' | 'jwt'
  /** Default `RS256`, `PS256`, `ES256`, `EdDSA`. What a token's header says never widens it. */
  algs?: readonly string[]
  /** Where the keys are; default: what the issuer's metadata says. */
  jwksUri?: string
  /**
   * Finds the key of a token, instead of asking the issuer: `createTokenIssuer(…).keys` in the same process. Rejects for a key that is
   * not there. With it, `algs` may name HS256.
   */
  keys?: (header: JWTHeaderParameters) => Promise<CryptoKey | Uint8Array>
  /** The claim that names the tenant. Default `tenant`. */
  tenantClaim?: string
  fetch?: typeof globalThis.fetch
  /** Seconds that clocks may differ. Default 30. */
  clockTolerance?: number
  /** Seconds between two fetches that unknown keys may cause. Default 30. */
  cooldown?: number
  /** Seconds that fetched keys are used. Default 600. */
  maxAge?: number
  /** Seconds to wait for the issuer. Default 5. */
  timeout?: number
  /** How proofs of possession are checked, for tokens that are bound to a key. @see RFC 9449 */
  dpop?: DpopOptions
}

/**
 * Accepts JWT access tokens in `Authorization: Bearer` or `DPoP`, with algorithm, issuer, audience and type fixed by
 * configuration. Signature before claims. Keys that cannot be had are 503, never a token accepted unverified.
 *
 * Several issuers, each with its own settings: `accessToken({ issuer: A }, { issuer: B, profile: 'jwt' })`. What a token says of
 * its issuer chooses who verifies it, and nothing more; the keys of one never verify tokens of another.
 *
 * A token that is bound (`cnf`) is refused without its proof: of the key by a DPoP header, once (RFC 9449), of the certificate by
 * the connection's own (RFC 8705), which the rim ties to the request (`withPeer`). The binding cannot be dropped.
 *
 * Not checked: revocation; a token is good until it expires.
 *
 * @throws TypeError naming the option
 * @see RFC 9068 section 4, RFC 8725
 */
export function accessToken(...issuers: readonly [AccessTokenOptions, ...AccessTokenOptions[]]): Authenticator {
  const judges = new Map(issuers.map((options) => [options.issuer, createJudge(options)]))
  if (judges.size < issuers.length) throw new TypeError('accessToken: "issuer" must be another one each time')
  const [first] = judges.values()

  return {
    method: 'access_token',
    explicit: true,
    challenge: { scheme: 'Bearer' },
    issuers: [...judges.keys()],
    claims: (request) => carried.test(request.headers.get('authorization') ?? ''),

    async verify(request, { resource, now }): Promise<Verdict> {
      const { token = '', scheme = 'bearer' } = presented(request) ?? {}
      const judge = judges.size === 1 ? first : judges.get(issuerOf(token))
      return judge ? judge(request, token, scheme, resource, now) : refused('issuer')
    },
  }
}

/** What a token says of itself: enough to choose who judges it. */
function issuerOf(token: string): string {
  try {
    return token.length > LONGEST ? '' : `${decodeJwt(token).iss}`
  } catch {
    return ''
  }
}

/** Judges the tokens of one issuer. */
function createJudge(options: AccessTokenOptions) {
  const { issuer, profile = 'rfc9068', clockTolerance = 30, tenantClaim = 'tenant' } = options
  const algs = options.algs ?? ['RS256', 'PS256', 'ES256', 'EdDSA']
  examine(options, algs)
  let checkSignature: ReturnType<typeof createSignatureCheck> | undefined
  const checkProof = createProofCheck(options.dpop ?? {})

  return async (
    request: Request,
    token: string,
    scheme: 'bearer' | 'dpop',
    resource: string,
    now: () => number,
  ): Promise<Verdict> => {
    checkSignature ??= createSignatureCheck({
      issuer,
      algs,
      profile,
      clockTolerance,
      keys:
        (options.keys as JWTVerifyGetKey | undefined) ??
        createIssuerKeys({
          issuer,
          jwksUri: options.jwksUri,
          fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
          cooldown: options.cooldown ?? 30,
          maxAge: options.maxAge ?? 600,
          timeout: options.timeout ?? 5,
          now,
        }),
    })
    try {
      const payload = await checkSignature(token, resource, now)
      const claim = claimFlaw(payload, profile, now(), clockTolerance)
      if (claim) return refused(claim)
      const binding = await checkBinding(request, token, payload['cnf'], scheme, checkProof, now)
      if (binding === 'unknown') return unavailable('store')
      if ('flaw' in binding) return refused(binding.flaw, binding.error, binding.nonce)
      return { ok: true, principal: { ...principalOf(payload, tenantClaim), ...binding } }
    } catch (error) {
      if (error instanceof TokenFlaw) return refused(error.message)
      if ((error as { code?: unknown }).code === 'unknown key') return refused('unknown key')
      if (error instanceof KeysUnavailable || !(error instanceof errors.JOSEError)) return unavailable('keys')
      return refused(error.code)
    }
  }
}

function examine({ issuer, profile, jwksUri, keys }: AccessTokenOptions, algs: readonly string[]): void {
  const misuse = (option: string, remedy: string) => {
    throw new TypeError(`accessToken: "${option}" ${remedy}`)
  }
  for (const [option, text] of [
    ['issuer', issuer],
    ['jwksUri', jwksUri ?? issuer],
  ] as const) {
    const url = URL.canParse(text) ? new URL(text) : undefined
    const local = url && /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname)
    if (url?.protocol !== 'https:' && !(url?.protocol === 'http:' && local))
      misuse(option, 'must be an https: URL (http: on loopback only)')
  }
  const allowed = keys ? /^((RS|PS|ES)(256|384|512)|EdDSA|Ed25519|HS256)$/ : /^((RS|PS|ES)(256|384|512)|EdDSA|Ed25519)$/
  if (!algs.length || algs.some((alg) => !allowed.test(alg)))
    misuse('algs', 'must be asymmetric signature algorithms like RS256')
  if (profile !== undefined && profile !== 'rfc9068' && profile !== 'jwt') misuse('profile', 'is "rfc9068" or "jwt"')
}

const carried = /^(Bearer|DPoP) +(?=\S)/i

/** What stands behind `Bearer` or `DPoP`, in any case; `undefined` for every other scheme. @see RFC 6750 section 2.1, RFC 9449 section 7.1 */
function presented(request: Request): { token: string; scheme: 'bearer' | 'dpop' } | undefined {
  const header = request.headers.get('authorization') ?? ''
  const [before = '', name] = carried.exec(header) ?? []
  if (name === undefined) return undefined
  return { token: header.slice(before.length).trimEnd(), scheme: name.length === 4 ? 'dpop' : 'bearer' }
}

/** Members that other kinds of JWT of the same issuer have. */
const foreign = ['nonce', 'at_hash', 'c_hash', 's_hash', 'events']

/** Asked of every token every time, also of one whose signature is known. */
function claimFlaw(claims: JWTPayload, profile: 'rfc9068' | 'jwt', now: number, tolerance: number): string | undefined {
  const { iat, nbf = 0, exp = Number.NaN } = claims
  if (iat !== undefined && !(Number.isFinite(iat) && iat <= now + tolerance)) return 'iat'
  if (!(Number.isFinite(exp) && exp > now - tolerance)) return 'exp'
  if (!(nbf <= now + tolerance)) return 'nbf'
  if (typeof claims.sub !== 'string' || !claims.sub) return 'sub'
  if (profile === 'rfc9068') {
    if (typeof claims.jti !== 'string') return 'jti'
    return typeof claims['client_id'] === 'string' && claims['client_id'] ? undefined : 'client_id'
  }
  if (foreign.some((name) => claims[name] !== undefined)) return 'another kind of token'
  // Keycloak's `typ` claim tells its refresh and ID tokens from access tokens.
  return claims['typ'] === undefined || claims['typ'] === 'Bearer' ? undefined : 'typ claim'
}

function principalOf(claims: JWTPayload, tenantClaim: string): Principal {
  const { iss, sub = '', exp, client_id, azp } = claims
  const client = client_id ?? azp
  const tenant = claims[tenantClaim]
  const scope = claims['scope'] ?? claims['scp']
  const scopes = Array.isArray(scope)
    ? scope.filter((item) => typeof item === 'string')
    : typeof scope === 'string'
      ? scope.split(' ').filter(Boolean)
      : []
  return {
    method: 'access_token',
    sub,
    scopes,
    claims,
    ...(iss !== undefined && { iss }),
    ...(typeof client === 'string' && { client_id: client }),
    ...(typeof tenant === 'string' && { tenant }),
    ...(exp !== undefined && { expiresAt: exp }),
  }
}

const refused = (detail: string, error: BindingError = 'invalid_token', nonce?: string): Verdict => ({
  ok: false,
  status: 401,
  error,
  error_description: guardErrors[error],
  detail,
  ...(error !== 'invalid_token' && { scheme: 'DPoP' }),
  ...(nonce !== undefined && { headers: { 'DPoP-Nonce': nonce } }),
})

const unavailable = (detail: string): Verdict => ({
  ok: false,
  status: 503,
  error: 'keys_unavailable',
  error_description: guardErrors.keys_unavailable,
  retryAfter: 5,
  detail,
})

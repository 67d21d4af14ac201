import { decodeJwt, decodeProtectedHeader, errors, type JWTVerifyGetKey } from 'jose'
import type { AuthenticationResult, Authenticator } from '../protocol/principal.js'
import { validate } from '../protocol/validate.js'
import { checkBinding } from './binding.js'
import { claimFlaw, principalOf } from './claims.js'
import { createProofCheck } from './dpop-proof.js'
import { createIssuerKeys, KeysUnavailable } from './issuer-keys.js'
import { createOpaqueTokenVerifier } from './opaque-token.js'
import { type AccessTokenOptions, accessTokenOptions, defaultAlgs, validateAccessTokenOptions } from './options.js'
import { boundResult, invalidToken, revocationOf, type TokenVerifier, unavailable } from './results.js'
import { createSignatureCheck, TokenFlaw } from './signature.js'

/** Characters. A longer token is refused before anything is computed or asked. */
const MAX_TOKEN_LENGTH = 16_384

/**
 * Accepts access tokens in `Authorization: Bearer` or `DPoP`.
 *
 * JWTs are verified here, with algorithm, issuer, audience and type fixed by configuration. Signature before claims. Keys that
 * cannot be had are 503, never a token accepted unverified. Several issuers, each with its own settings: `accessToken({ issuer:
 * A }, { issuer: B, profile: 'jwt' })`. What a token says of its issuer chooses who verifies it, and nothing more; the keys of
 * one never verify tokens of another.
 *
 * Any other token is asked about at the issuer that has `introspection`, of which there can be one (RFC 7662). Its answer has to
 * name this resource in `aud`; an issuer that cannot be asked, or gives no answer that can be read, is 503.
 *
 * A token that is bound (`cnf`) is refused without its proof: of the key by a DPoP header, once (RFC 9449), of the certificate by
 * the connection's own (RFC 8705), which the rim ties to the request (`withPeer`). The binding cannot be dropped.
 *
 * Not checked: revocation of single JWTs, which are good until they expire, but for `revokedUntil`; another token is seen to be revoked
 * `introspection.maxAge` later at most.
 *
 * @throws TypeError naming the option
 * @see RFC 9068 section 4, RFC 8725
 */
export function accessToken(...issuers: readonly [AccessTokenOptions, ...AccessTokenOptions[]]): Authenticator {
  const [only] = issuers
  // Without one it is missing, and says so.
  for (const options of issuers.length ? issuers : [only]) validate('accessToken', accessTokenOptions, options)
  const verifiers = new Map(issuers.map((options) => [options.issuer, createTokenVerifier(options)]))
  if (verifiers.size < issuers.length) throw new TypeError('accessToken: "issuer" must be another one each time')
  const [first] = verifiers.values()
  const [asked, second] = issuers.flatMap((options) =>
    options.introspection ? [createOpaqueTokenVerifier(options, options.introspection)] : [],
  )
  if (second) throw new TypeError('accessToken: "introspection" can be at one issuer: no other token says whose it is')

  return {
    method: 'access_token',
    explicit: true,
    challenge: { scheme: 'Bearer' },
    once: { what: 'accessToken(…)', remedy: 'name all issuers in one: accessToken({ issuer: A }, { issuer: B })' },
    issuers: [...verifiers.keys()],
    claims: (request) => authorizationScheme.test(request.headers.get('authorization') ?? ''),

    async verify(request, { resource, now }): Promise<AuthenticationResult> {
      const { token = '', scheme = 'bearer' } = credentialOf(request) ?? {}
      if (token.length > MAX_TOKEN_LENGTH) return invalidToken('too long')
      const opaque = asked && !isJwt(token)
      const verifier = opaque ? asked : verifiers.size === 1 ? first : verifiers.get(issuerOf(token))
      return verifier ? verifier(request, token, scheme, resource, now) : invalidToken('issuer')
    },
  }
}

/** What is verified here and never shown to anybody: three or five parts, of which the first is a header. */
function isJwt(token: string): boolean {
  try {
    decodeProtectedHeader(token)
    return true
  } catch {
    return false
  }
}

/** What a token says of itself: enough to choose who judges it. */
function issuerOf(token: string): string {
  try {
    return `${decodeJwt(token).iss}`
  } catch {
    return ''
  }
}

/** Judges the JWTs of one issuer. */
function createTokenVerifier(options: AccessTokenOptions): TokenVerifier {
  const { issuer, profile = 'rfc9068', algs = defaultAlgs, clockTolerance = 30, tenantClaim = 'tenant' } = options
  validateAccessTokenOptions(options)
  let checkSignature: ReturnType<typeof createSignatureCheck> | undefined
  const checkProof = createProofCheck(options.dpop ?? {})

  return async (request, token, scheme, resource, now) => {
    checkSignature ??= createSignatureCheck({
      issuer,
      algs,
      profile,
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
      const payload = await checkSignature(token, resource)
      const claim = claimFlaw(payload, profile, now(), clockTolerance)
      if (claim) return invalidToken(claim)
      const over = options.revokedUntil && (await revocationOf(options, payload))
      if (over) return over
      const binding = checkBinding(request, token, payload['cnf'], scheme, checkProof, resource, now)
      return boundResult(binding instanceof Promise ? await binding : binding, principalOf(payload, tenantClaim))
    } catch (error) {
      if (error instanceof TokenFlaw) return invalidToken(error.message)
      if ((error as { code?: unknown }).code === 'unknown key') return invalidToken('unknown key')
      if (error instanceof KeysUnavailable || !(error instanceof errors.JOSEError)) return unavailable('keys')
      return invalidToken(error.code)
    }
  }
}

const authorizationScheme = /^(Bearer|DPoP) +/i

/** What stands behind `Bearer` or `DPoP`, in any case; `undefined` for every other scheme. @see RFC 6750 section 2.1, RFC 9449 section 7.1 */
function credentialOf(request: Request): { token: string; scheme: 'bearer' | 'dpop' } | undefined {
  const header = request.headers.get('authorization') ?? ''
  const [before = '', name] = authorizationScheme.exec(header) ?? []
  if (name === undefined) return undefined
  return { token: header.slice(before.length), scheme: name.length === 4 ? 'dpop' : 'bearer' }
}

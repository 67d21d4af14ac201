import { decodeJwt, decodeProtectedHeader, errors, type JWTVerifyGetKey } from 'jose'
import type { AuthenticationResult, Authenticator } from '../protocol/principal.js'
import { validate } from '../protocol/validate.js'
import { checkBinding } from './binding.js'
import { claimFlaw, principalOf } from './claims.js'
import { createProofCheck } from './dpop-proof.js'
import { createIssuerKeys, KeysUnavailable } from './issuer-keys.js'
import { createOpaqueTokenVerifier } from './opaque-token.js'
import { type AccessTokenOptions, accessTokenOptions, defaultAlgs, validateAccessTokenOptions } from './options.js'
import { boundResult, invalidToken, mistaken, revocationOf, type TokenVerifier, unavailable } from './results.js'
import { createSignatureCheck, isAccessTokenType, TokenFlaw } from './signature.js'

/** Characters. A longer token is refused before any computation or request. */
const MAX_TOKEN_LENGTH = 16_384

/**
 * Accepts access tokens in `Authorization: Bearer` or `DPoP`.
 *
 * JWTs are verified here. The configuration fixes algorithm, issuer, audience and type. The signature is verified before the
 * claims. If the issuer's keys are unavailable, or its metadata or keys cannot be used, the response is 503. Several issuers are possible, each with its own settings:
 * `accessToken({ issuer: A }, { issuer: B, profile: 'jwt' })`. The unverified `iss` of a token only selects the verifier; keys of
 * one issuer never verify tokens of another.
 *
 * Opaque tokens are introspected (RFC 7662) at the one issuer that has `introspection`. The response must name this resource in
 * `aud`. If the issuer is down or its response cannot be parsed, the response is 503.
 *
 * A bound token (`cnf`) is refused without its proof: a DPoP proof of the key, accepted once (RFC 9449), or the client
 * certificate of the connection (RFC 8705), which the server adapter attaches to the request (`withPeer`).
 *
 * Not checked: revocation of single JWTs, which are valid until they expire; see `revokedUntil`. The revocation of an opaque
 * token takes effect after `introspection.maxAge` at most.
 *
 * @throws TypeError naming the option
 * @see RFC 9068 section 4, RFC 8725
 */
export function accessToken(...issuers: readonly [AccessTokenOptions, ...AccessTokenOptions[]]): Authenticator {
  const [only] = issuers
  // Without arguments, the check of `undefined` throws the TypeError.
  for (const options of issuers.length ? issuers : [only]) validate('accessToken', accessTokenOptions, options)
  const verifiers = new Map(issuers.map((options) => [options.issuer, createTokenVerifier(options)]))
  if (verifiers.size < issuers.length) throw new TypeError('accessToken: "issuer" must be different in each')
  const [first] = verifiers.values()
  const [introspected, second] = issuers.flatMap((options) =>
    options.introspection ? [createOpaqueTokenVerifier(options, options.introspection)] : [],
  )
  if (second)
    throw new TypeError(
      'accessToken: "introspection" can be set for one issuer only: an opaque token does not name its issuer',
    )

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
      const opaque = introspected && !isJwt(token)
      const verifier = opaque ? introspected : verifiers.size === 1 ? first : verifiers.get(issuerOf(token))
      return verifier ? verifier(request, token, scheme, resource, now) : invalidToken('issuer')
    },
  }
}

/** Whether the token has the form of a JWT (JWS or JWE). Such a token is verified here and never sent to an introspection endpoint. */
function isJwt(token: string): boolean {
  try {
    decodeProtectedHeader(token)
    return true
  } catch {
    return false
  }
}

/** The unverified `iss`. It only selects the verifier. */
function issuerOf(token: string): string {
  try {
    return `${decodeJwt(token).iss}`
  } catch {
    return ''
  }
}

/** Verifies the JWTs of one issuer. */
function createTokenVerifier(options: AccessTokenOptions): TokenVerifier {
  const { issuer, audience, profile = 'rfc9068', algs = defaultAlgs, clockTolerance = 30 } = options
  const { tenantClaim = 'tenant' } = options
  validateAccessTokenOptions(options)
  let checkSignature: ReturnType<typeof createSignatureCheck> | undefined
  const checkProof = createProofCheck(options.dpop ?? {})

  return async (request, token, scheme, resource, now) => {
    checkSignature ??= createSignatureCheck({
      issuer,
      audience: audience === undefined ? undefined : [audience].flat(),
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
      const hasAccessTokenHeader = () => isAccessTokenType(decodeProtectedHeader(token).typ)
      const claim = claimFlaw(payload, profile, hasAccessTokenHeader, now(), clockTolerance)
      if (claim) return invalidToken(claim)
      const revocation = options.revokedUntil && (await revocationOf(options, payload))
      if (revocation) return revocation
      const binding = checkBinding(request, token, payload['cnf'], scheme, checkProof, resource, now)
      return boundResult(binding instanceof Promise ? await binding : binding, principalOf(payload, tenantClaim))
    } catch (error) {
      if (error instanceof TokenFlaw) return invalidToken(error.message)
      if ((error as { code?: unknown }).code === 'unknown key') return invalidToken('unknown key')
      if (error instanceof KeysUnavailable) return (error.temporary ? unavailable : mistaken)(error.message)
      if (!(error instanceof errors.JOSEError)) return unavailable('keys')
      return invalidToken(error.code)
    }
  }
}

const authorizationScheme = /^(Bearer|DPoP) +/i

/** The token after `Bearer` or `DPoP` (case-insensitive); `undefined` for every other scheme. @see RFC 6750 section 2.1, RFC 9449 section 7.1 */
function credentialOf(request: Request): { token: string; scheme: 'bearer' | 'dpop' } | undefined {
  const header = request.headers.get('authorization') ?? ''
  const [before = '', name] = authorizationScheme.exec(header) ?? []
  if (name === undefined) return undefined
  return { token: header.slice(before.length), scheme: name.length === 4 ? 'dpop' : 'bearer' }
}

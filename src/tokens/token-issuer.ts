import { type JWK, type JWTHeaderParameters, SignJWT } from 'jose'
import { emitTo } from '../protocol/emit-to.js'
import { misuseOf } from '../protocol/option-checks.js'
import { isScope } from '../protocol/scope.js'
import {
  anything,
  bool,
  func,
  integer,
  list,
  object,
  oneOf,
  optional,
  seconds,
  secret,
  text,
} from '../protocol/shape.js'
import { systemNow } from '../protocol/time.js'
import { asyncCall, validate, validated } from '../protocol/validate.js'
import type { RecordStore } from '../store/contract.js'
import { storeCheck } from '../store/engine-checks.js'
import { warnOnce } from '../store/warnings.js'
import { type AccessTokenClaims, claimsCheck, validateClaims } from './claims.js'
import { createRefreshTokens, type SignInGrant } from './refresh-tokens.js'
import { createReadyKeys, keyFinder, type SigningKey, validateKey } from './signing-keys.js'

export interface TokenIssuerOptions {
  /** An https URL: `iss` of every token. */
  issuer: string
  /** The default API of tokens. */
  audience: string
  /** The first key signs. All keys verify and are in the JWKS. To rotate: add the new key last, later move it to the front, and remove the old key when its tokens have expired. */
  keys: readonly SigningKey[]
  /** Where refresh tokens are stored, as digests. */
  store: RecordStore
  /** Seconds. Default 900. */
  accessTokenLifetime?: number
  /** Seconds after which an unused refresh token expires. Default seven days. */
  refreshTokenLifetime?: number
  /** Seconds after which all refresh tokens of a sign-in expire, however often they are rotated. Default 30 days. */
  refreshTokenAbsoluteLifetime?: number
  /** Additional claims that access tokens can have, readable for every API. Default none. */
  disclose?: readonly string[]
  onEvent?: (event: TokenIssuerEvent) => void
  now?: () => number
}

export type TokenIssuerEvent =
  | { type: 'refresh_reused'; sub: string }
  /** Once per process: the configuration of the store's server can lose acknowledged writes, revocations included. */
  | { type: 'store_warning'; detail: string }
  /** A problem that the operator must fix. Contains no secrets. */
  | { type: 'operator_error'; detail: string }

/** The content of a new token. */
export interface NewToken {
  sub: string
  client_id: string
  scopes: readonly string[]
  /** Default: the issuer's. */
  audience?: string
  claims?: AccessTokenClaims
  /** Seconds, for this token. Default and maximum: the issuer's `accessTokenLifetime`. */
  lifetime?: number
  /** Whether to issue a refresh token too. Default `false`. */
  refresh?: boolean
}

interface RefreshOptions {
  /** A subset of the granted scopes. Default: all of them. */
  scopes?: readonly string[]
  /** Must be the granted API. Default: the granted API. */
  audience?: string
}

/** @see RFC 6749 section 5.1 */
export interface IssuedToken {
  access_token: string
  token_type: 'Bearer' | 'DPoP'
  expires_in: number
  scope: string
  refresh_token?: string
}

export const tokenIssuerOptions = object<TokenIssuerOptions>({
  issuer: text,
  audience: text,
  keys: list(object<SigningKey>({ alg: oneOf('ES256', 'EdDSA', 'RS256', 'HS256'), key: secret }, '{ alg, key }'), 1),
  store: storeCheck,
  accessTokenLifetime: optional(integer({ least: 1 }, 'a whole number of seconds')),
  refreshTokenLifetime: optional(seconds()),
  refreshTokenAbsoluteLifetime: optional(seconds()),
  disclose: optional(list(text)),
  onEvent: optional(func),
  now: optional(func),
})

export const tokenIssuerCalls = {
  // A header from a caller: for an invalid one, no key is found.
  keys: asyncCall(['header', anything<JWTHeaderParameters>()]),
  issue: asyncCall([
    'token',
    object<NewToken>({
      sub: text,
      client_id: text,
      scopes: list(text),
      audience: optional(text),
      claims: optional(claimsCheck),
      lifetime: optional(integer({ least: 1 }, 'a whole number of seconds')),
      refresh: optional(bool),
    }),
  ]),
  // Any value gets a result, because callers send it.
  refresh: asyncCall(
    ['refresh_token', anything<string>()],
    ['options', optional(object<RefreshOptions>({ scopes: optional(list(text)), audience: optional(text) }))],
  ),
  revoke: asyncCall(['refresh_token', anything<string>()]),
  jwks: asyncCall(),
}

export type TokenIssuer = ReturnType<typeof createTokenIssuer>

/**
 * For services that issue their own tokens: RFC 9068 access tokens and rotated refresh tokens, for users or programs that the
 * service has authenticated itself.
 *
 * A refresh token is valid once. A second use revokes all refresh tokens of its sign-in, in every process. Within 60 seconds it
 * returns the same successor instead, if that is not used yet: for lost responses and concurrent requests.
 *
 * @throws TypeError naming the option
 */
export function createTokenIssuer(options: TokenIssuerOptions) {
  validate('createTokenIssuer', tokenIssuerOptions, options)
  const { issuer, audience, store, disclose = [], onEvent, now = systemNow } = options
  const { accessTokenLifetime = 900, refreshTokenLifetime = 604_800 } = options
  const { refreshTokenAbsoluteLifetime = 2_592_000 } = options
  validateIssuerAndKeys(options)
  const emit = emitTo(onEvent)
  const ready = createReadyKeys(options.keys, accessTokenLifetime, now, () =>
    emit({ type: 'operator_error', detail: 'The signing keys cannot be read again; the previous keys are used' }),
  )
  const refreshTokens = createRefreshTokens(store, refreshTokenLifetime, refreshTokenAbsoluteLifetime, now, (sub) =>
    emit({ type: 'refresh_reused', sub }),
  )
  const warnAboutStore = warnOnce(store, (detail) => emit({ type: 'store_warning', detail }))

  async function sign(
    { sub, client_id, scopes, claims }: SignInGrant,
    aud: string,
    lifetime?: number,
  ): Promise<IssuedToken> {
    const expires_in = Math.min(lifetime ?? accessTokenLifetime, accessTokenLifetime)
    const { kid, alg, sign: key } = (await ready())[0]
    const iat = Math.floor(now())
    const scope = scopes.join(' ')
    const access_token = await new SignJWT({ ...claims, client_id, scope })
      .setProtectedHeader({ alg, kid, typ: 'at+jwt' })
      .setIssuer(issuer)
      .setAudience(aud)
      .setSubject(sub)
      .setIssuedAt(iat)
      .setExpirationTime(iat + expires_in)
      .setJti(crypto.randomUUID())
      .sign(key)
    const bound = (claims['cnf'] as { jkt?: string } | undefined)?.jkt !== undefined
    return { access_token, token_type: bound ? 'DPoP' : 'Bearer', expires_in, scope }
  }

  const methods = {
    issuer,
    /** The default audience. */
    audience,
    /** For `accessToken({ issuer, algs, keys })` in the same process. */
    algs: [...new Set(options.keys.map(({ alg }) => alg))],
    /** Finds the key of a token by `kid` and `alg`. */
    keys: keyFinder(ready),

    /** @throws TypeError naming the claim or the field */
    async issue({
      sub,
      client_id,
      scopes,
      audience: aud = audience,
      claims = {},
      lifetime,
      refresh = false,
    }: NewToken): Promise<IssuedToken> {
      const invalid = scopes.find((scope) => !isScope(scope))
      if (invalid !== undefined)
        throw new TypeError(`tokens.issue: "scopes" names ${invalid}, which is not a valid scope`)
      warnAboutStore()
      const kept = validateClaims(claims, disclose)
      const grant = { sub, client_id, scopes: [...new Set(scopes)], claims: kept, audience: aud }
      const issued = await sign(grant, aud, lifetime)
      return refresh ? { ...issued, refresh_token: await refreshTokens.create(grant) } : issued
    },

    /**
     * Spends a refresh token and returns new tokens. `scopes` can only be a subset. After a StoreError, call again with the same token.
     *
     * @throws TypeError for scopes, and for an API, that were not granted
     * @throws SallyportError `refresh_invalid`, `refresh_reused`, `refresh_conflict`
     */
    async refresh(refresh_token: string, { scopes, audience: requested }: RefreshOptions = {}): Promise<IssuedToken> {
      // Signed before the refresh token is spent: if a key is unavailable, the sign-in is not lost.
      const { token, made } = await refreshTokens.rotate(refresh_token, (granted) => {
        const more = scopes?.find((scope) => !granted.scopes.includes(scope))
        if (more !== undefined) throw new TypeError(`tokens.refresh: "scopes" names ${more}, which was not granted`)
        const aud = granted.audience ?? audience
        if (requested !== undefined && requested !== aud)
          throw new TypeError('tokens.refresh: "audience" names an API that was not granted')
        return sign({ ...granted, scopes: scopes ?? granted.scopes }, aud)
      })
      return { ...made, refresh_token: token }
    },

    /** Revokes all refresh tokens of this token's sign-in. Access tokens stay valid until they expire. @see RFC 7009 */
    revoke: (refresh_token: string): Promise<void> => refreshTokens.revoke(refresh_token),

    /** The public keys, for the URL in `jwks_uri`. Shared secrets are not included. @see RFC 7517 section 5 */
    async jwks(): Promise<{ keys: JWK[] }> {
      return { keys: (await ready()).flatMap(({ publicJwk }) => publicJwk ?? []) }
    },
  }
  return validated('tokens', methods, tokenIssuerCalls)
}

const misuse = misuseOf('createTokenIssuer')

/** Checks that the declared shape cannot express. */
function validateIssuerAndKeys({ issuer, keys }: TokenIssuerOptions): void {
  if (!URL.canParse(issuer) || !/^https?:/.test(issuer) || /[?#]/.test(issuer))
    misuse('issuer', 'must be an https: URL without query and fragment')
  for (const key of keys) validateKey(key)
}

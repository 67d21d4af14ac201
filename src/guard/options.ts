import type { CryptoKey, JWTHeaderParameters } from 'jose'
import { isSafeUrl } from '../protocol/option-checks.js'
import type { Secret } from '../protocol/secret.js'
import { either, func, list, object, oneOf, optional, seconds, secret, text } from '../protocol/shape.js'
import { assertionAudienceOf, type ClientAuthentication, validatePrivateKey } from '../provider/client/client.js'
import { storeCheck } from '../store/engine-checks.js'
import type { DpopOptions } from './dpop-proof.js'

export interface AccessTokenOptions {
  /**
   * Compared character for character with `iss`. A URL, unless nothing is fetched from it (`jwksUri` or `keys` is set, and `endpoint` of
   * `introspection`): then it may be any text, such as the `access_token_issuer` of AD FS or a `urn:`.
   */
  issuer: string
  /**
   * The audience of this API at this issuer, or several of them: a token must have one in `aud`. Any text (StringOrURI): Entra’s v2.0
   * tokens have the bare GUID of the API. Default: the `resource` of the guard. @see RFC 7519 sections 2 and 4.1.3
   */
  audience?: string | readonly string[]
  /**
   * `rfc9068` (default): `typ` is `at+jwt`, and `sub`, `client_id`, `iat`, `jti` are required. `jwt`: for issuers whose access
   * tokens are plain JWTs (Keycloak, Entra, Okta); `typ` is `JWT` or absent, and ID, refresh and logout tokens are refused.
   */
  profile?: 'rfc9068' | 'jwt'
  /** Default `RS256`, `PS256`, `ES256`, `EdDSA`. A token with any other `alg` is refused. */
  algs?: readonly string[]
  /** The URL of the keys. Default: `jwks_uri` of the issuer's metadata. */
  jwksUri?: string
  /**
   * Returns the key of a token, instead of a request to the issuer: `createTokenIssuer(…).keys` in the same process. Rejects if the
   * key is unknown. With it, `algs` may contain HS256.
   */
  keys?: (header: JWTHeaderParameters) => Promise<CryptoKey | Uint8Array>
  /** Introspects tokens that are not JWTs. Default: they are refused. @see RFC 7662 */
  introspection?: IntrospectionOptions
  /**
   * The time (epoch seconds) until which issued tokens of this caller are revoked: for a user who was signed out everywhere, or a
   * client whose secret has leaked. Called in every request with the verified claims. If it throws, the response is 503.
   * Default: no token is revoked.
   */
  revokedUntil?: (claims: Readonly<Record<string, unknown>>) => number | undefined | Promise<number | undefined>
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

/** This API as a client of the issuer, for introspection. */
export type IntrospectionOptions = {
  client_id: string
  /** Default: `introspection_endpoint` of the issuer's metadata. */
  endpoint?: string
  /**
   * Seconds that an active response is cached. A revoked token is accepted for that long at most. Default 30. With 0 every request
   * causes an introspection; only concurrent requests with the same token share one.
   */
  maxAge?: number
} & Exclude<ClientAuthentication, { clientAuthentication: 'tls_client_auth' }>

const introspectionOptions = object<IntrospectionOptions>({
  client_id: text,
  endpoint: optional(text),
  maxAge: optional(seconds({ least: 0 })),
  client_secret: optional(secret),
  clientAuthentication: optional(oneOf('client_secret_basic', 'client_secret_post', 'private_key_jwt')),
  clientKey: optional(secret),
  assertionAudience: optional(oneOf('issuer', 'endpoint')),
})

export const accessTokenOptions = object<AccessTokenOptions>({
  issuer: text,
  audience: optional(either(text, list(text, 1))),
  profile: optional(oneOf('rfc9068', 'jwt')),
  algs: optional(list(text, 1)),
  jwksUri: optional(text),
  keys: optional(func),
  introspection: optional(introspectionOptions),
  revokedUntil: optional(func),
  tenantClaim: optional(text),
  fetch: optional(func),
  clockTolerance: optional(seconds({ least: 0 })),
  cooldown: optional(seconds({ least: 0 })),
  maxAge: optional(seconds({ least: 0 })),
  timeout: optional(seconds()),
  dpop: optional(
    object<DpopOptions>({
      store: optional(storeCheck),
      publicUrl: optional(either(text, func)),
      maxAge: optional(seconds()),
      nonceKey: optional(text),
    }),
  ),
})

export const defaultAlgs = ['RS256', 'PS256', 'ES256', 'EdDSA']

/** Checks that the declared shape cannot express. @throws TypeError naming the option and the remedy */
export function validateAccessTokenOptions(options: AccessTokenOptions): void {
  const { issuer, jwksUri, keys, algs = defaultAlgs, introspection } = options
  const fetchesMetadata = !(jwksUri || keys) || (introspection && !introspection.endpoint)
  if (fetchesMetadata && !isSafeUrl(issuer))
    misuse('issuer', 'must be an https: URL (http: on loopback only); any other text needs "jwksUri" or "keys"')
  if (jwksUri !== undefined) requireUrl('jwksUri', jwksUri)
  const allowed = keys ? /^((RS|PS|ES)(256|384|512)|EdDSA|Ed25519|HS256)$/ : /^((RS|PS|ES)(256|384|512)|EdDSA|Ed25519)$/
  if (algs.some((alg) => !allowed.test(alg))) misuse('algs', 'must be asymmetric signature algorithms like RS256')
  if (introspection) validateIntrospection(introspection)
}

function validateIntrospection(options: IntrospectionOptions): void {
  const { endpoint, clientAuthentication: method } = options
  assertionAudienceOf(options, (option, remedy) => misuse(`introspection.${option}`, remedy))
  if (endpoint !== undefined) requireUrl('introspection.endpoint', endpoint)
  if ('clientKey' in options || method === 'private_key_jwt')
    validateClientKey((options as { clientKey?: Secret }).clientKey)
  else if (!options.client_secret)
    misuse('introspection.client_secret', 'is missing: the secret, or a function that gets it')
}

/** A key from a function is validated when the function returns it. */
function validateClientKey(key: Secret | undefined): void {
  validatePrivateKey('introspection.clientKey', key, misuse)
  if (typeof key === 'string' && JSON.parse(key).alg === undefined) misuse('introspection.clientKey', 'must have "alg"')
}

function misuse(option: string, remedy: string): never {
  throw new TypeError(`accessToken: "${option}" ${remedy}`)
}

function requireUrl(option: string, text: string): void {
  if (!isSafeUrl(text)) misuse(option, 'must be an https: URL (http: on loopback only)')
}

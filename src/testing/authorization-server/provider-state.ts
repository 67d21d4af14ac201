import type { JWK } from 'jose'
import type { Claims, Header, Keys, SigningKey, TamperedToken } from './keys.js'

/** A client, registered for one authentication method: a secret, the keys of its assertions, a certificate, or none. */
export interface MockClient {
  client_id: string
  client_secret?: string
  /**
   * `none`: a public client. Pages of any origin may call the endpoints (CORS), and its refresh tokens are bound to the
   * key of their DPoP proof. @see RFC 9449 section 5
   */
  token_endpoint_auth_method?: 'none'
  /** Public keys of `private_key_jwt`. */
  jwks?: { keys: JWK[] }
  /** DER: for `tls_client_auth`, compared with the certificate of the request's peer. */
  certificate?: Uint8Array
  /** UserInfo is a JWT. */
  userinfo_signed_response_alg?: 'RS256' | 'ES256'
  redirect_uris: readonly string[]
  post_logout_redirect_uris?: readonly string[]
}

/** A client without authentication. */
export const isPublic = ({ token_endpoint_auth_method }: MockClient): boolean => token_endpoint_auth_method === 'none'

export const clientOf = ({ clients }: ProviderState, client_id: unknown): MockClient | undefined =>
  clients.find((client) => client.client_id === client_id)

export interface MockUser {
  sub: string
  [claim: string]: unknown
}

/** The content of an authorization code or a refresh token. */
export interface Grant {
  client_id: string
  sub: string
  sid: string
  scope: string
  resource: string[]
  nonce?: string
  acr?: string
  auth_time: number
  /** Identifies all refresh tokens of one grant: of one sign-in, or of one session and client (`grantPerSession`). */
  family: string
  /** Thumbprint of the key that a public client's refresh token is bound to. */
  jkt?: string
}

interface Code extends Grant {
  redirect_uri: string
  code_challenge: string
  expires: number
  used: boolean
}

interface RefreshToken extends Grant {
  /** When it was used, epoch seconds. */
  spent?: number
}

/** Functions of a test that change the provider's responses; unset them with `undefined`. */
export interface TamperHooks {
  idToken?: ((claims: Claims, header: Header) => TamperedToken) | undefined
  tokenResponse?: ((json: Claims) => Claims) | undefined
  authorizationResponse?: ((parameters: URLSearchParams) => URLSearchParams) | undefined
  metadata?: ((json: Claims) => Claims) | undefined
  userinfo?: ((claims: Claims) => Claims) | undefined
  introspection?: ((json: Claims) => Claims) | undefined
  /** For a signed UserInfo or authorization response. */
  signed?: ((claims: Claims, header: Header) => TamperedToken) | undefined
}

export interface MockAuthorizationServerOptions {
  issuer: string
  clients: readonly MockClient[]
  users: readonly MockUser[]
  /** The clock, epoch seconds. Default: the system's. */
  now?: () => number
  /** Seconds. Default 300. */
  accessTokenLifetime?: number
  /** `opaque`: random texts, which an API checks by introspection (RFC 7662). Default `jwt`. */
  accessTokenFormat?: 'jwt' | 'opaque'
  /** Seconds in which a used refresh token may be used again. Default 0: reuse revokes the family. */
  leeway?: number
  /** One grant for each `sid` and client, as at Keycloak; revoking a refresh token ends all its tokens. Default `false`: one for each sign-in. */
  grantPerSession?: boolean
  /** Whether the server supports pushed authorization requests (RFC 9126). Default `false`. */
  par?: boolean
  /** The only `aud` of client assertions: the issuer (default), or the URL that the request is sent to, as at Okta. */
  assertionAudience?: 'issuer' | 'endpoint'
  /** The nonce that DPoP proofs must contain (RFC 9449 section 8). Default: none. */
  dpopNonce?: string
  /** Default: new ones. @see generateKeys */
  keys?: readonly SigningKey[]
}

/** The state of one mock provider. */
export interface ProviderState extends Required<Omit<MockAuthorizationServerOptions, 'par' | 'dpopNonce' | 'keys'>> {
  keys: Keys
  codes: Map<string, Code>
  /** Pushed requests by `request_uri`, each valid once. */
  pushed: Map<string, { form: URLSearchParams; expires: number }>
  refreshTokens: Map<string, RefreshToken>
  revokedFamilies: Set<string>
  /** With `grantPerSession`: the family of each session and client. */
  sessionFamilies: Map<string, string>
  /** The claims of every access token that has not been revoked. */
  accessTokens: Map<string, Claims>
  /** With `grantPerSession`: the family that an access token ends with. */
  accessTokenFamilies: Map<string, string>
  tamper: TamperHooks
  signedIn: { sub: string; sid: string; auth_time: number } | undefined
  denial: { error: string; error_description?: string } | undefined
  grants: { authorization_code: number; refresh_token: number; client_credentials: number }
  /** Every code and token issued, so that a test can check that they do not leak. */
  issued: string[]
  /** Identifiers that are valid once. */
  seen: Set<string>
  /** The nonce that DPoP proofs must contain; `undefined`: none. */
  dpopNonce: string | undefined
}

export function issue<Text extends string>(state: ProviderState, secret: Text): Text {
  state.issued.push(secret)
  return secret
}

/** With `grantPerSession`, the browser session lasts until `signOut()`, also if another user signs in. */
export const sidOfSignIn = ({ grantPerSession, signedIn }: ProviderState): string =>
  (grantPerSession && signedIn?.sid) || crypto.randomUUID()

/** The family of a new grant, or of the one that this session and client have already. */
export function familyOf(state: ProviderState, { sid, client_id }: Pick<Grant, 'sid' | 'client_id'>): string {
  if (!state.grantPerSession) return randomText()
  const key = JSON.stringify([sid, client_id])
  const known = state.sessionFamilies.get(key)
  if (known !== undefined && !state.revokedFamilies.has(known)) return known
  const family = randomText()
  state.sessionFamilies.set(key, family)
  return family
}

/** 256 random bits. */
export const randomText = (): string =>
  crypto.randomUUID().replaceAll('-', '') + crypto.randomUUID().replaceAll('-', '')

export const scopesOf = (scope: string): string[] => scope.split(' ').filter(Boolean)

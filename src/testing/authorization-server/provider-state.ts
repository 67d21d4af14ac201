import type { JWK } from 'jose'
import type { Claims, Header, Keys, Tampered } from './keys.js'

/** A client, registered for one way to authenticate: a secret, the keys of its assertions, a certificate, or none. */
export interface MockClient {
  client_id: string
  client_secret?: string
  /**
   * `none`: a public client. Pages of any origin may then ask (CORS), and its refresh tokens are bound to the key of their
   * DPoP proof. @see RFC 9449 section 5
   */
  token_endpoint_auth_method?: 'none'
  /** Public keys of `private_key_jwt`. */
  jwks?: { keys: JWK[] }
  /** DER: of `tls_client_auth`, compared with the one of the request's peer. */
  certificate?: Uint8Array
  /** UserInfo comes as a JWT. */
  userinfo_signed_response_alg?: 'RS256' | 'ES256'
  redirect_uris: readonly string[]
  post_logout_redirect_uris?: readonly string[]
}

/** Whoever knows its name can be this client. */
export const isPublic = ({ token_endpoint_auth_method }: MockClient): boolean => token_endpoint_auth_method === 'none'

export interface MockUser {
  sub: string
  [claim: string]: unknown
}

/** What has been promised for a code or a refresh token. */
export interface Grant {
  client_id: string
  sub: string
  sid: string
  scope: string
  resource: string[]
  nonce?: string
  acr?: string
  auth_time: number
  /** All refresh tokens that came from one sign-in. */
  family: string
  /** Thumbprint of the key that a public client's refresh token is bound to. */
  jkt?: string
}

export interface Code extends Grant {
  redirect_uri: string
  code_challenge: string
  expires: number
  used: boolean
}

export interface RefreshToken extends Grant {
  /** When it was spent, epoch seconds. */
  spent?: number
}

/** Changes that a test makes to what the provider says; unset them with `undefined`. */
export interface Tamper {
  idToken?: ((claims: Claims, header: Header) => Tampered) | undefined
  tokenResponse?: ((json: Claims) => Claims) | undefined
  authorizationResponse?: ((parameters: URLSearchParams) => URLSearchParams) | undefined
  metadata?: ((json: Claims) => Claims) | undefined
  userinfo?: ((claims: Claims) => Claims) | undefined
  introspection?: ((json: Claims) => Claims) | undefined
  /** Where UserInfo or the authorization response is signed. */
  signed?: ((claims: Claims, header: Header) => Tampered) | undefined
}

/** Everything that one make-believe provider knows. */
export interface ProviderState {
  issuer: string
  clients: readonly MockClient[]
  users: readonly MockUser[]
  keys: Keys
  now(): number
  accessTokenLifetime: number
  /** What access tokens look like. */
  accessTokenFormat: 'jwt' | 'opaque'
  /** Seconds in which a spent refresh token may be used again; 0 is strict. */
  leeway: number
  codes: Map<string, Code>
  /** Pushed requests by `request_uri`, each good once. */
  pushed: Map<string, { form: URLSearchParams; expires: number }>
  refreshTokens: Map<string, RefreshToken>
  revokedFamilies: Set<string>
  /** The claims of every access token that has not been revoked. */
  accessTokens: Map<string, Claims>
  tamper: Tamper
  signedIn: { sub: string; sid: string; auth_time: number } | undefined
  denial: { error: string; error_description?: string } | undefined
  grants: { authorization_code: number; refresh_token: number; client_credentials: number }
  /** Every code and token issued, so that a test can look for them where they must not be. */
  issued: string[]
  /** Identifiers that are good once. */
  seen: Set<string>
  /** What proofs of possession have to carry; `undefined`: nothing. */
  dpopNonce: string | undefined
}

export function issue<Text extends string>(state: ProviderState, secret: Text): Text {
  state.issued.push(secret)
  return secret
}

/** 256 random bits. */
export const randomText = (): string =>
  crypto.randomUUID().replaceAll('-', '') + crypto.randomUUID().replaceAll('-', '')

export const scopesOf = (scope: string): string[] => scope.split(' ').filter(Boolean)

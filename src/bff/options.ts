import type { Secret } from '../protocol/secret.js'
import type { Mode } from '../protocol/session.js'
import type { Now } from '../protocol/time.js'
import type { ClientOptions } from '../provider/client/client.js'
import type { RecordStore } from '../store/contract.js'
import type { BffEvent } from './events.js'
import type { RateLimits } from './rate-limits/rate-limits.js'
import type { RouteOptions } from './routes.js'

/** How this backend is registered at one provider. */
export type ProviderOptions = ClientOptions & {
  /**
   * Further parameters for the provider’s end-session page, for example `{ logout_uri: 'https://app.example.com/' }` for Amazon
   * Cognito. Default none. `client_id`, `post_logout_redirect_uri`, `state` and `id_token_hint` are always sent.
   * @see OpenID Connect RP-Initiated Logout 1.0 section 2
   */
  endSessionParams?: Readonly<Record<string, string>>
  /**
   * For an issuer of many tenants (Microsoft Entra ID): `issuer` is the template `https://login.microsoftonline.com/{tenantid}/v2.0`,
   * exactly as in the document at `metadataUrl`. Who may sign in: the ids of the tenants (GUIDs, `tid` in the ID Token), or a function
   * that resolves to `true`. It gets the verified claims before there is a session, and may take as long as `timeout`; if it throws,
   * nobody signs in. The `iss` of a session is that of its tenant. There is no value for “any tenant”.
   */
  tenants?: readonly string[] | ((tid: string, claims: Readonly<Record<string, unknown>>) => boolean | Promise<boolean>)
}

/** The options of a backend: as a client of its provider, and for its pages. */
export type BffOptions = ProviderOptions & SiteOptions

/** What `onSignIn` is called with. */
export interface SignedInUser {
  readonly iss: string
  readonly sub: string
  /**
   * The parameters of the authorization response that no specification defines, as the browser sent them. Not signed: the user can
   * write anything there. Never use them for authorization, and never take an email address from them.
   *
   * Apple sends `user` here, in the first sign-in only: JSON with `name` (`firstName`, `lastName`). It needs `response_mode: 'form_post'`.
   */
  readonly unverified: Readonly<Record<string, string>>
}

/** An API that tokens may be requested for. */
export interface ResourceOptions {
  scopes: readonly string[]
  /** Default `false`; the default resource is always requested. */
  atSignIn?: boolean
}

export interface SiteOptions {
  /**
   * In proxy mode: further providers. `/login?iss=<issuer>` signs in at one of them. Register the redirect URI
   * `/bff/callback/<name>` at each: a different one for each provider (RFC 9700 section 2.1). Default none.
   */
  issuers?: Readonly<Record<string, ProviderOptions>>
  /** The origin that browsers see: `https://app.example.com`. Request headers never change it. */
  baseUrl: string
  /** The path of the endpoints. Default `/bff`. */
  basePath?: string
  /** Separates the cookies of several apps on one host. Letters, digits, `-` and `_`. Default `sallyport`. */
  name?: string
  /**
   * Where sessions are stored: `redisStore(…)`, `postgresStore(…)`, or `memoryStore()` for a single process. Default: in sealed
   * cookies, for a single process, without a session list and without sign-out by the provider.
   */
  store?: RecordStore
  /**
   * At least one random string of 32 characters or more. The first key seals; all keys open. After the first, `undefined` and empty
   * strings are left out: the variable with the old key is set during a rotation only.
   */
  cookieKeys: readonly (Secret | undefined)[]
  /**
   * `token-mediating` (default): the page begins sign-ins and gets access tokens. `proxy`: the backend begins sign-ins and calls
   * the APIs; no token ever reaches the page. @see RFC 10017 sections 6.2 and 6.1
   */
  mode?: Mode
  /**
   * How the provider responds in proxy mode: `query` (default), `form_post`, which needs a `SameSite=None` cookie, or `jwt`, a
   * signed response. @see JWT Secured Authorization Response Mode section 2.3
   */
  response_mode?: 'query' | 'form_post' | 'jwt'
  /**
   * In proxy mode: access tokens are bound to this private key (a JWK in JSON, like `clientKey`), so that a stolen token is
   * useless. All processes share the key. Default: bearer tokens. @see RFC 9449
   */
  dpopKey?: Secret
  /** The algorithm of signed UserInfo responses, as registered. Default: UserInfo is JSON. @see OpenID Connect Core 1.0 section 5.3.2 */
  userinfo_signed_response_alg?: string
  /**
   * Space-separated. A sign-in requests these scopes and those of the default resource; a page may request fewer. Default
   * `openid profile email`. `offline_access` is never added: most providers require it for refresh tokens, but not all.
   */
  scope?: string
  /**
   * The APIs that tokens may be requested for: resource indicator → scopes. The first is the default. With `atSignIn`, a sign-in requests
   * this resource and its scopes, too; otherwise only a sign-in that names it does. Some providers refuse several resources in
   * one request (Microsoft Entra ID). @see RFC 8707
   */
  resources?: Readonly<Record<string, ResourceOptions>>
  /** In proxy mode: the APIs under `/bff/api/<name>/…`. Default none. */
  routes?: Readonly<Record<string, RouteOptions>>
  /** Registered at the provider, character for character. Default `/callback` on `baseUrl`; in proxy mode `/bff/callback`, always. */
  redirect_uris?: readonly string[]
  /**
   * Where users may come back to after sign-out; registered at the provider, character for character. The first is the default,
   * the others are for `auth.logout({ returnTo })`. Default `/` on `baseUrl`.
   */
  post_logout_redirect_uris?: readonly string[]
  /** Further authorization parameters that a page may send, for example `organization`. Default none. */
  authorizationParams?: readonly string[]
  /** The claims that a page may see. Default: `sub`, names, `picture`, `email`, `email_verified`, `locale`, `updated_at`. */
  claims?: readonly string[]
  /**
   * Signature algorithms of ID Tokens, logout tokens and signed authorization responses, whatever the metadata lists. Set the one that the
   * client is registered with. Default `RS256`, `PS256`, `ES256`, `EdDSA`; `none` and the HMAC family are refused.
   */
  idTokenAlgs?: readonly string[]
  /** Other origins of the same site whose pages may use this backend. Default none. */
  allowedOrigins?: readonly string[]
  /** Seconds without a request after which a session ends. Default 86,400 (a day), at most 400 days, like a cookie. */
  idleTimeout?: number
  /** Seconds after which a session ends in any case. Default 604,800 (a week), at most 400 days. */
  absoluteTimeout?: number
  /** Seconds by which clocks may differ. Default 60. During a sign-in 150 at most, so that nothing of it is kept longer than 15 minutes. */
  clockTolerance?: number
  /** Seconds to wait for the provider. Default 10. */
  timeout?: number
  /** Development only: cookies that work over plain http on loopback in every browser engine. Refused off loopback. */
  loopbackCookies?: boolean
  /**
   * Limiters of `rate-limiter-flexible`, by address and by user; above the limit, the answer is 429. They replace the default
   * limits; `false` turns those off.
   *
   * Default, in the memory of each process, for each address (IPv6: each /64) and minute: 1,000 requests that begin or finish
   * sign-ins, and 6,000 calls of anonymous routes. That is enough for an office of a thousand people behind one address. Requests
   * with a session do not count. Only an address that is public, or that comes from one of `trustedProxies`, is counted.
   */
  rateLimits?: RateLimits | false
  /**
   * The networks of the proxies in front of this backend, including CDNs: `['10.0.0.0/8']`. Only if a request comes from them, the
   * client’s address is taken from `X-Forwarded-For`: the last address there that is not in these networks. A proxy must append
   * the address that it sees, or overwrite the header. Default: none; the address is that of the socket.
   */
  trustedProxies?: readonly string[]
  /**
   * Called after each sign-in, before the page is told. Five seconds at most. If it throws, the user is signed in all the same, and
   * an event says so.
   */
  onSignIn?: (user: SignedInUser) => unknown
  onEvent?: (event: BffEvent) => void
  /**
   * Without `onEvent`, what the operator must act on goes to `console.error`, one line per cause and minute with the number of
   * repetitions, and a line about the configuration to `console.info` at the first request. Nothing that anonymous requests cause,
   * and no secret. With `onEvent`, or with `false`, nothing is printed.
   */
  log?: false
  /** For requests to the provider and to the APIs of `routes`. Default: the `fetch` of the runtime. */
  fetch?: typeof globalThis.fetch
  now?: Now
}

import type { Secret } from '../protocol/secret.js'
import type { Mode } from '../protocol/session.js'
import type { Now } from '../protocol/time.js'
import type { ClientOptions } from '../provider/client/client.js'
import type { RecordStore } from '../store/contract.js'
import type { BffEvent } from './events.js'
import type { RateLimits } from './rate-limits/rate-limits.js'
import type { RouteOptions } from './routes.js'

/** A backend: as a client of its provider, and before its pages. */
export type BffOptions = ClientOptions & SiteOptions

export interface SiteOptions {
  /**
   * In proxy mode: further providers. `/login?iss=<issuer>` signs in at one of them. The name stands in the redirect URI
   * that is to be registered there, `/bff/callback/<name>`: a different one for each (RFC 9700 section 2.1). Default none.
   */
  issuers?: Readonly<Record<string, ClientOptions>>
  /** The origin that browsers see, `https://app.example.com`. No header of a request ever changes it. */
  baseUrl: string
  /** Where the endpoints live. Default `/bff`. */
  basePath?: string
  /** Separates the cookies of several apps on one host. Letters, digits, `-` and `_`. Default `sallyport`. */
  name?: string
  /**
   * Where sessions live: `redisStore(…)`, `postgresStore(…)`, or `memoryStore()` for a single process. Default: in sealed
   * cookies, which one process can serve, without a list of sessions and without sign-out by the provider.
   */
  store?: RecordStore
  /** At least one text of 32 characters or more, made by a random generator. The first seals, all open. */
  cookieKeys: readonly Secret[]
  /**
   * `token-mediating` (default): the page begins sign-ins and is handed access tokens. `proxy`: the backend does both, and
   * no token ever reaches the page. @see RFC 10017 sections 6.2 and 6.1
   */
  mode?: Mode
  /**
   * How the provider answers in proxy mode: `query` (default), `form_post`, whose cookies are `SameSite=None`, or `jwt`, a
   * signed answer. @see JWT Secured Authorization Response Mode section 2.3
   */
  response_mode?: 'query' | 'form_post' | 'jwt'
  /**
   * In proxy mode: access tokens are bound to this private key (a JWK in JSON, like `clientKey`), and of no use to whoever
   * steals them. All processes share it. Default: bearer tokens. @see RFC 9449
   */
  dpopKey?: Secret
  /** UserInfo comes signed with this algorithm, as registered. Default: as JSON. @see OpenID Connect Core 1.0 section 5.3.2 */
  userinfo_signed_response_alg?: string
  /** Space-separated: what a page may ask for, and what is asked for when it names none. Default `openid profile email`. Add `offline_access` where the provider wants it for refresh tokens. */
  scope?: string
  /** The APIs that a page may have tokens for, by resource indicator, each with its scopes. The first is the default. @see RFC 8707 */
  resources?: Readonly<Record<string, { scopes: readonly string[] }>>
  /** In proxy mode: the APIs that pages reach under `/bff/api/<name>/…`. Default none. */
  routes?: Readonly<Record<string, RouteOptions>>
  /** Registered at the provider, character for character. Default `/callback` on `baseUrl`; in proxy mode `/bff/callback`, always. */
  redirect_uris?: readonly string[]
  /** Registered at the provider. Default `/` on `baseUrl`. */
  post_logout_redirect_uri?: string
  /** Names of the provider's own authorization parameters that a page may send, for example `organization`. Default none. */
  authorizationParams?: readonly string[]
  /** The claims that a page gets to see. Default: `sub`, names, `picture`, `email`, `email_verified`, `locale`, `updated_at`. */
  claims?: readonly string[]
  /** Signature algorithms of ID Tokens. Default `RS256`, `PS256`, `ES256`, `EdDSA`; `none` and the HMAC family are refused. */
  idTokenAlgs?: readonly string[]
  /** Other origins of the same site whose pages may use this backend, exactly. Default none. */
  allowedOrigins?: readonly string[]
  /** Seconds without a request after which a session ends. Default 86,400 (a day). */
  idleTimeout?: number
  /** Seconds after which a session ends whatever happens. Default 604,800 (a week). */
  absoluteTimeout?: number
  /** Seconds that clocks may differ. Default 60. For a sign-in under way 150 at most, so that nothing of it is kept longer than 15 minutes. */
  clockTolerance?: number
  /** Seconds to wait for the provider. Default 10. */
  timeout?: number
  /** Development only: cookies that work over plain http on loopback in every browser engine. Refused off loopback. */
  loopbackCookies?: boolean
  /**
   * Limiters of `rate-limiter-flexible`: so many requests of one address, so many calls of one person; 429 beyond. They replace
   * the default; `false` ends it.
   *
   * Default, in the memory of each process: in a minute 1,000 requests that begin or finish sign-ins, and 6,000 calls of APIs that
   * need nobody, for each address (of IPv6, each /64), as long as nobody is signed in with them. That is an office of a thousand
   * people behind one address at nine o'clock. Counted is only a public address, or one that `trustedProxies` name.
   */
  rateLimits?: RateLimits | false
  /**
   * The networks of the proxies in front of this backend, CDNs included: `['10.0.0.0/8']`. From them, and from nobody else, the
   * caller's address is taken from `X-Forwarded-For`: the last one that is none of theirs. A proxy has to add whom it sees, or to
   * overwrite what a caller has sent. Default: none; the address is the socket's.
   */
  trustedProxies?: readonly string[]
  onEvent?: (event: BffEvent) => void
  /** The network to the provider and to the APIs of `routes`. Default: the runtime's `fetch`. */
  fetch?: typeof globalThis.fetch
  now?: Now
}

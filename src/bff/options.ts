import { parseScope } from '../protocol/scope.js'
import type { Secret } from '../protocol/secret.js'
import type { Mode } from '../protocol/session.js'
import { type Now, systemNow } from '../protocol/time.js'
import type { RecordStore } from '../store/contract.js'
import { type BffEvent, type Emit, isolate } from './events.js'
import { examineRoutes, type Route, type RouteOptions } from './routes.js'
import { type WatchedStore, watchStore } from './watched-store.js'

export interface BffOptions {
  /** The provider, exactly as its metadata document spells it: `https://login.example.com/realms/acme`. */
  issuer: string
  client_id: string
  /** The secret, or a function that gets it from a secret manager; asked again for every request to the provider. */
  client_secret: Secret
  /** How the secret is sent. Default `client_secret_basic`. @see RFC 6749 section 2.3.1 */
  clientAuthentication?: 'client_secret_basic' | 'client_secret_post'
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
  /** How the provider answers in proxy mode: `query` (default), or `form_post`, whose cookies are `SameSite=None`. */
  response_mode?: 'query' | 'form_post'
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
  /** Seconds that clocks may differ. Default 60. */
  clockTolerance?: number
  /** Seconds to wait for the provider. Default 10. */
  timeout?: number
  /** Development only: cookies that work over plain http on loopback in every browser engine. Refused off loopback. */
  loopbackCookies?: boolean
  onEvent?: (event: BffEvent) => void
  /** The network to the provider and to the APIs of `routes`. Default: the runtime's `fetch`. */
  fetch?: typeof globalThis.fetch
  now?: Now
}

/** The options, examined and completed. */
export interface Settings {
  issuer: string
  client_id: string
  clientSecret: Secret
  clientAuthentication: 'client_secret_basic' | 'client_secret_post'
  origin: string
  basePath: string
  mode: Mode
  response_mode: 'query' | 'form_post'
  name: string
  cookieKeys: readonly Secret[]
  store: WatchedStore | undefined
  scope: string
  scopes: readonly string[]
  resources: Readonly<Record<string, { scopes: readonly string[] }>>
  defaultResource: readonly string[]
  routes: ReadonlyMap<string, Route>
  redirect_uris: readonly string[]
  post_logout_redirect_uri: string
  authorizationParams: readonly string[]
  claims: readonly string[]
  idTokenAlgs: readonly string[]
  allowedOrigins: readonly string[]
  idleTimeout: number
  absoluteTimeout: number
  clockTolerance: number
  timeout: number
  loopbackCookies: boolean
  emit: Emit
  fetch: typeof globalThis.fetch
  now: Now
}

const standardClaims =
  'sub name given_name family_name nickname preferred_username picture email email_verified locale updated_at'

/** Examines the options once. @throws TypeError that names the option and the remedy */
export function examine(options: BffOptions): Settings {
  const base = url('baseUrl', options.baseUrl)
  if (base.pathname !== '/' || base.search || base.hash)
    misuse('baseUrl', 'must be an origin alone, like https://app.example.com')
  const origin = base.origin
  const loopbackCookies = options.loopbackCookies ?? false
  if (loopbackCookies && (base.protocol !== 'http:' || !isLoopback(base)))
    misuse('loopbackCookies', 'is for plain http on loopback only; remove it and use https:')
  const issuer = url('issuer', options.issuer)
  if (issuer.search || issuer.hash) misuse('issuer', 'must have no query and no fragment')
  const basePath = options.basePath ?? '/bff'
  if (!/^(\/[\w.~-]+)+$/.test(basePath)) misuse('basePath', 'must be a path like /bff, without a slash at its end')
  const name = options.name ?? 'sallyport'
  if (!/^[\w-]{1,64}$/.test(name)) misuse('name', 'must be 1 to 64 letters, digits, "-" or "_"')
  const mode = options.mode ?? 'token-mediating'
  if (mode !== 'token-mediating' && mode !== 'proxy') misuse('mode', 'must be "token-mediating" or "proxy"')
  const response_mode = options.response_mode ?? 'query'
  if (response_mode !== 'query' && response_mode !== 'form_post')
    misuse('response_mode', 'must be "query" or "form_post"')
  if (response_mode === 'form_post' && (mode !== 'proxy' || loopbackCookies))
    misuse('response_mode', 'can be "form_post" in proxy mode over https: only; its cookies are SameSite=None; Secure')
  text('client_id', options.client_id)
  secret('client_secret', options.client_secret, 1)
  if (!Array.isArray(options.cookieKeys) || !options.cookieKeys.length) misuse('cookieKeys', 'needs at least one key')
  for (const key of options.cookieKeys) secret('cookieKeys', key, 32)
  const { store } = options
  for (const method of ['get', 'write', 'list', 'consume'] as const)
    if (store && typeof store[method] !== 'function')
      misuse('store', `has no function ${method}; make one with redisStore, postgresStore or memoryStore`)
  const emit = isolate(options.onEvent)
  const scope = options.scope ?? 'openid profile email'
  const scopes = parseScope(scope)
  if (!scopes?.includes('openid')) misuse('scope', 'must be space-separated and include openid')
  const resources = options.resources ?? {}
  for (const resource of Object.keys(resources))
    if (!URL.canParse(resource) || resource.includes('#'))
      misuse('resources', `names "${resource}"; a resource is an absolute URI without a fragment`)
  if (options.routes && mode !== 'proxy') misuse('routes', 'needs mode: "proxy"')
  const routes = examineRoutes(
    options.routes ?? {},
    resources,
    (value) => url('routes', value),
    (remedy) => misuse('routes', remedy),
  )
  if (mode === 'proxy' && options.redirect_uris)
    misuse('redirect_uris', `cannot be chosen in proxy mode; register ${origin}${basePath}/callback`)
  const callback = mode === 'proxy' ? `${basePath}/callback` : '/callback'
  const redirect_uris = options.redirect_uris ?? [`${origin}${callback}`]
  for (const uri of redirect_uris)
    if (
      url('redirect_uris', uri).origin !== origin &&
      !options.allowedOrigins?.includes(url('redirect_uris', uri).origin)
    )
      misuse('redirect_uris', 'must lie on baseUrl or an allowed origin')
  const idTokenAlgs = options.idTokenAlgs ?? ['RS256', 'PS256', 'ES256', 'EdDSA']
  if (!idTokenAlgs.length || idTokenAlgs.some((alg) => !/^(RS|PS|ES)(256|384|512)$|^EdDSA$|^Ed25519$/.test(alg)))
    misuse('idTokenAlgs', 'must be asymmetric signature algorithms like RS256')
  for (const allowed of options.allowedOrigins ?? [])
    if (url('allowedOrigins', allowed).origin !== allowed)
      misuse('allowedOrigins', `names "${allowed}"; write an origin like https://admin.example.com`)
  const postLogout = url('post_logout_redirect_uri', options.post_logout_redirect_uri ?? `${origin}/`).href
  return {
    issuer: options.issuer,
    client_id: options.client_id,
    clientSecret: options.client_secret,
    clientAuthentication: options.clientAuthentication ?? 'client_secret_basic',
    origin,
    basePath,
    mode,
    response_mode,
    name,
    cookieKeys: options.cookieKeys,
    store: store && watchStore(store, { emit }),
    scope,
    scopes: scopes ?? [],
    resources,
    defaultResource: Object.keys(resources).slice(0, 1),
    routes,
    redirect_uris,
    post_logout_redirect_uri: options.post_logout_redirect_uri ?? postLogout,
    authorizationParams: options.authorizationParams ?? [],
    claims: options.claims ?? standardClaims.split(' '),
    idTokenAlgs,
    allowedOrigins: options.allowedOrigins ?? [],
    idleTimeout: seconds('idleTimeout', options.idleTimeout ?? 86_400),
    absoluteTimeout: seconds('absoluteTimeout', options.absoluteTimeout ?? 604_800),
    clockTolerance: seconds('clockTolerance', options.clockTolerance ?? 60, 0),
    timeout: seconds('timeout', options.timeout ?? 10),
    loopbackCookies,
    emit,
    fetch: options.fetch ?? globalThis.fetch,
    now: options.now ?? systemNow,
  }
}

function misuse(option: string, remedy: string): never {
  throw new TypeError(`createBff: "${option}" ${remedy}`)
}

function text(option: string, value: unknown): asserts value is string {
  if (typeof value !== 'string' || !value) misuse(option, 'is missing')
}

function url(option: string, value: unknown): URL {
  text(option, value)
  if (!URL.canParse(value)) misuse(option, 'must be an absolute URL')
  const parsed = new URL(value)
  if (parsed.protocol !== 'https:' && !(parsed.protocol === 'http:' && isLoopback(parsed)))
    misuse(option, 'must be https: (http: on loopback only)')
  if (parsed.username || parsed.password) misuse(option, 'must have no user information')
  return parsed
}

/** `localhost`, its subdomains, 127.0.0.0/8 and ::1. @see RFC 6761 section 6.3 */
export const isLoopback = ({ hostname }: URL): boolean =>
  /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)

function seconds(option: string, value: number, least = 1): number {
  if (!Number.isFinite(value) || value < least) misuse(option, `must be a number of seconds, ${least} at least`)
  return value
}

/** Words of values that stand in documentation. */
const sample =
  /change.?me|your|example|sample|secret|password|insecure|default|placeholder|123456|abcdef|qwerty|key|here/gi

/** Whether such words make up a quarter of a text: a short one turns up in a random text by chance. */
const looksLikeSample = (value: string): boolean => (value.match(sample) ?? []).join('').length >= value.length / 4

function secret(option: string, value: unknown, length: number): void {
  if (typeof value === 'function') return
  text(option, value)
  const remedy = weakness(value, length)
  if (remedy) misuse(option, remedy)
}

/** Why a secret cannot be used; `undefined` if it can. Secrets from a function are examined when they come. */
export function weakness(value: string, length: number): string | undefined {
  if (value.length < length)
    return `is shorter than ${length} characters; make one: node -p "crypto.randomBytes(32).toString('base64url')"`
  if (length > 1 && (new Set(value).size < 10 || looksLikeSample(value)))
    return `looks like a sample; make one: node -p "crypto.randomBytes(32).toString('base64url')"`
  return undefined
}

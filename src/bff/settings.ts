import { randomId } from '../crypto/hash.js'
import { emitTo } from '../protocol/emit-to.js'
import { configuredResource } from '../protocol/http/resource.js'
import { validateTrustedProxies } from '../protocol/http/trusted-proxies.js'
import { isLoopback, MAKE_SECRET, type Misuse, misuseOf, parseUrl, validateSecret } from '../protocol/option-checks.js'
import { isScope, parseScope } from '../protocol/scope.js'
import type { Secret } from '../protocol/secret.js'
import type { Mode } from '../protocol/session.js'
import { type Now, systemNow } from '../protocol/time.js'
import { validate } from '../protocol/validate.js'
import { type Client, validateClient, validatePrivateKey } from '../provider/client/client.js'
import type { Emit } from './events.js'
import { createOperatorLog, type OperatorLog } from './operator-log.js'
import type { BffOptions, ProviderOptions, ResourceOptions } from './options.js'
import type { RateLimits } from './rate-limits/rate-limits.js'
import { type Route, validateRoutes } from './routes.js'
import { appOf, appStore } from './store/app-store.js'
import { type WatchedStore, watchStore } from './store/watched-store.js'
import { bffOptions } from './validation.js'

/** {@link ProviderOptions}, validated, with defaults. */
interface ProviderClient extends Client {
  endSessionParams: Readonly<Record<string, string>>
}

/** The options, validated, with defaults. */
export interface Settings extends ProviderClient {
  /** Further clients, by name. */
  issuers: ReadonlyMap<string, ProviderClient>
  origin: string
  basePath: string
  mode: Mode
  response_mode: 'query' | 'form_post' | 'jwt'
  dpopKey: Secret | undefined
  userinfo_signed_response_alg: string | undefined
  name: string
  cookieKeys: readonly Secret[]
  store: WatchedStore | undefined
  /** What a sign-in requests, unless it says otherwise. */
  scope: string
  /** The same as a list: what may be requested without a resource. */
  scopes: readonly string[]
  /** Without the scopes of resources. */
  ownScope: string
  resources: Readonly<Record<string, ResourceOptions>>
  defaultResource: readonly string[]
  /** The resources that a sign-in requests, unless it says otherwise. Its first access token is for the default one. */
  resourcesAtSignIn: readonly string[]
  routes: ReadonlyMap<string, Route>
  redirect_uris: readonly string[]
  /** The first is the default. */
  post_logout_redirect_uris: readonly [string, ...string[]]
  authorizationParams: readonly string[]
  claims: readonly string[]
  idTokenAlgs: readonly string[]
  allowedOrigins: readonly string[]
  idleTimeout: number
  absoluteTimeout: number
  clockTolerance: number
  timeout: number
  loopbackCookies: boolean
  /** `undefined`: the default. */
  rateLimits: RateLimits | false | undefined
  trustedProxies: readonly string[]
  onSignIn: BffOptions['onSignIn']
  emit: Emit
  /** `undefined`: nothing is printed. */
  log: OperatorLog | undefined
  fetch: typeof globalThis.fetch
  /** The app has set `fetch`: all requests must use it. */
  ownFetch: boolean
  now: Now
  /** Identifies this process among those that share a store: their clocks differ. */
  process: string
}

const misuse: Misuse = misuseOf('createBff')
const url = (option: string, value: string): URL => parseUrl(option, value, misuse)

const standardClaims =
  'sub name given_name family_name nickname preferred_username picture email email_verified locale updated_at'

/** Validates the options. @throws TypeError that names the option and the remedy */
export function validateOptions(options: BffOptions): Settings {
  validate('createBff', bffOptions, options)
  const base = url('baseUrl', options.baseUrl)
  if (base.pathname !== '/' || base.search || base.hash)
    misuse('baseUrl', 'must be an origin alone, like https://app.example.com')
  const origin = base.origin
  const loopbackCookies = options.loopbackCookies ?? false
  if (loopbackCookies && (base.protocol !== 'http:' || !isLoopback(base)))
    misuse('loopbackCookies', 'is for plain http on loopback only; remove it and use https:')
  const basePath = options.basePath ?? '/bff'
  if (!/^(\/[\w.~-]+)+$/.test(basePath)) misuse('basePath', 'must be a path like /bff, without a slash at its end')
  const name = options.name ?? 'sallyport'
  if (!/^[\w-]{1,64}$/.test(name)) misuse('name', 'must be 1 to 64 letters, digits, "-" or "_"')
  const mode = options.mode ?? 'token-mediating'
  const response_mode = options.response_mode ?? 'query'
  if (response_mode === 'jwt' && mode !== 'proxy') misuse('response_mode', 'can be "jwt" in proxy mode only')
  if (response_mode === 'form_post' && (mode !== 'proxy' || loopbackCookies))
    misuse('response_mode', 'can be "form_post" in proxy mode over https: only; its cookies are SameSite=None; Secure')
  const ownFetch = options.fetch !== undefined
  const client = validateProvider(options, ownFetch)
  const issuers = validateIssuers(options, mode, ownFetch)
  if (options.dpopKey !== undefined) {
    if (mode !== 'proxy')
      misuse('dpopKey', 'needs mode: "proxy"; a page cannot use tokens that are bound to a key of the backend')
    validatePrivateKey('dpopKey', options.dpopKey, misuse)
  }
  const cookieKeys = validateCookieKeys(options.cookieKeys)
  const { store } = options
  const trustedProxies = options.trustedProxies ?? []
  validateTrustedProxies('createBff', trustedProxies)
  const now = options.now ?? systemNow
  const silent = options.onEvent !== undefined || options.log === false
  const log = silent ? undefined : createOperatorLog({ now, development: isLoopback(base) })
  const emit = log?.emit ?? emitTo(options.onEvent)
  const ownScope = options.scope ?? 'openid profile email'
  if (!parseScope(ownScope)?.includes('openid')) misuse('scope', 'must be space-separated and include openid')
  const resources = options.resources ?? {}
  for (const resource of Object.keys(resources))
    if (!URL.canParse(resource) || resource.includes('#'))
      misuse('resources', `names "${resource}"; a resource is an absolute URI without a fragment`)
    else if (configuredResource(resource, Object.keys(resources)) !== resource)
      misuse('resources', `names "${resource}" twice: with and without a slash it is the same`)
  const atSignIn = Object.keys(resources).filter((resource, at) => at === 0 || resources[resource]?.atSignIn)
  const scope = withScopes(ownScope, atSignIn, resources)
  const ofResources = Object.values(resources).flatMap((resource) => resource.scopes)
  if (!ofResources.every(isScope))
    misuse('resources', 'names a scope with a space or another character that no scope has')
  if (options.routes && mode !== 'proxy') misuse('routes', 'needs mode: "proxy"')
  const routes = validateRoutes(
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
  if (idTokenAlgs.some((alg) => !/^(RS|PS|ES)(256|384|512)$|^EdDSA$|^Ed25519$/.test(alg)))
    misuse('idTokenAlgs', 'must be asymmetric signature algorithms like RS256')
  for (const allowed of options.allowedOrigins ?? [])
    if (url('allowedOrigins', allowed).origin !== allowed)
      misuse('allowedOrigins', `names "${allowed}"; write an origin like https://admin.example.com`)
  const [postLogout = `${origin}/`, ...morePostLogout] = options.post_logout_redirect_uris ?? []
  for (const uri of [postLogout, ...morePostLogout]) url('post_logout_redirect_uris', uri)
  return {
    ...client,
    issuers,
    dpopKey: options.dpopKey,
    userinfo_signed_response_alg: options.userinfo_signed_response_alg,
    origin,
    basePath,
    mode,
    response_mode,
    name,
    cookieKeys,
    store: store && watchStore(appStore(store, appOf({ name, origin })), { emit }),
    scope,
    scopes: parseScope(scope) ?? [],
    ownScope,
    resources,
    defaultResource: Object.keys(resources).slice(0, 1),
    resourcesAtSignIn: atSignIn,
    routes,
    redirect_uris,
    post_logout_redirect_uris: [postLogout, ...morePostLogout],
    authorizationParams: options.authorizationParams ?? [],
    claims: options.claims ?? standardClaims.split(' '),
    idTokenAlgs,
    allowedOrigins: options.allowedOrigins ?? [],
    idleTimeout: options.idleTimeout ?? 86_400,
    absoluteTimeout: options.absoluteTimeout ?? 604_800,
    clockTolerance: options.clockTolerance ?? 60,
    timeout: options.timeout ?? 10,
    loopbackCookies,
    rateLimits: options.rateLimits,
    trustedProxies,
    onSignIn: options.onSignIn,
    emit,
    log,
    // workerd and browsers refuse a `fetch` that is called as a member of another object.
    fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
    ownFetch,
    now,
    process: randomId().slice(0, 8),
  }
}

/** The first key seals. Of the others, those that are not set are left out: environments have an old key only during a rotation. */
function validateCookieKeys([first, ...others]: BffOptions['cookieKeys']): readonly Secret[] {
  if (first === undefined || first === '')
    return misuse('cookieKeys', `has no first key; is its environment variable set? Make a key: ${MAKE_SECRET}`)
  const keys = [first, ...others.flatMap((key) => key || [])]
  for (const key of keys) validateSecret('cookieKeys', key, 32, misuse)
  return keys
}

/** Parameters of the end-session request that the backend sets itself. */
const ownEndSessionParams = ['client_id', 'post_logout_redirect_uri', 'state', 'id_token_hint']

function validateProvider(options: ProviderOptions, ownFetch: boolean): ProviderClient {
  const { endSessionParams = {} } = options
  for (const name of ownEndSessionParams)
    if (name in endSessionParams) misuse('endSessionParams', `must not have ${name}, which the backend sets`)
  return { ...validateClient(options, ownFetch, misuse), endSessionParams }
}

/** The scopes of the app itself with those of some resources, each once. */
export const withScopes = (
  ownScope: string,
  resource: readonly string[],
  resources: Readonly<Record<string, ResourceOptions>>,
): string =>
  [
    ...new Set([...ownScope.split(' ').filter(Boolean), ...resource.flatMap((one) => resources[one]?.scopes ?? [])]),
  ].join(' ')

/** Each further provider has an issuer of its own, and a name for its redirect URI. */
function validateIssuers(options: BffOptions, mode: Mode, ownFetch: boolean): ReadonlyMap<string, ProviderClient> {
  const issuers = new Map<string, ProviderClient>()
  const seen = new Set([options.issuer])
  for (const [name, more] of Object.entries(options.issuers ?? {})) {
    if (mode !== 'proxy') misuse('issuers', 'needs mode: "proxy"')
    if (!/^[a-z\d][a-z\d-]{0,63}$/.test(name))
      misuse('issuers', `names "${name}"; a name is lower-case letters, digits and "-"`)
    if (seen.has(more.issuer)) misuse('issuers', `names ${more.issuer} twice`)
    seen.add(more.issuer)
    issuers.set(name, validateProvider(more, ownFetch))
  }
  return issuers
}

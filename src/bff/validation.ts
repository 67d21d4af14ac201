import { MAKE_SECRET } from '../protocol/option-checks.js'
import {
  anyText,
  bool,
  type Callable,
  check,
  described,
  either,
  func,
  integer,
  list,
  mapOf,
  object,
  oneOf,
  optional,
  type Shape,
  seconds,
  secret,
  text,
  withMethods,
} from '../protocol/shape.js'
import { asyncCall } from '../protocol/validate.js'
import { requestCheck } from '../protocol/web-checks.js'
import { clientShape } from '../provider/client/client.js'
import { storeCheck } from '../store/engine-checks.js'
import type { BffOptions, ProviderOptions, ResourceOptions, SiteOptions } from './options.js'
import type { RateLimiter } from './rate-limits/address-counter.js'
import type { RateLimits } from './rate-limits/rate-limits.js'
import type { RouteOptions } from './routes.js'

/** 400 days in seconds: browsers keep no cookie longer. A day in milliseconds is more. */
const MAX_AGE = 34_560_000

/** An unset environment variable is `undefined` or empty. */
const cookieKey = optional(
  check<string | Callable | undefined>(
    'a text, or a function that resolves to one',
    (value) => typeof value === 'string' || typeof value === 'function',
  ),
)

const limiter = withMethods<RateLimiter>('a limiter of rate-limiter-flexible', 'consume')

const route = object<RouteOptions>(
  {
    upstream: text,
    methods: optional(list(text)),
    resource: optional(text),
    scope: optional(anyText),
    anonymous: optional(bool),
    requestHeaders: optional(list(text)),
    responseHeaders: optional(list(text)),
    timeout: optional(seconds()),
    limit: optional(integer({ least: 0 }, 'a number of bytes')),
    sse: optional(bool),
    websocket: optional(bool),
  },
  'a route: { upstream, … }',
)

const providerShape: Shape<ProviderOptions> = {
  ...clientShape,
  endSessionParams: optional(mapOf(text)),
  tenants: optional(either(list(text, 1), func)),
}

const site: Shape<SiteOptions> = {
  issuers: optional(mapOf(object<ProviderOptions>(providerShape))),
  baseUrl: text,
  basePath: optional(text),
  name: optional(text),
  store: optional(storeCheck),
  cookieKeys: described(`a list of random texts; make one: ${MAKE_SECRET}`, list(cookieKey, 1)),
  mode: optional(oneOf('token-mediating', 'proxy')),
  response_mode: optional(oneOf('query', 'form_post', 'jwt')),
  dpopKey: optional(secret),
  userinfo_signed_response_alg: optional(text),
  scope: optional(text),
  resources: optional(mapOf(object<ResourceOptions>({ scopes: list(text), atSignIn: optional(bool) }))),
  routes: optional(mapOf(route)),
  redirect_uris: optional(list(text, 1)),
  post_logout_redirect_uris: optional(list(text, 1)),
  authorizationParams: optional(list(text)),
  claims: optional(list(text)),
  idTokenAlgs: optional(list(text, 1)),
  allowedOrigins: optional(list(text)),
  idleTimeout: optional(seconds({ least: 1, most: MAX_AGE })),
  absoluteTimeout: optional(seconds({ least: 1, most: MAX_AGE })),
  clockTolerance: optional(seconds({ least: 0 })),
  timeout: optional(seconds({ least: 1 })),
  loopbackCookies: optional(bool),
  rateLimits: optional(
    either(
      object<RateLimits>({ address: optional(limiter), person: optional(limiter), addressOf: optional(func) }),
      oneOf(false),
    ),
  ),
  trustedProxies: optional(list(anyText)),
  onSignIn: optional(func),
  onEvent: optional(func),
  log: optional(oneOf(false)),
  fetch: optional(func),
  now: optional(func),
}

export const bffOptions = object<BffOptions>({ ...providerShape, ...site })

export const bffCalls = {
  fetch: asyncCall(['request', requestCheck]),
  getSession: asyncCall(['request', requestCheck]),
  describe: asyncCall(),
  endSessions: asyncCall(['user', object<{ sub: string; iss?: string }>({ sub: text, iss: optional(text) })]),
  authorizeUpgrade: asyncCall(['request', requestCheck]),
  close: asyncCall(),
}

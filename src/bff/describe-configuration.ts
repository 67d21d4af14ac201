import type { Mode } from '../protocol/session.js'
import type { Dpop } from '../provider/client/dpop.js'
import { thumbprint } from '../provider/client/private-key.js'
import { warningsOf } from '../store/warnings.js'
import type { BffContext } from './context.js'
import type { CookieJar } from './http/cookies.js'
import type { Endpoint } from './http/endpoint.js'
import { refusalOf } from './provider-refusals.js'
import type { Provider, Providers } from './providers.js'
import type { RateLimits } from './rate-limits/rate-limits.js'
import { deviationsOf } from './rfc10017-deviations.js'
import type { CookieKeys } from './sealing/cookie-keys.js'
import type { Settings } from './settings.js'

/** The configuration in effect, for operators. It contains no secrets; do not publish it. */
export interface Description {
  mode: Mode
  origin: string
  /** The first is used if a sign-in names none. */
  providers: readonly ProviderDescription[]
  /** `csrf`: the header `Sallyport-CSRF` is required; for an event stream, `Sec-Fetch-Site: same-origin`. */
  endpoints: readonly { method: string; path: string; csrf: boolean; limited: boolean }[]
  cookies: readonly { name: string; attributes: string }[]
  /** The first key seals. */
  cookieKeyIds: readonly string[]
  /** The thumbprint of the key that access tokens are bound to. @see RFC 7638, RFC 9449 section 6 */
  dpopKeyId?: string
  /** Where sessions are stored. */
  sessions: 'store' | 'sealed cookies'
  idleTimeout: number
  absoluteTimeout: number
  claims: readonly string[]
  scope: string
  resources: readonly string[]
  /** By name. */
  routes: Readonly<Record<string, RouteDescription>>
  /** What requests are limited by. */
  rateLimits: readonly ('address' | 'person')[]
  /** What this configuration cannot do. */
  limits: readonly string[]
  /** Differences from RFC 10017, and their reasons. */
  deviations: readonly string[]
}

interface ProviderDescription {
  issuer: string
  /** If it is set. */
  metadataUrl?: string
  /** Of an issuer of many tenants. */
  tenants?: readonly string[] | 'function'
  client_id: string
  clientAuthentication: string
  /** Register them at the provider, character for character. */
  redirect_uris: readonly string[]
  response_mode: string
  /** From the provider’s metadata; `null` before it was read. */
  capabilities: null | {
    endSession: boolean
    revocation: boolean
    userinfo: boolean
    responseIss: boolean
    pkceS256: boolean
    pushedAuthorizationRequests: boolean
    dpop: boolean
    signedResponses: boolean
    backChannelLogout: boolean
  }
}

interface RouteDescription {
  upstream: string
  methods: readonly string[]
  resource: string | null
  scope: string
  anonymous: boolean
  sse: boolean
  websocket: boolean
  /** Seconds. */
  timeout: number
  /** Bytes. */
  limit: number
  requestHeaders: readonly string[]
  responseHeaders: readonly string[]
}

export async function describe(
  { settings, providers, audiences, dpop, limits, refreshTokens }: BffContext,
  { jar, cookieKeys, endpoints }: { jar: CookieJar; cookieKeys: CookieKeys; endpoints: readonly Endpoint[] },
): Promise<Description> {
  const attributes = (name: string) =>
    jar
      .set(name, '', 1)
      .replace(/^[^;]*; /, '')
      .replace(/; Max-Age=.*/, '')
  return {
    mode: settings.mode,
    origin: settings.origin,
    providers: providers.all.map(providerOf),
    endpoints: endpoints.map(({ method, path, exempt, limited = false }) => ({
      method,
      path: settings.basePath + path,
      csrf: !exempt || exempt === 'stream',
      limited,
    })),
    cookies: [
      jar.session,
      ...(settings.store ? [] : [jar.part, jar.idle]),
      `${jar.transaction}<state>`,
      jar.logout,
      ...(settings.mode === 'proxy' ? [jar.replaced] : []),
    ].map((name) => ({ name, attributes: attributes(name) })),
    cookieKeyIds: await cookieKeys.ids(),
    ...(dpop && { dpopKeyId: await keyIdOf(dpop) }),
    sessions: settings.store ? 'store' : 'sealed cookies',
    idleTimeout: settings.idleTimeout,
    absoluteTimeout: settings.absoluteTimeout,
    claims: settings.claims,
    scope: settings.scope,
    resources: Object.keys(settings.resources),
    routes: Object.fromEntries(
      [...settings.routes].map(([name, { upstream, base: _base, resource, ...route }]) => [
        name,
        { upstream: upstream.href, resource: resource[0] ?? settings.defaultResource[0] ?? null, ...route },
      ]),
    ),
    rateLimits: settings.rateLimits === undefined ? ['address'] : countedBy(settings.rateLimits || {}),
    limits: [
      // If the store is down, an event says so.
      ...(settings.store ? [...storeLimits, ...(await warningsOf(settings.store).catch(() => []))] : sealedLimits),
      ...(settings.rateLimits === undefined && (limits.blind() || !settings.trustedProxies.length)
        ? [noTrustedProxies]
        : []),
      ...refreshTokens.notes(),
      ...audiences
        .ignored()
        .map(
          (resource) =>
            `The provider ignores resource: for ${resource} it issued a token for another API, which is not used.`,
        ),
    ],
    deviations: deviationsOf(settings, providers),
  }
}

/** The configuration in one line, for the console. */
export function configurationLine(settings: Settings, providers: Providers): string {
  const { mode, issuer, issuers, store, loopbackCookies, origin } = settings
  const others = [...issuers.values()].map((other) => other.issuer)
  const sections = deviationsOf(settings, providers).flatMap((text) => /^Section ([\d.]+\d)/.exec(text)?.[1] ?? [])
  return [
    `${origin}: mode ${mode}`,
    `issuer ${[issuer, ...others].join(', ')}`,
    `sessions in ${store ? 'the store' : 'sealed cookies (one process only)'}`,
    `deviations from RFC 10017 in sections ${[...new Set(sections)].join(', ')}`,
    ...(loopbackCookies ? ['loopbackCookies (development only)'] : []),
    'bff.describe() has more',
  ].join('; ')
}

/** @throws Refusal `operator_error` */
async function keyIdOf(dpop: Dpop): Promise<string> {
  const { publicKey } = await dpop.keyPair().catch((error) => {
    throw refusalOf(error) ?? error
  })
  return thumbprint(publicKey)
}

function providerOf({ settings, known }: Provider): ProviderDescription {
  const { issuer, metadataUrl, tenants, client_id, clientAuthentication, redirect_uris, response_mode } = settings
  const metadata = known()
  return {
    issuer,
    ...(metadataUrl !== undefined && { metadataUrl }),
    ...(tenants && { tenants: typeof tenants === 'function' ? 'function' : tenants }),
    client_id,
    clientAuthentication,
    redirect_uris,
    response_mode,
    capabilities: metadata
      ? {
          endSession: Boolean(metadata.end_session_endpoint),
          revocation: Boolean(metadata.revocation_endpoint),
          userinfo: Boolean(metadata.userinfo_endpoint),
          responseIss: metadata.authorization_response_iss_parameter_supported === true,
          pkceS256: metadata.code_challenge_methods_supported?.includes('S256') === true,
          pushedAuthorizationRequests: Boolean(metadata.pushed_authorization_request_endpoint),
          dpop: metadata.dpop_signing_alg_values_supported !== undefined,
          signedResponses: metadata.authorization_signing_alg_values_supported !== undefined,
          backChannelLogout: metadata['backchannel_logout_supported'] === true,
        }
      : null,
  }
}

const countedBy = (limiters: RateLimits) => (['address', 'person'] as const).filter((by) => limiters[by])

const noTrustedProxies =
  'Anonymous requests are limited by address only if the address is public or comes from one of "trustedProxies". Behind any other proxy they are not limited.'

const storeLimits = [
  'If the store loses a session, the user is signed out: use a store that writes to disk.',
  'Anybody who can write to the store can restore an older record of a session, but cannot make or change one.',
]

const sealedLimits = [
  'Sessions are sealed cookies: after sign-out, only this process refuses a copied cookie, and only until it restarts.',
  'Refresh tokens are revoked at sign-out only. If a session expires, is replaced by another sign-in, or is signed out locally, other processes, and this one after a restart, accept a copied cookie that is kept in use, until the absolute end of the session.',
  'A second process can lose a refresh race (409 refresh_race; the page tries again).',
  'A response that signs in or refreshes can set two session cookies of 3.5 kB each. nginx refuses response headers of more than 4 or 8 KiB with 502 ("upstream sent too big header"): set proxy_buffer_size 16k and proxy_buffers 8 16k there.',
  'There is no list of sessions, no back-channel logout and no front-channel logout.',
  'After a restart, sign-out sends the provider client_id without id_token_hint.',
]

import type { Mode } from '../protocol/session.js'
import type { CookieJar } from './cookie-jar.js'
import type { Endpoint } from './endpoint.js'
import type { Keyring } from './keyring.js'
import type { Providers } from './providers.js'
import type { Settings } from './settings.js'

/** What is in force, for an operator to read. Holds no secret; not for strangers. */
export interface Description {
  mode: Mode
  origin: string
  issuer: string
  client_id: string
  clientAuthentication: string
  endpoints: readonly { method: string; path: string; csrf: boolean }[]
  cookies: readonly { name: string; attributes: string }[]
  /** The first seals. */
  cookieKeyIds: readonly string[]
  /** Where sessions live. */
  sessions: 'store' | 'sealed cookies'
  idleTimeout: number
  absoluteTimeout: number
  claims: readonly string[]
  scope: string
  resources: readonly string[]
  /** What the proxy reaches, by name. */
  routes: Readonly<Record<string, { upstream: string; methods: readonly string[]; anonymous: boolean }>>
  /** Of the provider; `null` until its metadata has been read. */
  provider: null | {
    endSession: boolean
    revocation: boolean
    userinfo: boolean
    responseIss: boolean
    pkceS256: boolean
  }
  /** What this configuration does not promise. */
  limits: readonly string[]
  /** Where this differs from what RFC 10017 describes. */
  deviations: readonly string[]
}

export async function describe(
  settings: Settings,
  {
    jar,
    keyring,
    providers,
    endpoints,
  }: { jar: CookieJar; keyring: Keyring; providers: Providers; endpoints: readonly Endpoint[] },
): Promise<Description> {
  const metadata = providers.main.known()
  const attributes = (name: string) =>
    jar
      .set(name, '', 1)
      .replace(/^[^;]*; /, '')
      .replace(/; Max-Age=.*/, '')
  return {
    mode: settings.mode,
    origin: settings.origin,
    issuer: settings.issuer,
    client_id: settings.client_id,
    clientAuthentication: settings.clientAuthentication,
    endpoints: endpoints.map(({ method, path, exempt }) => ({ method, path: settings.basePath + path, csrf: !exempt })),
    cookies: [
      jar.session,
      ...(settings.store ? [] : [jar.part, jar.idle]),
      `${jar.transaction}<state>`,
      jar.logout,
    ].map((name) => ({
      name,
      attributes: attributes(name),
    })),
    cookieKeyIds: await keyring.ids(),
    sessions: settings.store ? 'store' : 'sealed cookies',
    idleTimeout: settings.idleTimeout,
    absoluteTimeout: settings.absoluteTimeout,
    claims: settings.claims,
    scope: settings.scope,
    resources: Object.keys(settings.resources),
    routes: Object.fromEntries(
      [...settings.routes].map(([name, { upstream, methods, anonymous }]) => [
        name,
        { upstream: upstream.href, methods, anonymous },
      ]),
    ),
    provider: metadata
      ? {
          endSession: metadata.end_session_endpoint !== undefined,
          revocation: metadata.revocation_endpoint !== undefined,
          userinfo: metadata.userinfo_endpoint !== undefined,
          responseIss: metadata.authorization_response_iss_parameter_supported === true,
          pkceS256: metadata.code_challenge_methods_supported?.includes('S256') === true,
        }
      : null,
    limits: settings.store
      ? ['A session that the store loses is signed out: keep what it writes on disk.']
      : sealedLimits,
    deviations: [
      ...(settings.mode === 'proxy' ? [] : mediating),
      ...(settings.loopbackCookies
        ? ['RFC 10017 section 6.1.3.2: loopbackCookies sets cookies without Secure and without a name prefix.']
        : []),
    ],
  }
}

const mediating = [
  'RFC 10017 section 6.2.1: the page begins the code flow; each sign-in is bound to the browser that began it.',
  'RFC 10017 section 6.2.4.4 prefers a full BFF: here access tokens reach the page, in memory.',
]

const sealedLimits = [
  'Sessions are sealed cookies: a copied cookie is refused after sign-out by this process only, and not after its restart.',
  'A second process can lose a refresh race (409 refresh_race; the page asks again).',
  'There is no list of sessions, no back-channel logout and no front-channel logout.',
  'After a restart, sign-out sends the provider client_id without id_token_hint.',
]

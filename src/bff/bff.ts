import type { RegisteredClaims } from '../protocol/claims.js'
import { type PlainRequest, type PlainResponse, toResponse, withPlainHandler } from '../protocol/http/plain-response.js'
import type { SessionResponse } from '../protocol/session.js'
import { validated } from '../protocol/validate.js'
import { createDpop } from '../provider/client/dpop.js'
import { isTemplate } from '../provider/issuer.js'
import { memoryStore } from '../store/memory/store.js'
import { withContext } from './context.js'
import { configurationLine, type Description, describe } from './describe-configuration.js'
import type { BffEvent } from './events.js'
import { json } from './http/answers.js'
import { createCookieJar } from './http/cookies.js'
import type { Endpoint } from './http/endpoint.js'
import { readForm } from './http/form.js'
import { createRouter } from './http/router.js'
import type { BffOptions } from './options.js'
import { createProviders } from './providers.js'
import { createProxy } from './proxy/proxy.js'
import { createStreams, type ProxyContext } from './proxy/streams.js'
import { createUpgrade, type Upgrade } from './proxy/upgrade.js'
import { createRateLimits } from './rate-limits/rate-limits.js'
import { createRefreshTokenNotice } from './refresh-token-notice.js'
import { createCookieKeys } from './sealing/cookie-keys.js'
import { createBackgroundTasks } from './sessions/background-tasks.js'
import { createReplacedCookie } from './sessions/replaced-session.js'
import { createSealedSessions } from './sessions/sealed/sealed-sessions.js'
import type { SessionList } from './sessions/sessions.js'
import { createStoredSessions } from './sessions/stored/stored-sessions.js'
import { createTokenAudiences } from './sessions/token-audience.js'
import { validateOptions } from './settings.js'
import { createLogin } from './sign-in/login.js'
import { answerSession, signedInAnswer, signedOutAnswer } from './sign-in/session-endpoint.js'
import { postToken } from './sign-in/token-endpoint.js'
import {
  createTransactions,
  isStepUp,
  previousSession,
  type SignInContext,
  transactionParameters,
  validateRequest,
} from './sign-in/transaction.js'
import { createDevices } from './sign-out/devices.js'
import { createLogout } from './sign-out/logout.js'
import { createProviderLogout } from './sign-out/provider-logout.js'
import { bffCalls } from './validation.js'

/** The claims that `claims` of the options lets through, as they are declared in `Register`. */
type SessionClaims = RegisteredClaims<Readonly<Record<string, unknown>>>

export interface Bff {
  /** Answers a request to one of the endpoints; 404 for any other path. Never rejects. */
  fetch(request: Request): Promise<Response>
  /**
   * The session of a request, for rendering on the server: pass it to `createAuth({ initial })`. The call does not count as use,
   * and the result has no token and no cookie. `undefined` if the session is unknown: browsers send no Strict cookies with a
   * navigation from another site.
   */
  getSession(request: Request): Promise<SessionResponse<SessionClaims> | undefined>
  /** The configuration in effect: cookies, endpoints, key ids, capabilities of the provider, limits and deviations. */
  describe(): Promise<Description>
  /**
   * Ends all sessions of a user, for administrators, including those whose sign-in is still running. Then revokes their refresh
   * tokens. Later sign-ins are not affected. Needs a `store`, and `iss` where the issuer has many tenants. Resolves to the number of ended sessions.
   *
   * @throws StoreError if the store is down: some sessions may be left, call again
   */
  endSessions(user: { sub: string; iss?: string }): Promise<number>
  /**
   * Authorizes a request to open a WebSocket through a route with `websocket: true`, before the API is contacted: `Origin` must be
   * exactly that of `baseUrl`, and the user must be signed in. `undefined` if the path is not that of a route. In Node,
   * `attachUpgrade(server, bff)` does the rest. Never rejects.
   */
  authorizeUpgrade(request: Request): Promise<Upgrade | undefined>
  /**
   * Call it before the process stops: `/health` answers `draining`, no new refresh starts, and running ones finish and are stored.
   * Sessions can still be read. Stop listening when it resolves.
   */
  close(): Promise<void>
}

/**
 * The backend of a single-page app: signs users in as a confidential client, keeps refresh tokens and ID Tokens, and gives the
 * page short-lived access tokens. `Request` in, `Response` out.
 *
 * With a `store`, any number of processes share the sessions, users can list and end their sessions, and the provider can sign
 * users out. Without a store, sessions are sealed into cookies. That needs one process only, and has limits, which `describe()`
 * prints: after sign-out, only this process refuses a copied cookie; a second process can lose a refresh race; there is no
 * session list and no back-channel logout.
 *
 * Not checked: whether TLS ends at `baseUrl`.
 *
 * @throws TypeError that names the option and the remedy
 * @see RFC 10017 section 6.2, RFC 9700
 */
export function createBff(options: BffOptions): Bff {
  const given = validateOptions(options)
  const settings = { ...given, emit: onEvent }
  const jar = createCookieJar(settings)
  const cookieKeys = createCookieKeys(settings)
  const dpop =
    settings.dpopKey === undefined
      ? undefined
      : createDpop(settings.dpopKey, {
          now: settings.now,
          onFailure: () =>
            onEvent({
              type: 'operator_error',
              detail: 'The DPoP key cannot be read again; the previous key is used',
            }),
        })
  const providers = createProviders(settings, dpop)
  const background = createBackgroundTasks()
  const store = settings.store ?? memoryStore({ now: settings.now })
  const transactions = createTransactions(settings, jar, cookieKeys, store)
  const audiences = createTokenAudiences(settings)
  const sessions = audiences.withAudienceCheck(
    settings.store
      ? createStoredSessions(settings, settings.store, jar, cookieKeys, providers, background)
      : createSealedSessions(settings, jar, cookieKeys, providers),
  )
  const streams = createStreams(sessions)
  const limits = createRateLimits(settings, async (request) => {
    return (await sessions.read(request, false, false)).record !== undefined
  })
  const replaced = createReplacedCookie(settings, jar, cookieKeys)
  const context: SignInContext & ProxyContext = {
    settings,
    providers,
    transactions,
    sessions,
    audiences,
    replaced,
    streams,
    limits,
    refreshTokens: createRefreshTokenNotice(settings),
    dpop,
    store,
  }
  const logout = createLogout(context, jar, cookieKeys)
  let draining = false

  const endpoints: readonly Endpoint[] = [
    { method: 'POST', path: '/session', answer: (request) => answerSession(request, context) },
    { method: 'GET', path: '/session', answer: (request) => answerSession(request, context) },
    { method: 'GET', path: '/.well-known/openid-configuration', answer: metadata },
    ...(settings.mode === 'proxy' ? proxyModeEndpoints() : mediatingModeEndpoints()),
    { method: 'POST', path: '/logout', answer: (request) => logout.post(request) },
    { method: 'GET', path: '/logout/continue', exempt: 'navigation', answer: (request) => logout.continue(request) },
    { method: 'GET', path: '/health', exempt: 'public', answer: health },
    { method: 'HEAD', path: '/health', exempt: 'public', answer: async () => ({ ...(await health()), body: null }) },
    ...(sessions.sessionList ? storeEndpoints(sessions.sessionList) : []),
  ]

  function onEvent(event: BffEvent): void {
    given.emit(event)
    streams.onEvent(event)
  }

  /** Token-mediating mode: the page begins and finishes sign-ins. */
  function mediatingModeEndpoints(): Endpoint[] {
    return [
      { method: 'POST', path: '/transaction', limited: true, answer: beginTransaction },
      { method: 'POST', path: '/token', limited: true, answer: (request) => postToken(request, context) },
    ]
  }

  /** Proxy mode: the backend begins and finishes sign-ins, by navigations. */
  function proxyModeEndpoints(): Endpoint[] {
    const { login, loginByForm, callbacks } = createLogin(context)
    return [
      { method: 'GET', path: '/login', exempt: 'navigation', refusal: 'page', limited: true, answer: login },
      { method: 'POST', path: '/login', exempt: 'navigation', refusal: 'page', limited: true, answer: loginByForm },
      ...callbacks,
      ...apiEndpoints(),
    ]
  }

  function apiEndpoints(): Endpoint[] {
    if (!settings.routes.size) return []
    const answer = createProxy(context)
    const eventStreams = [...settings.routes].filter(([, { sse }]) => sse)
    return [
      ...eventStreams.map(([name]) => ({ method: 'GET', path: `/api/${name}/*`, exempt: 'stream', answer }) as const),
      { method: 'ALL', path: '/api/*', answer },
    ]
  }

  /** Endpoints that need a store. */
  function storeEndpoints(sessionList: SessionList): Endpoint[] {
    const devices = createDevices(context, sessionList, cookieKeys)
    const signOut = createProviderLogout(context, sessionList)
    return [
      { method: 'GET', path: '/sessions', answer: devices.list },
      { method: 'DELETE', path: '/sessions/:id', answer: devices.end },
      { method: 'POST', path: '/backchannel-logout', exempt: 'provider', answer: signOut.backChannel },
      { method: 'GET', path: '/frontchannel-logout', exempt: 'provider', limited: true, answer: signOut.frontChannel },
    ]
  }

  /** For a load balancer. Makes no request: the state of the store is that of the last requests. */
  async function health(): Promise<PlainResponse> {
    const status = draining ? 'draining' : settings.store?.lost() ? 'store_unavailable' : 'ok'
    return json({ status }, [], status === 'ok' ? 200 : 503)
  }

  /** The provider’s metadata, and what else the page needs for its authorization request. */
  async function metadata(): Promise<PlainResponse> {
    const { client_id, scope, redirect_uris, authorizationParams } = settings
    return json({
      ...(await providers.main.metadata()),
      mode: settings.mode,
      client_id,
      scope,
      redirect_uris,
      authorization_params: authorizationParams,
    })
  }

  async function beginTransaction(request: Request): Promise<PlainResponse> {
    const form = await readForm(request, transactionParameters(settings))
    if ((await sessions.read(request, false, false)).record) limits.giveBack(request)
    const { transaction, request: authorization } = await validateRequest(form, settings)
    const began = isStepUp(transaction) ? previousSession(await sessions.read(request, false)) : {}
    const location = await providers.main.authorizationUrl(authorization)
    return json({ location }, await transactions.begin(request, { ...transaction, ...began }))
  }

  const route = createRouter(endpoints, context)
  const { log } = settings
  /** At the first request, the operator reads what the backend is. */
  const answer = (request: PlainRequest): Promise<PlainResponse> => {
    log?.start(() => configurationLine(settings, providers))
    return route(request)
  }
  const bff: Bff = {
    fetch: async (request) => toResponse(await answer(request)),
    async getSession(request) {
      const session = await sessions.read(request, false)
      if (session.record) return signedInAnswer(session, settings)
      const site = request.headers.get('sec-fetch-site') ?? 'none'
      return site === 'same-origin' || site === 'none'
        ? (signedOutAnswer(session.reason, settings.mode) as SessionResponse<never>)
        : undefined
    },
    authorizeUpgrade: createUpgrade(context),
    describe: () => describe(context, { jar, cookieKeys, endpoints }),
    async endSessions({ sub, iss = settings.issuer }) {
      if (isTemplate(iss)) throw new TypeError('endSessions: "iss" is missing: "issuer" has many tenants')
      if (!sessions.sessionList) throw new TypeError('endSessions: the backend needs a "store" to know its sessions')
      return sessions.sessionList.endAll({ iss, sub }, 'revoke')
    },
    async close() {
      draining = true
      streams.close()
      await sessions.drain()
      await background.drain(settings.timeout)
      log?.flush()
    },
  }
  return withContext(withPlainHandler(validated('bff', bff, bffCalls), answer), context)
}

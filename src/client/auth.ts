import type { RegisteredClaims } from '../protocol/claims.js'
import type { Mode, SessionResponse, SignedOutReason } from '../protocol/session.js'
import { systemNow } from '../protocol/time.js'
import { absoluteUrl } from './absolute-url.js'
import { createBackend, encodeForm, errorOf } from './backend.js'
import { createFetch } from './calls/fetch.js'
import { createTargetFinder } from './calls/target.js'
import { type AuthError, clientError, temporaryError } from './errors.js'
import { createBackOff } from './session/back-off.js'
import { abortable, createRenewal, formOf, type RequestedToken } from './session/renewal.js'
import { callIsolated, createSnapshot, initialSession, signedIn, subOf } from './session/snapshot.js'
import { openTabs, type TabMessage } from './session/tabs.js'
import { handleCallback } from './sign-in/callback.js'
import { createRedirect } from './sign-in/redirect.js'
import type { Auth, AuthEvent, AuthOptions, LoginOptions, Session, TokenOptions } from './types.js'

/** The code that only a sign-in needs, with oidc-client-ts: one chunk that a returning user never loads. */
const loadSignIn = () =>
  import('./sign-in/sign-in.js').catch((cause) => {
    throw temporaryError('chunk_unavailable', cause)
  })

/** Creates `auth` in a browser. @see createAuth */
export function createPageAuth<Claims = RegisteredClaims>(
  options: AuthOptions<Claims>,
  openBackend = createBackend,
): Auth<Claims> {
  // Read once: a script that replaces these globals later has no effect here.
  const { document, open, crypto } = globalThis
  const subtle = crypto?.subtle
  if (!subtle) throw clientError('insecure_context')
  const { now = systemNow, onReturn, apis = {} } = options
  const fetch = (options.fetch ?? globalThis.fetch).bind(globalThis)
  const backend = absoluteUrl(options, 'bff', '/bff').replace(/\/$/, '')
  const redirect_uri = absoluteUrl(options, 'redirect_uri', '/callback')
  const trace: string[] = []
  /** Adds a line to the trace of `diagnostics()`: paths, statuses and event types only. */
  const log = (text: string) => trace.push(`${now()} ${text}`) > 99 && trace.shift()
  const ask = openBackend(backend, fetch, log)

  const emit = (event: AuthEvent) => {
    log(event.type)
    callIsolated(options.onEvent, event)
  }
  const snapshot = createSnapshot<Claims>(initialSession(options.initial))
  const backOff = createBackOff()
  const renewal = createRenewal({
    ask,
    now,
    backOff,
    sub,
    endSession,
    emit,
  })

  let mode: Mode | undefined
  /** Whether the backend has confirmed the session. `initial` is only a guess. */
  let confirmed = false
  /** Counts changes of user: an answer to an earlier request must not bring a session back. */
  let epoch = 0
  /** When the session ends, in milliseconds of the monotonic clock: differences of whole numbers are exact. */
  let endsAt: number | undefined
  let userDigest: string | undefined
  let starting: Promise<Session<Claims>> | undefined
  const { leave, go, cancel } = createRedirect(open)
  let tabs: ReturnType<typeof openTabs> | undefined
  let listening: AbortController | undefined

  function sub(): string | undefined {
    const session = snapshot.get()
    return session.status === 'signed-in' ? subOf(session.user) : undefined
  }

  function startSession(answer: { user: Claims; user_digest?: string; expires_at: number }, secondsLeft?: number) {
    const before = sub()
    const subject = subOf(answer.user)
    const { user_digest = userDigest } = answer
    if (confirmed && before && (before !== subject || (userDigest && userDigest !== user_digest)))
      return endSession('user_changed')
    confirmed = true
    endsAt = performance.now() + 1000 * (secondsLeft as number)
    userDigest = user_digest
    snapshot.set(signedIn(answer))
    if (before !== subject) emit({ type: 'signed_in' })
  }

  /** Tells the other tabs who is signed in. */
  function broadcast() {
    const subject = sub()
    if (subject) tabs?.postMessage({ in: subject })
  }

  /** Drops the tokens and everything else that belongs to the session so far. */
  function clear() {
    epoch++
    endsAt = userDigest = undefined
    confirmed = false
    renewal.clear()
  }

  function endSession(reason: SignedOutReason, tellTabs?: boolean, error?: AuthError) {
    const before = sub()
    clear()
    confirmed = true
    snapshot.set({ status: 'signed-out', reason, error })
    if (!before) return
    emit({ type: 'signed_out', reason })
    if (tellTabs) tabs?.postMessage({ out: reason })
  }

  function setUnavailable(error: AuthError) {
    if (!confirmed) snapshot.set({ status: 'unavailable', error })
    return error
  }

  /**
   * Asks the backend who is signed in, and for a first token with the same request. Resolves to the error if the backend
   * cannot answer; the session then stays as it is. `touch`: the user or the app did something. Requests that the page
   * makes by itself do not extend the session.
   */
  async function readSession(firstToken?: TokenOptions, touch?: boolean, failure?: AuthError) {
    if (backOff.waiting()) return temporaryError('backend_unavailable')
    const epochBefore = epoch
    const answer = await ask(`/session${touch ? '' : '?touch=false'}`, firstToken && formOf(firstToken))
    if (epochBefore !== epoch) return undefined
    const body = answer.body as SessionResponse<Claims> | undefined
    if (!answer.ok || body?.expires_at === undefined) {
      backOff.failed(answer.retryAfter)
      return setUnavailable(errorOf(answer, 'backend_unavailable'))
    }
    backOff.reset()
    mode = body.mode
    if (body.expires_at === null) {
      endSession(failure ? 'callback_failed' : body.reason, !failure, failure)
    } else {
      if (firstToken && body.token) renewal.keep(firstToken, body.token)
      startSession(body, body.expires_in)
    }
    return undefined
  }

  async function start(firstToken: TokenOptions, touch: boolean) {
    await handleCallback(backend, redirect_uri, (search) =>
      loadSignIn().then(({ finishSignIn }) => finishSignIn(search, context)),
    )
    if (!confirmed) await readSession(firstToken, touch)
  }

  async function ready(firstToken: TokenOptions = {}, touch = true): Promise<Session<Claims>> {
    listen()
    if (confirmed) return snapshot.get()
    // ready() must not reject, also not in a sandbox or with blocked storage.
    starting ??= start(firstToken, touch)
      .catch((cause) => setUnavailable(cause.retryable ? cause : temporaryError('backend_unavailable', cause)))
      .then(() => {
        starting = undefined
        return snapshot.get()
      })
    return starting
  }

  /** Reads the session again, after a request that is already running. */
  async function readAgain(touch?: boolean) {
    await starting
    await readSession({}, touch)
  }

  function onTabMessage(message: TabMessage) {
    const subject = sub()
    if (!subject) message.in && readAgain()
    else if (message.out) endSession(message.out)
    else if (subject !== message.in) endSession('user_changed')
    // The session may have a new end. A hidden tab asks when it becomes visible.
    else if (!document.hidden) readSession()
  }

  function onPageEvent({ type, persisted }: Event & { persisted?: boolean }) {
    if (type === 'online') backOff.reset()
    if (persisted) {
      // The state of a page from the back-forward cache may be out of date.
      cancel()
      readAgain(true)
    } else if (persisted === undefined && !document.hidden) {
      // The backend may have ended the session while the page was hidden.
      if (sub()) readSession()
      else if (snapshot.get().status === 'unavailable') ready({}, false)
    }
  }

  function listen() {
    if (listening) return
    listening = new AbortController()
    try {
      tabs = openTabs(backend, onTabMessage)
    } catch {
      // Without a channel, each tab works alone.
    }
    for (const type of ['pageshow', 'online', 'visibilitychange']) addEventListener(type, onPageEvent, listening)
  }

  /** `onLeaving` is called when the browser is about to leave the page. */
  async function login(options: LoginOptions = {}, onLeaving?: () => void): Promise<void> {
    listen()
    await go(options.popup, (popup) =>
      loadSignIn()
        .then(({ beginSignIn }) => beginSignIn(options, context, popup))
        .finally(onLeaving),
    )
  }

  async function acquire(requested: RequestedToken): Promise<string> {
    // The token is for the user who was signed in at the call, even if another user signs in while it waits.
    const checkSubject = () => {
      const subject = sub()
      requested.sub ??= subject
      requested.user ??= userDigest
      if (subject && subject !== requested.sub) throw clientError('subject_mismatch')
    }
    checkSubject()
    const session = await ready(requested)
    if (!sub()) throw session.status === 'unavailable' ? session.error : clientError('login_required')
    checkSubject()
    return mode === 'proxy' ? '' : (renewal.current(requested) ?? renewal.renew(requested).finally(checkSubject))
  }

  const token = (requested: RequestedToken) => abortable(acquire(requested), requested.signal)

  /** For the lazy chunks and `auth.fetch`. */
  const context = {
    ask,
    backend,
    redirect_uri,
    now,
    clear,
    keep: renewal.keep,
    startSession,
    broadcast,
    readSession,
    emit,
    fetch,
    api: createTargetFinder(apis, location.origin, backend),
    document,
    subtle,
    getToken: token,
    login,
    onReturn,
  }

  return {
    get session() {
      return snapshot.get()
    },
    subscribe(listener) {
      ready()
      return snapshot.subscribe(listener)
    },
    ready: () => ready(),
    async getToken(requested = {}) {
      // Most calls find a token in memory and wait for nothing.
      const accessToken = (!requested.signal && renewal.current(requested)) || (await token({ ...requested }))
      if (!accessToken) throw clientError('token_not_available')
      return accessToken
    },
    fetch: createFetch(context),
    login,
    logout({ local, returnTo: return_to } = {}) {
      listen()
      const left = leave(async () => {
        const answer = await ask(`/logout?${encodeForm({ local: local ? 'true' : undefined, return_to })}`, {})
        if (!answer.ok) {
          confirmed = false
          throw setUnavailable(temporaryError('logout_failed', answer.cause))
        }
        tabs?.postMessage({ out: 'logged_out' })
        const next = answer.body?.['location']
        return next && !local ? new URL(`${next}`, backend).href : undefined
      })
      // In this tick, but after leave(): if the app reacts with login(), that waits for the sign-out.
      endSession('logged_out')
      return left
    },
    async extend({ touch = true } = {}) {
      const failure = confirmed ? await readSession(undefined, touch) : void (await ready({}, touch))
      if (failure) throw failure
      if (touch) broadcast()
      return snapshot.get()
    },
    secondsLeft: () => ((endsAt as number) - performance.now()) / 1000,
    diagnostics: () => loadSignIn().then(({ describe }) => describe(context, mode, snapshot.get(), trace)),
    close() {
      listening?.abort()
      tabs?.close()
      listening = undefined
    },
  }
}

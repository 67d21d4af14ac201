import type { RegisteredClaims } from '../protocol/claims.js'
import type { Mode, SessionResponse, SignedOutReason } from '../protocol/session.js'
import { systemNow } from '../protocol/time.js'
import { absolute } from './absolute-url.js'
import { createBackend, failureOf } from './backend.js'
import { createFetch } from './calls/fetch.js'
import { createTargetFinder } from './calls/target.js'
import { type AuthError, clientError, temporaryError } from './errors.js'
import { createBackOff } from './session/back-off.js'
import { abortable, createRenewal, formOf, type RequestedToken } from './session/renewal.js'
import { createSnapshot, initialSession, isolated, signedIn, subOf } from './session/snapshot.js'
import { openTabs, type TabMessage } from './session/tabs.js'
import { handleCallback } from './sign-in/callback.js'
import { createRedirect } from './sign-in/redirect.js'
import type { Auth, AuthEvent, AuthOptions, LoginOptions, Session, TokenOptions } from './types.js'

/** Everything that only signing in needs, oidc-client-ts included: one chunk that a returning user never fetches. */
const loadSignIn = () =>
  import('./sign-in/sign-in.js').catch((cause) => {
    throw temporaryError('chunk_unavailable', cause)
  })

/** Makes the page's half, in a browser. @see createAuth for what it promises */
export function createPageAuth<Claims = RegisteredClaims>(
  options: AuthOptions<Claims>,
  openBackend = createBackend,
): Auth<Claims> {
  // Read once, now: a script that replaces them later gets nothing by it.
  const { document, open, crypto } = globalThis
  const subtle = crypto?.subtle
  if (!subtle) throw clientError('insecure_context')
  const { now = systemNow, onReturn, apis = {} } = options
  const fetch = (options.fetch ?? globalThis.fetch).bind(globalThis)
  const backend = absolute(options, 'bff', '/bff').replace(/\/$/, '')
  const redirect_uri = absolute(options, 'redirect_uri', '/callback')
  const trace: string[] = []
  /** For `diagnostics()`: what happened, never what was said. */
  const note = (text: string) => trace.push(`${now()} ${text}`) > 99 && trace.shift()
  const ask = openBackend(backend, fetch, note)

  const emit = (event: AuthEvent) => {
    note(event.type)
    isolated(options.onEvent, event)
  }
  const snapshot = createSnapshot<Claims>(initialSession(options.initial))
  const backOff = createBackOff()
  const renewal = createRenewal({
    ask,
    now,
    backOff,
    sub,
    end,
    emit,
  })

  let mode: Mode | undefined
  /** Whether the backend has been heard: a guess from `initial` is not. */
  let settled = false
  /** Counts changes of person, so that an answer to an older question cannot bring a session back. */
  let epoch = 0
  /** When the session ends, by the clock that nobody sets, in its milliseconds. */
  let ends: number | undefined
  /** The backend's name for whoever is here: `sub` alone may be two people's at two issuers. Older ones have none. */
  let digest: string | undefined
  let asking: Promise<Session<Claims>> | undefined
  const { leave, go, cameBack } = createRedirect(open)
  let tabs: ReturnType<typeof openTabs> | undefined
  let listening: AbortController | undefined

  function sub(): string | undefined {
    const session = snapshot.get()
    return session.status === 'signed-in' ? subOf(session.user) : undefined
  }

  function enter(answer: { user: Claims; user_digest?: string; expires_at: number }, left?: number) {
    const was = sub()
    const subject = subOf(answer.user)
    const { user_digest = digest } = answer
    if (settled && was && (was !== subject || (digest && digest !== user_digest))) return end('user_changed')
    settled = true
    ends = performance.now() + 1000 * (left as number)
    digest = user_digest
    snapshot.set(signedIn(answer))
    if (was !== subject) emit({ type: 'signed_in' })
  }

  /** Tells the other tabs who is here. */
  function tell() {
    const subject = sub()
    if (subject) tabs?.postMessage({ in: subject })
  }

  /** Another person, nobody any more, or the same for more: what was before is of no use. */
  function forget() {
    epoch++
    ends = digest = undefined
    settled = false
    renewal.clear()
  }

  function end(reason: SignedOutReason, tell?: boolean, error?: AuthError) {
    const was = sub()
    forget()
    settled = true
    snapshot.set({ status: 'signed-out', reason, error })
    if (!was) return
    emit({ type: 'signed_out', reason })
    if (tell) tabs?.postMessage({ out: reason })
  }

  function unavailable(error: AuthError) {
    if (!settled) snapshot.set({ status: 'unavailable', error })
    return error
  }

  /**
   * Asks who is here; the first token rides along. What goes wrong is the answer, and leaves what is known as it is.
   * `touch`: a person or the app did something. What the page asks by itself keeps no session alive.
   */
  async function who(first?: TokenOptions, touch?: boolean, failure?: AuthError) {
    if (backOff.waiting()) return temporaryError('backend_unavailable')
    const epochBefore = epoch
    const answer = await ask(`/session${touch ? '' : '?touch=false'}`, first && formOf(first))
    if (epochBefore !== epoch) return undefined
    const body = answer.body as SessionResponse<Claims> | undefined
    if (!answer.ok || body?.expires_at === undefined) {
      backOff.failed(answer.retryAfter)
      return unavailable(failureOf(answer, 'backend_unavailable'))
    }
    backOff.reset()
    mode = body.mode
    if (body.expires_at === null) {
      end(failure ? 'callback_failed' : body.reason, !failure, failure)
    } else {
      if (first && body.token) renewal.keep(first, body.token)
      enter(body, body.expires_in)
    }
    return undefined
  }

  async function begin(first: TokenOptions, touch: boolean) {
    await handleCallback(backend, redirect_uri, (search) =>
      loadSignIn().then(({ finishSignIn }) => finishSignIn(search, context)),
    )
    if (!settled) await who(first, touch)
  }

  async function ready(first: TokenOptions = {}, touch = true): Promise<Session<Claims>> {
    listen()
    if (settled) return snapshot.get()
    // Nothing of the page's surroundings (a sandbox, blocked storage) may make it reject.
    asking ??= begin(first, touch)
      .catch((cause) => unavailable(cause.retryable ? cause : temporaryError('backend_unavailable', cause)))
      .then(() => {
        asking = undefined
        return snapshot.get()
      })
    return asking
  }

  /** Asks again, after what is under way. */
  async function again(touch?: boolean) {
    await asking
    await who({}, touch)
  }

  function hear(fact: TabMessage) {
    const known = sub()
    if (!known) fact.in && again()
    else if (fact.out) end(fact.out)
    else if (known !== fact.in) end('user_changed')
    // Their session has a new end, perhaps; a hidden tab asks when it comes into view.
    else if (!document.hidden) who()
  }

  function onPage({ type, persisted }: Event & { persisted?: boolean }) {
    if (type === 'online') backOff.reset()
    if (persisted) {
      // A page from the back-forward cache remembers; the backend knows.
      cameBack()
      again(true)
    } else if (persisted === undefined && !document.hidden) {
      // The backend may have ended the session while nobody looked.
      if (sub()) who()
      else if (snapshot.get().status === 'unavailable') ready({}, false)
    }
  }

  function listen() {
    if (listening) return
    listening = new AbortController()
    try {
      tabs = openTabs(backend, hear)
    } catch {
      // Each tab is by itself then.
    }
    for (const type of ['pageshow', 'online', 'visibilitychange']) addEventListener(type, onPage, listening)
  }

  /** `begun`: the browser is about to leave. */
  async function login(login: LoginOptions = {}, begun?: () => void): Promise<void> {
    listen()
    await go(login.popup, (popup) =>
      loadSignIn()
        .then(({ beginSignIn }) => beginSignIn(login, context, popup))
        .finally(begun),
    )
  }

  async function acquire(requested: RequestedToken): Promise<string> {
    // Whoever was here when it was asked for: what waits meanwhile is never done as somebody else.
    const checkSubject = () => {
      const subject = sub()
      requested.sub ??= subject
      requested.user ??= digest
      if (subject && subject !== requested.sub) throw clientError('subject_mismatch')
    }
    checkSubject()
    const session = await ready(requested)
    if (!sub()) throw session.status === 'unavailable' ? session.error : clientError('login_required')
    checkSubject()
    return mode === 'proxy' ? '' : (renewal.current(requested) ?? renewal.renew(requested).finally(checkSubject))
  }

  const token = (requested: RequestedToken) => abortable(acquire(requested), requested.signal)

  /** What the lazy chunks and `auth.fetch` may use. */
  const context = {
    ask,
    backend,
    redirect_uri,
    now,
    forget,
    keep: renewal.keep,
    enter,
    tell,
    who,
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
      // Most calls end here: nothing is awaited for a token that is there.
      const accessToken = (!requested.signal && renewal.current(requested)) || (await token({ ...requested }))
      if (!accessToken) throw clientError('token_not_available')
      return accessToken
    },
    fetch: createFetch(context),
    login,
    logout({ local } = {}) {
      listen()
      const left = leave(async () => {
        const answer = await ask('/logout', {})
        if (!answer.ok) {
          settled = false
          throw unavailable(temporaryError('logout_failed', answer.cause))
        }
        tabs?.postMessage({ out: 'logged_out' })
        const next = answer.body?.['location']
        return next && !local ? new URL(`${next}`, backend).href : undefined
      })
      // In this tick; after leaving has begun, so that a guard of the app that signs in again waits for it.
      end('logged_out')
      return left
    },
    async extend({ touch = true } = {}) {
      const failure = settled ? await who(undefined, touch) : void (await ready({}, touch))
      if (failure) throw failure
      if (touch) tell()
      return snapshot.get()
    },
    secondsLeft: () => ((ends as number) - performance.now()) / 1000,
    diagnostics: () => loadSignIn().then(({ describe }) => describe(context, mode, snapshot.get(), trace)),
    close() {
      listening?.abort()
      tabs?.close()
      listening = undefined
    },
  }
}

import type { StandardClaims } from '../protocol/claims.js'
import type { SallyportError } from '../protocol/error.js'
import type { CodeAnswer, Mode, SessionAnswer, SignedOutReason } from '../protocol/session.js'
import { systemNow } from '../protocol/time.js'
import { createAim } from './aim.js'
import { createBackOff } from './back-off.js'
import { createBackend, failureOf } from './backend.js'
import { clientError, notNow } from './errors.js'
import { createFetch } from './fetch.js'
import { abortable, createRenewal, formOf, keyOf, type Wanted } from './renewal.js'
import { createSnapshot, guess, type Isolated, signedIn, subOf } from './session.js'
import { type Fact, openTabs } from './tabs.js'
import type { Auth, AuthEvent, AuthOptions, Session, TokenOptions } from './types.js'

/**
 * Authorization responses taken out of the URL, by backend, until they are done with. Shared by all instances in the
 * page: whoever mounts twice finds the first one's work. A response waits here when its chunk could not be loaded.
 */
const callbacks = new Map<string, { search: string; work?: Promise<void> | undefined }>()

/** Everything that only signing in needs, oidc-client-ts included: one chunk that a returning user never fetches. */
const loadSignIn = () =>
  import('./sign-in.js').catch((cause) => {
    throw notNow('chunk_unavailable', cause)
  })

/** Makes the page's half, in a browser. @see createAuth for what it promises */
export function createPageAuth<Claims = StandardClaims>(options: AuthOptions<Claims>): Auth<Claims> {
  // Read once, now: a script that replaces them later gets nothing by it.
  const { location, history, document } = globalThis
  const subtle = globalThis.crypto?.subtle
  if (!subtle) throw clientError('insecure_context')
  const { now = systemNow, onReturn, initial } = options
  const fetch = options.fetch ?? globalThis.fetch.bind(globalThis)
  const backend = absolute('bff', '/bff').replace(/\/$/, '')
  const redirect_uri = absolute('redirect_uri', '/callback')
  const ask = createBackend(backend, fetch)

  const isolated: Isolated = (call, value) => {
    try {
      call?.(value)
    } catch (error) {
      reportError(error)
    }
  }
  const emit = (event: AuthEvent) => isolated(options.onEvent, event)
  const snapshot = createSnapshot<Claims>(guess(initial), isolated)
  const backOff = createBackOff()
  const renewal = createRenewal({
    ask,
    now,
    backOff,
    sub,
    ended: (reason) => end(reason, true),
    renewed: () => emit({ type: 'token_renewed' }),
  })

  let mode: Mode | undefined
  /** Whether the backend has been heard: a guess from `initial` is not. */
  let settled = false
  /** Counts changes of person, so that an answer to an older question cannot bring a session back. */
  let epoch = 0
  let asking: Promise<Session<Claims>> | undefined
  let leaving: Promise<void> | undefined
  /** Where to, once it is known. */
  let target: string | undefined
  let comeBack: ((error: SallyportError) => void) | undefined
  let tabs: ReturnType<typeof openTabs> | undefined
  let listening: AbortController | undefined

  function absolute(option: 'bff' | 'redirect_uri', standard: string): string {
    const url = new URL(options[option] ?? standard, location.href)
    if (url.search || url.hash || (option !== 'bff' && url.origin !== location.origin))
      throw new TypeError(`createAuth: "${option}" must be a path of this origin`)
    return url.href
  }

  function sub(): string | undefined {
    const session = snapshot.get()
    return session.status === 'signed-in' ? subOf(session.user) : undefined
  }

  function enter(answer: { user: Claims; expires_at: number }) {
    const was = sub()
    if (settled && was && was !== subOf(answer.user)) return end('user_changed')
    settled = true
    snapshot.set(signedIn(answer))
    if (!was) emit({ type: 'signed_in' })
  }

  function end(reason: SignedOutReason, tell?: boolean, error?: SallyportError) {
    const was = sub()
    epoch++
    settled = true
    renewal.clear()
    snapshot.set({ status: 'signed-out', reason, ...(error && { error }) })
    if (!was) return
    emit({ type: 'signed_out', reason })
    if (tell) tabs?.postMessage({ out: reason })
  }

  function unavailable(error: SallyportError) {
    if (!settled) snapshot.set({ status: 'unavailable', error })
  }

  /** Asks who is here; the first token rides along. What goes wrong leaves what is known as it is. */
  async function who(first?: TokenOptions, failure?: SallyportError) {
    if (backOff.waiting()) return
    const mine = epoch
    // Only a look, without `first`: it brings no token and keeps no session alive.
    const answer = await ask(first ? '/session' : '/session?touch=false', first && formOf(first))
    if (mine !== epoch) return
    const body = answer.body as SessionAnswer<Claims> | undefined
    if (!answer.ok || body?.expires_at === undefined) {
      backOff.failed(answer.retryAfter)
      unavailable(failureOf(answer, 'backend_unavailable'))
      return
    }
    backOff.reset()
    mode = body.mode
    if (body.expires_at === null) return failure ? end('callback_failed', false, failure) : end(body.reason, true)
    if (first && body.token) renewal.keep(keyOf(first), body.token)
    enter(body)
  }

  const ports = {
    ask,
    backend,
    redirect_uri,
    location,
    now,
    accept(answer: CodeAnswer<Claims>) {
      renewal.keep(keyOf({}), answer)
      enter(answer)
      tabs?.postMessage({ in: subOf(answer.user) })
    },
    refuse(error: SallyportError) {
      emit({ type: 'callback_failed', error })
      return who({}, error)
    },
    arrive: (returnByPopState: (returnTo: string) => void, returnTo: string) =>
      isolated(onReturn ?? returnByPopState, returnTo),
  }

  async function begin(first: TokenOptions = {}): Promise<Session<Claims>> {
    const { pathname, search, hash } = location
    if (location.origin + pathname === redirect_uri && /[?&]state=/.test(search)) {
      callbacks.set(backend, { search })
      // At once, before anything is loaded: the code leaves the URL and this history entry. What else stood there comes back.
      history.replaceState(history.state, '', pathname + hash)
    }
    const callback = callbacks.get(backend)
    const mine = callback && !callback.work
    if (callback)
      try {
        callback.work ??= loadSignIn().then(({ finishSignIn }) => finishSignIn(callback.search, ports))
        await callback.work
        callbacks.delete(backend)
      } catch (error) {
        // The chunk did not come: the response stays here, the next call tries again.
        callback.work = undefined
        unavailable(error as SallyportError)
      }
    if (!settled && !mine) await who(first)
    return snapshot.get()
  }

  function ready(first?: TokenOptions): Promise<Session<Claims>> {
    listen()
    if (settled) return Promise.resolve(snapshot.get())
    asking ??= begin(first).finally(() => {
      asking = undefined
    })
    return asking
  }

  /** Asks again, after what is under way. */
  async function again() {
    await asking
    await who({})
  }

  function hear(fact: Fact) {
    const known = sub()
    if (!known) fact.in && again()
    else if (fact.out) end(fact.out)
    else if (known !== fact.in) end('user_changed')
  }

  function onPage({ type, persisted }: Event & { persisted?: boolean }) {
    if (type === 'online') backOff.reset()
    if (persisted) {
      // A page from the back-forward cache remembers; the backend knows.
      comeBack?.(clientError('cancelled'))
      again()
    } else if (persisted === undefined && !document.hidden) {
      // The backend may have ended the session while nobody looked.
      if (sub()) who()
      else if (snapshot.get().status === 'unavailable') ready()
    }
  }

  function listen() {
    if (listening) return
    listening = new AbortController()
    tabs = openTabs(backend, hear)
    for (const type of ['pageshow', 'online', 'visibilitychange']) addEventListener(type, onPage, listening)
  }

  /** Leaves the page, once, however often it is asked; stays if there is nowhere to go. */
  function leave(prepare: () => Promise<string | undefined>): Promise<void> {
    listen()
    // The person stayed after all ("leave this page?"): the button goes there again.
    if (target) location.assign(target)
    leaving ??= prepare()
      .then((url) => {
        target = url
        if (!url) return
        location.assign(url)
        return new Promise<void>((_, reject) => {
          comeBack = reject
        })
      })
      .finally(() => {
        leaving = target = undefined
      })
    return leaving
  }

  async function acquire(wanted: Wanted): Promise<string> {
    const session = await ready(wanted)
    if (session.status === 'unavailable') throw session.error
    if (session.status !== 'signed-in') throw clientError('login_required')
    if (mode === 'proxy') return ''
    return current(wanted) ?? renewal.renew(keyOf(wanted), wanted)
  }
  const current = (wanted: Wanted) => (settled ? renewal.current(keyOf(wanted), wanted) : undefined)

  /** Empty in proxy mode. */
  async function token(wanted: Wanted): Promise<string> {
    wanted.signal?.throwIfAborted()
    return current(wanted) ?? abortable(acquire(wanted), wanted.signal)
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
    async getToken(wanted = {}) {
      const held = await token(wanted)
      if (!held) throw clientError('token_not_available')
      return held
    },
    fetch: createFetch({
      fetch,
      aim: createAim(options.apis ?? {}, location.origin, backend),
      backend,
      document,
      subtle,
      getToken: token,
      look: () => who(),
    }),
    login: (login = {}) => leave(() => loadSignIn().then(({ beginSignIn }) => beginSignIn(login, ports))),
    logout({ local } = {}) {
      const left = leave(async () => {
        const answer = await ask('/logout', {})
        if (!answer.ok) {
          settled = false
          const error = notNow('logout_failed', answer.cause)
          unavailable(error)
          throw error
        }
        tabs?.postMessage({ out: 'logged_out' })
        const next = answer.body?.['location']
        return next && !local ? new URL(`${next}`, backend).href : undefined
      })
      // In this tick; after leaving has begun, so that a guard of the app that signs in again waits for it.
      end('logged_out')
      return left
    },
    close() {
      listening?.abort()
      tabs?.close()
      listening = undefined
    },
  }
}

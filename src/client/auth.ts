import type { StandardClaims } from '../protocol/claims.js'
import type { SallyportError } from '../protocol/error.js'
import type { Mode, SessionAnswer, SignedOutReason } from '../protocol/session.js'
import { systemNow } from '../protocol/time.js'
import { createBackend, quote } from './backend.js'
import { takeCallback } from './callback-url.js'
import { clientError, notNow } from './errors.js'
import { createAim, createFetch } from './fetch.js'
import { abortable, createBackOff, createRenewal, keyOf } from './renewal.js'
import { createSnapshot, sessionOf, signedOut } from './session.js'
import { type Fact, openTabs } from './tabs.js'
import type { Auth, AuthEvent, AuthOptions, LoginOptions, LogoutOptions, Session, TokenOptions } from './types.js'

/**
 * Authorization responses taken out of the URL, by backend, until they are done with. Shared by all instances in the
 * page: whoever mounts twice finds the first one's work. A response waits here when its chunk could not be loaded.
 */
const callbacks = new Map<string, { search: string; work?: Promise<unknown> | undefined }>()

/** Everything that only signing in needs, oidc-client-ts included: one chunk that a returning user never fetches. */
const loadSignIn = () =>
  import('./sign-in.js').catch((cause) => {
    throw notNow('chunk_unavailable', cause)
  })

/** Makes the page's half, in a browser. @see createAuth for what it promises */
export function createPageAuth<Claims = StandardClaims>(options: AuthOptions<Claims>): Auth<Claims> {
  const { location, history, crypto, document } = globalThis
  const { apis = {}, now = systemNow, onEvent, onReturn, initial } = options
  const { origin } = location
  if (!crypto?.subtle) throw clientError('insecure_context')
  const backend = absolute('bff', options.bff ?? '/bff').replace(/\/$/, '')
  const redirect_uri = absolute('redirect_uri', options.redirect_uri ?? '/callback')
  const { subtle } = crypto
  const pageFetch = options.fetch ?? globalThis.fetch.bind(globalThis)
  const ask = createBackend(backend, pageFetch)

  const report: (error: unknown) => void = globalThis.reportError?.bind(globalThis) ?? console.error
  const snapshot = createSnapshot<Claims>(initial ? sessionOf(initial) : { status: 'pending' }, report)
  const backOff = createBackOff(now)
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
  /** Counts sign-outs, so that an answer to an older question cannot bring a session back. */
  let epoch = 0
  let asking: Promise<Session<Claims>> | undefined
  let leaving: Promise<void> | undefined
  let comeBack: ((error: SallyportError) => void) | undefined
  let tabs: ReturnType<typeof openTabs> | undefined

  function absolute(option: string, value: string): string {
    const url = URL.canParse(value, location.href) ? new URL(value, location.href) : undefined
    if (!url || url.search || url.hash || (option !== 'bff' && url.origin !== origin))
      throw new TypeError(`createAuth: "${option}" must be a path, or a URL without query and fragment, of this site`)
    return url.href
  }

  function isolated<Value>(call: ((value: Value) => void) | undefined, value: Value) {
    try {
      call?.(value)
    } catch (error) {
      report(error)
    }
  }
  const emit = (event: AuthEvent) => isolated(onEvent, event)

  function sub(): string | undefined {
    const session = snapshot.get()
    return session.status === 'signed-in' ? `${(session.user as { sub?: string }).sub}` : undefined
  }

  function enter(session: Session<Claims>) {
    const was = sub()
    snapshot.set(session)
    if (sub() !== was) emit({ type: 'signed_in' })
  }

  function end(reason: SignedOutReason, tell: boolean, error?: SallyportError) {
    const was = snapshot.get().status
    epoch++
    settled = true
    renewal.clear()
    snapshot.set({ ...signedOut(reason), ...(error && { error }) })
    if (was === 'signed-in') {
      emit({ type: 'signed_out', reason })
      if (tell) tabs?.tell({ signedOut: reason })
    }
  }

  function unavailable(error: SallyportError) {
    if (settled) return
    snapshot.set({ status: 'unavailable', error })
    emit({ type: 'unavailable', error })
  }

  /** Asks who is here; the first token rides along. What goes wrong leaves what is known as it is. */
  async function who({ resource, scope, minValidity }: TokenOptions = {}, failure?: SallyportError) {
    if (backOff.waiting()) return
    const mine = epoch
    const answer = await ask('/session', { resource, scope, min_validity: minValidity })
    if (mine !== epoch) return
    const body = answer.body as SessionAnswer<Claims> | undefined
    if (!answer.ok || body?.user === undefined) {
      backOff.failed(answer.retryAfter)
      const refused = answer.body?.error && answer.status < 429
      return unavailable(
        refused
          ? clientError('request_refused', { cause: quote(answer) })
          : notNow('backend_unavailable', quote(answer)),
      )
    }
    backOff.reset()
    mode = body.mode
    if (body.expires_at === null) return failure ? end('callback_failed', false, failure) : end(body.reason, settled)
    const was = settled && sub()
    if (was && was !== (body.user as { sub?: string }).sub) return end('user_changed', false)
    if (body.token) renewal.keep(keyOf({ resource, scope }), body.token)
    if (body.token_error?.retry_after) backOff.failed(body.token_error.retry_after)
    settled = true
    enter(sessionOf(body))
  }

  /** Finishes the callback that waits for this backend, if one does; another instance's is waited for. */
  async function finish(): Promise<SallyportError | undefined> {
    const waiting = callbacks.get(backend)
    if (!waiting) return undefined
    if (waiting.work) {
      await waiting.work
      return undefined
    }
    let failure: SallyportError | undefined
    const work = async () => {
      const { finishSignIn, returnByPopState } = await loadSignIn()
      const { answer, error, returnTo } = await finishSignIn<Claims>({
        search: waiting.search,
        ask,
        redirect_uri,
        origin,
        now,
      })
      callbacks.delete(backend)
      if (answer) {
        epoch++
        settled = true
        renewal.clear()
        renewal.keep('', answer)
        enter(sessionOf({ mode: 'token-mediating', user: answer.user, expires_at: answer.expires_at }))
        mode = 'token-mediating'
        tabs?.tell({ signedIn: `${sub()}` })
      } else {
        failure = error
        emit({ type: 'callback_failed', error })
        await who({}, error)
      }
      isolated(onReturn ?? returnByPopState, returnTo)
    }
    waiting.work = work()
    try {
      await waiting.work
    } catch (error) {
      // The chunk did not come: the response stays, the next call tries again.
      waiting.work = undefined
      unavailable(error as SallyportError)
      return error as SallyportError
    }
    return failure
  }

  async function begin(first?: TokenOptions): Promise<Session<Claims>> {
    const search = takeCallback(redirect_uri, location, history)
    if (search) callbacks.set(backend, { search })
    const failure = await finish()
    if (!settled && !failure) await who(first)
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
  function again(): Promise<unknown> {
    return (asking ?? Promise.resolve()).then(() => who())
  }

  function hear(fact: Fact) {
    const known = sub()
    if ('signedOut' in fact) known !== undefined && end(fact.signedOut, false)
    else if (known === undefined) void again()
    else if (known !== fact.signedIn) end('user_changed', false)
  }

  function onShow(event: PageTransitionEvent) {
    if (!event.persisted) return
    comeBack?.(clientError('cancelled'))
    // A page from the back-forward cache remembers; the backend knows.
    void again()
  }
  function onWake(event: Event) {
    if (event.type === 'online') backOff.reset()
    if (snapshot.get().status === 'unavailable' && document.visibilityState !== 'hidden') void ready()
  }

  function listen() {
    if (tabs) return
    tabs = openTabs(backend, hear)
    addEventListener('pageshow', onShow)
    addEventListener('online', onWake)
    document.addEventListener('visibilitychange', onWake)
  }

  /** Leaves the page, once, however often it is asked; stays if there is nowhere to go. */
  function leave(prepare: () => Promise<string | undefined>): Promise<void> {
    listen()
    leaving ??= prepare()
      .then((url) => {
        if (!url) return undefined
        location.assign(url)
        return new Promise<void>((_, reject) => {
          comeBack = reject
        })
      })
      .finally(() => {
        leaving = undefined
      })
    return leaving
  }

  async function acquire(token: TokenOptions, refused?: string, digest?: string): Promise<string> {
    const session = await ready(token)
    if (session.status === 'unavailable') throw session.error
    if (session.status !== 'signed-in') throw clientError('login_required')
    if (mode === 'proxy') throw clientError('token_not_available')
    const key = keyOf(token)
    return renewal.current(key, token.minValidity ?? 30, refused) ?? renewal.renew(key, token, refused, digest)
  }

  async function getToken(token: TokenOptions = {}, refused?: string, digest?: string): Promise<string> {
    token.signal?.throwIfAborted()
    const held = settled && !refused && renewal.current(keyOf(token), token.minValidity ?? 30)
    return held || abortable(acquire(token, refused, digest), token.signal)
  }

  return {
    get session() {
      return snapshot.get()
    },
    subscribe(listener) {
      void ready()
      return snapshot.subscribe(listener)
    },
    ready: () => ready(),
    getToken: (token) => getToken(token),
    fetch: createFetch({
      fetch: pageFetch,
      aim: createAim(apis, origin, backend),
      base: location.href,
      subtle,
      getToken,
    }),
    login: (login: LoginOptions = {}) =>
      leave(async () => (await loadSignIn()).beginSignIn(login, { ask, redirect_uri, backend, location, now })),
    logout({ local }: LogoutOptions = {}) {
      end('logged_out', false)
      return leave(async () => {
        const answer = await ask('/logout', {})
        if (!answer.ok) {
          const error = notNow('logout_failed', quote(answer))
          settled = false
          unavailable(error)
          throw error
        }
        tabs?.tell({ signedOut: 'logged_out' })
        const next = answer.body?.location
        return !local && typeof next === 'string' ? new URL(next, backend).href : undefined
      })
    },
    close() {
      tabs?.close()
      tabs = undefined
      removeEventListener('pageshow', onShow)
      removeEventListener('online', onWake)
      document.removeEventListener('visibilitychange', onWake)
    },
  }
}

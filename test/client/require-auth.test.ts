import { act, createElement as h } from 'react'
import { SallyportError, type Session } from 'sallyport'
import { RequireAuth, type RequireAuthState, useAuth, useUser } from 'sallyport/react'
import { createTestAuth } from 'sallyport/testing/auth'
import { describe, expect, it, vi } from 'vitest'
import { world } from '../world.js'
import { assigned, goTo, load, redirectUrl, signedIn } from './page.js'
import { container, press, render, shows, text, unmounts } from './react.js'

const alice = { sub: 'alice', name: 'Alice Adams' }

let mounted = 0
const Who = () => {
  mounted++
  const { session } = useAuth()
  return `${session.status} ${useUser()?.name}`
}

const guarded = (more: Parameters<typeof RequireAuth>[0] = {}) =>
  h(RequireAuth, { fallback: 'one moment', ...more }, h(Who))

const out = (reason: string, error?: SallyportError): Session<unknown> =>
  ({ status: 'signed-out', reason, ...(error && { error }) }) as Session<unknown>
const denied = new SallyportError('authorization_error', 'no', { cause: { error: 'access_denied' } })
const forged = new SallyportError('state_mismatch', 'no')
const down = new SallyportError('backend_unavailable', 'down', { retryable: true })

describe('RequireAuth', () => {
  it('shows its children to whoever is signed in, and mounts them for nobody else', () => {
    const auth = createTestAuth<unknown>({ status: 'pending' })
    mounted = 0
    render(auth, guarded())
    expect([text(), mounted, auth.calls.login]).toEqual(['one moment', 0, []])
    act(() => auth.set({ status: 'signed-in', user: alice, expiresAt: null }))
    expect(text()).toBe('signed-in Alice Adams')
  })

  it.each(['none', 'expired', 'revoked', 'refresh_lost', 'user_changed'] as const)(
    'leaves to sign in whoever is not (%s), once in StrictMode too, with the options that were given',
    async (reason) => {
      const it = await world()
      const { auth } = load(it.tab, {}, it)
      const test = createTestAuth<unknown>({ status: 'signed-out' })
      test.set({ status: 'signed-out', reason })
      render({ ...test, session: test.session, login: auth.login }, guarded({ login: { login_hint: 'alice' } }), {
        strict: true,
      })
      await vi.waitFor(() => expect(assigned).toHaveLength(1))
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(assigned).toHaveLength(1)
      expect(assigned[0]).toContain('login_hint=alice')
      expect(text()).toBe('one moment')
    },
  )

  it('shows what was given for whoever is signed out, and does not leave', () => {
    const auth = createTestAuth<unknown>()
    render(auth, guarded({ signedOut: 'please sign in' }))
    expect([text(), auth.calls.login]).toEqual(['please sign in', []])
    act(() => auth.set(out('callback_failed', denied)))
    expect([text(), auth.calls.login]).toEqual(['please sign in', []])
  })

  /** A session, or what `login()` rejects with → the status, the words, and the button. */
  const faces: [string, Session<unknown> | SallyportError, string, string, string][] = [
    ['a sign-out, here or in another tab', out('logged_out'), 'signed-out', 'Signed out', 'Sign in'],
    ['a refusal of the user', out('callback_failed', denied), 'cancelled', 'Sign-in cancelled', 'Try again'],
    ['a forged callback', out('callback_failed', forged), 'failed', 'Sign-in failed: state_mismatch', 'Try again'],
    [
      'an outage at the callback',
      out('callback_failed', new SallyportError('sign_in_unavailable', 'x', { retryable: true })),
      'unavailable',
      'Sign-in unavailable: sign_in_unavailable',
      'Try again',
    ],
    [
      'a backend that is down',
      { status: 'unavailable', error: down },
      'unavailable',
      'Sign-in unavailable: backend_unavailable',
      'Try again',
    ],
    ['the back button', new SallyportError('cancelled', 'x'), 'cancelled', 'Sign-in cancelled', 'Try again'],
    ['a closed popup', new SallyportError('popup_closed', 'x'), 'cancelled', 'Sign-in cancelled', 'Try again'],
    [
      'a blocked popup',
      new SallyportError('popup_blocked', 'x'),
      'failed',
      'Sign-in failed: popup_blocked',
      'Try again',
    ],
    [
      'a provider that is down',
      new SallyportError('login_unavailable', 'x', { retryable: true }),
      'unavailable',
      'Sign-in unavailable: login_unavailable',
      'Try again',
    ],
    ['a loop', new SallyportError('login_loop', 'x'), 'failed', 'Sign-in failed: login_loop', 'Try again'],
  ]
  /** An auth in that state: its `login()` rejects with an error, which is not a session. */
  function inState(state: Session<unknown> | SallyportError) {
    const auth = createTestAuth<unknown>()
    const calls = { login: 0, ready: 0 }
    const { ready } = auth
    auth.login = () => {
      calls.login++
      return state instanceof Error && calls.login === 1 ? Promise.reject(state) : new Promise<void>(() => {})
    }
    auth.ready = () => {
      calls.ready++
      return ready()
    }
    if (!(state instanceof Error)) auth.set(state)
    return { auth, calls }
  }

  it.each(faces)('says what happened and what to do after %s', async (_, state, _status, words, label) => {
    const { auth, calls } = inState(state)
    await act(async () => void render(auth, guarded(), { strict: !(state instanceof Error) }))
    expect([container.querySelector('p')?.textContent, container.querySelector('button')?.textContent]).toEqual([
      words,
      label,
    ])
    expect(container.firstElementChild?.getAttribute('role')).toBe('alert')
    const before = { ...calls }
    expect(before.login).toBe(state instanceof Error ? 1 : 0)
    await press()
    const asks = 'status' in state && state.status === 'unavailable'
    expect(calls).toEqual(asks ? { ...before, ready: before.ready + 1 } : { ...before, login: before.login + 1 })
    if (!asks) expect(text()).toBe('one moment')
    await act(async () => auth.set({ status: 'signed-in', user: alice, expiresAt: null }))
    expect(text()).toBe('signed-in Alice Adams')
    // What became of that sign-in says nothing about the next.
    await act(async () => auth.set(out('logged_out')))
    expect(text()).toBe('Signed outSign in')
    expect(calls.login).toBe(before.login + (asks ? 0 : 1))
  })

  it.each(faces)('lets fallback make another face of it after %s', async (_, state, status) => {
    const { auth, calls } = inState(state)
    const seen: RequireAuthState[] = []
    const fallback = (now: RequireAuthState) => {
      seen.push(now)
      return h('b', null, now.status)
    }
    await act(async () => void render(auth, guarded({ fallback })))
    expect(text()).toBe(status)
    const last = seen.at(-1)
    expect(last?.session).toBe(auth.session)
    expect(last?.error?.code).toBe(
      state instanceof Error ? state.code : 'error' in state ? state.error?.code : undefined,
    )
    const before = calls.login
    await act(async () => last?.retry())
    expect(text()).toBe('status' in state && state.status === 'unavailable' ? status : 'signing-in')
    expect(calls.login).toBe(before + Number(text() === 'signing-in'))
  })

  it('gives fallback the states in which nothing is to be done, too', async () => {
    const auth = createTestAuth<unknown>({ status: 'pending' })
    auth.login = () => new Promise(() => {})
    await act(async () => void render(auth, guarded({ fallback: ({ status, error }) => `${status} ${error}` })))
    expect(text()).toBe('pending undefined')
    await act(async () => auth.set(out('none')))
    expect(text()).toBe('signing-in undefined')
  })

  it('stays where it is after a cancelled sign-in, whatever the session does, until somebody signs in', async () => {
    const { auth, calls } = inState(new SallyportError('cancelled', 'x'))
    await act(async () => void render(auth, guarded()))
    for (const session of [{ status: 'unavailable', error: down }, out('none'), out('expired')] as Session<unknown>[])
      await act(async () => auth.set(session))
    expect(text()).toBe('Sign-in cancelledTry again')
    expect(calls.login).toBe(1)
    await act(async () => auth.set({ status: 'signed-in', user: alice, expiresAt: null }))
    await act(async () => auth.set(out('expired')))
    expect([text(), calls.login]).toEqual(['one moment', 2])
  })

  it('opens a popup in the click itself', async () => {
    const { auth } = inState(out('logged_out'))
    let inClick = false
    const login = vi.fn(() => {
      expect(inClick).toBe(true)
      return new Promise<void>(() => {})
    })
    auth.login = login
    await act(async () => void render(auth, guarded({ login: { popup: true } })))
    await act(async () => {
      inClick = true
      container.querySelector('button')?.click()
      inClick = false
    })
    expect(login.mock.calls).toEqual([[{ popup: true }]])
  })

  it('shows a mistake in "login" and reports it, since it is nobody’s but the developer’s', async () => {
    const auth = createTestAuth<unknown>()
    const mistake = new TypeError('auth.login: "state" cannot be sent through "params"')
    auth.login = () => Promise.reject(mistake)
    const reported = vi.fn()
    vi.stubGlobal('reportError', reported)
    await act(async () => void render(auth, guarded()))
    vi.unstubAllGlobals()
    expect(text()).toBe('Sign-in failedTry again')
    expect(reported.mock.calls).toEqual([[mistake]])
  })

  it('works with the real thing: signed out in another tab, then in again from here', async () => {
    const { it, tab, auth: first } = await signedIn()
    first.close()
    const { auth } = load(tab, {}, it)
    const other = load(it.browser.newTab('https://app.example.com/'), {}, it)
    await act(() => Promise.all([auth.ready(), other.auth.ready()]))
    render(auth, guarded(), { strict: true })
    expect(text()).toBe('signed-in Alice Adams')
    await act(() => other.auth.logout({ local: true }))
    await shows('Signed outSign in')
    expect(assigned).toEqual([])
    await press()
    await act(() => vi.waitFor(() => expect(assigned).toHaveLength(1)))
    it.as.deny({ error: 'access_denied' })
    goTo((await tab.navigate(await redirectUrl())).url)
    auth.close()
    for (const unmount of unmounts.splice(0)) act(unmount)
    const after = load(tab, {}, it)
    render(after.auth, guarded())
    await shows('Sign-in cancelledTry again')
    expect(assigned).toHaveLength(1)
  })
})

import { act, Component, createElement, type ReactNode, StrictMode, Suspense, use } from 'react'
import { createRoot, hydrateRoot } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { type Auth, SallyportError, type Session } from 'sallyport'
import { AuthProvider, RequireAuth, useAuth, useUser } from 'sallyport/react'
import { createTestAuth } from 'sallyport/testing/auth'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { world } from '../world.js'
import { assigned, load, signedIn } from './page.js'

const alice = { sub: 'alice', name: 'Alice Adams' }
const h = createElement

let container: HTMLElement
const unmounts: Array<() => void> = []
beforeEach(() => {
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true })
  container = document.createElement('div')
  document.body.replaceChildren(container)
})
afterEach(() => {
  for (const unmount of unmounts.splice(0)) act(unmount)
})

/** Shows the error that came up to it. */
class Boundary extends Component<{ children?: ReactNode }> {
  override state: { error?: Error } = {}
  static getDerivedStateFromError = (error: Error) => ({ error })
  override render(): ReactNode {
    return this.state.error ? `caught ${this.state.error.message}` : this.props.children
  }
}

function render(auth: Auth<unknown>, children: ReactNode, { strict = false } = {}) {
  // A caught error is logged by React itself.
  const root = createRoot(container, { onCaughtError: () => {} })
  unmounts.push(() => root.unmount())
  const tree = h(AuthProvider, { auth }, h(Boundary, null, children))
  act(() => root.render(strict ? h(StrictMode, null, tree) : tree))
  return root
}

const text = () => container.textContent

const Probe = ({ seen }: { seen: unknown[] }) => `${seen.push(useAuth())}`

const Call = ({ token }: { token: Promise<string> }) => `${use(token)} ${useUser()?.sub}`

let renders = 0
const Who = () => {
  renders++
  const { session } = useAuth()
  const user = useUser()
  return `${session.status} ${user?.name ?? 'nobody'}`
}

describe('useAuth() and useUser()', () => {
  it('render what is, and again when it changes', () => {
    const auth = createTestAuth({ user: alice })
    render(auth, h(Who))
    expect(text()).toBe('signed-in Alice Adams')
    renders = 0
    act(() => auth.set({ status: 'signed-out', reason: 'expired' }))
    expect(text()).toBe('signed-out nobody')
    expect(renders).toBe(1)
    act(() => auth.set(auth.session))
    expect(renders).toBe(1)
  })

  it('give the same object until the session changes, whose methods are those of auth', () => {
    const auth = createTestAuth({ user: alice })
    const seen: unknown[] = []
    const root = render(auth, h(Probe, { seen }))
    act(() => root.render(h(AuthProvider, { auth }, h(Boundary, null, h(Probe, { seen })))))
    expect(seen).toHaveLength(2)
    expect(seen[0]).toBe(seen[1])
    expect((seen[0] as Auth).getToken).toBe(auth.getToken)
  })

  it('say what is missing without a provider', () => {
    const root = createRoot(container)
    unmounts.push(() => root.unmount())
    expect(() => act(() => root.render(h(Who)))).toThrow('no <AuthProvider')
  })

  it('leave no listener behind, mounted twice by StrictMode or not', () => {
    for (const strict of [false, true]) {
      const auth = createTestAuth({ user: alice })
      let listening = 0
      const { subscribe } = auth
      auth.subscribe = (listener) => {
        listening++
        const stop = subscribe(listener)
        return () => {
          listening--
          stop()
        }
      }
      const root = render(auth, h(Who), { strict })
      expect(listening).toBeGreaterThan(0)
      act(() => root.unmount())
      expect(listening).toBe(0)
    }
  })

  it('work with the real thing in StrictMode: one request, one sign-in', async () => {
    const { it, tab, auth: first } = await signedIn()
    first.close()
    const { auth, asked } = load(tab, {}, it)
    render(auth, h(Who), { strict: true })
    expect(text()).toBe('pending nobody')
    await act(() => vi.waitFor(() => expect(auth.session.status).toBe('signed-in')))
    expect(text()).toBe('signed-in Alice Adams')
    expect(asked).toEqual(['/bff/session'])
  })

  it('work below Suspense: what waits for a call keeps its place', async () => {
    const auth = createTestAuth({ user: alice })
    const token = auth.getToken()
    await act(async () => void render(auth, h(Suspense, { fallback: 'waiting' }, h(Call, { token }))))
    expect(text()).toBe('test-token alice')
  })
})

describe('on a server', () => {
  it('everybody is pending there and while the page is taken over, and themselves right after', async () => {
    const auth = createTestAuth({ user: alice })
    const tree = h(AuthProvider, { auth }, h(RequireAuth, { fallback: 'one moment' }, h(Who)))
    const html = renderToString(tree)
    expect(html).toBe('one moment')
    container.innerHTML = html
    const complaints: unknown[] = []
    const root = await act(() =>
      hydrateRoot(container, tree, { onRecoverableError: (error) => complaints.push(error) }),
    )
    unmounts.push(() => root.unmount())
    expect(text()).toBe('signed-in Alice Adams')
    expect(complaints).toEqual([])
  })
})

describe('RequireAuth', () => {
  const guarded = (more: Parameters<typeof RequireAuth>[0] = {}) =>
    h(RequireAuth, { fallback: 'one moment', ...more }, h(Who))

  it('shows its children to whoever is signed in, and mounts them for nobody else', () => {
    const auth = createTestAuth<unknown>({ status: 'pending' })
    renders = 0
    render(auth, guarded())
    expect([text(), renders, auth.calls.login]).toEqual(['one moment', 0, []])
    act(() => auth.set({ status: 'unavailable', error: new SallyportError('backend_unavailable', 'down') }))
    expect([text(), renders, auth.calls.login]).toEqual(['one moment', 0, []])
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

  it('does not undo a sign-out', () => {
    const auth = createTestAuth<unknown>({ user: alice })
    render(auth, guarded())
    act(() => auth.set({ status: 'signed-out', reason: 'logged_out' }))
    expect([text(), auth.calls.login]).toEqual(['one moment', []])
  })

  it('shows what was given for whoever is signed out, and does not leave', () => {
    const auth = createTestAuth<unknown>()
    render(auth, guarded({ signedOut: 'please sign in' }))
    expect([text(), auth.calls.login]).toEqual(['please sign in', []])
  })

  it.each([
    [
      'of a sign-in',
      (auth: ReturnType<typeof createTestAuth<unknown>>, error: SallyportError) => {
        auth.set({ status: 'signed-out', reason: 'callback_failed', error } as Session<unknown>)
      },
    ],
    [
      'of login()',
      (auth: ReturnType<typeof createTestAuth<unknown>>, error: SallyportError) => {
        auth.login = () => Promise.reject(error)
      },
    ],
  ])('throws the error %s to the boundary above, instead of trying again', async (_, arrange) => {
    const auth = createTestAuth<unknown>()
    const error = new SallyportError('authorization_error', 'no')
    arrange(auth, error)
    await act(async () => void render(auth, guarded()))
    expect(text()).toBe('caught no')
    expect(auth.calls.login).toEqual([])
  })

  it('goes on when the back-forward cache brings the page back', async () => {
    const auth = createTestAuth<unknown>()
    auth.login = () => Promise.reject(new SallyportError('cancelled', 'back'))
    await act(async () => void render(auth, guarded()))
    expect(text()).toBe('one moment')
  })
})

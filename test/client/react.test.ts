import { act, createElement, Suspense, use } from 'react'
import { createRoot, hydrateRoot } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import type { Auth } from 'sallyport'
import { AuthProvider, RequireAuth, useAuth, useUser } from 'sallyport/react'
import { createTestAuth } from 'sallyport/testing/auth'
import { describe, expect, it, vi } from 'vitest'
import { load, signedIn } from './page.js'
import { Boundary, container, render, text, unmounts } from './react.js'

const alice = { sub: 'alice', name: 'Alice Adams' }
const h = createElement

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

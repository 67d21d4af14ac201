import { act, createElement as h } from 'react'
import {
  BrowserRouter,
  createBrowserRouter,
  type LoaderFunctionArgs,
  Navigate,
  Outlet,
  Route,
  type RouteObject,
  RouterProvider,
  Routes,
  useLoaderData,
  useRouteError,
} from 'react-router'
import { requireAuth, SallyportError, type Session } from 'sallyport'
import { RequireAuth, useUser } from 'sallyport/react'
import { createTestAuth } from 'sallyport/testing/auth'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { world } from '../world.js'
import { APP, assigned, goTo, load, redirectUrl, signedIn } from './page.js'
import { render, shows, text } from './react.js'

const Who = () => h('p', null, `notes of ${useUser()?.name}`)
const Failed = () => `refused: ${(useRouteError() as Error).message}`
const Loaded = () => `loaded ${useLoaderData()}`

/** A router that its test disposes of. */
function routerOf(routes: RouteObject[], options = {}) {
  const router = createBrowserRouter(routes, options)
  onTestFinished(() => router.dispose())
  return router
}

const elsewhere = { path: '*', element: h(Navigate, { to: '/', replace: true }) }
const notes = { path: '/notes', element: h(RequireAuth, { fallback: 'one moment' }, h(Who)) }

describe('createBrowserRouter without a route for the callback', () => {
  /** The provider has sent the user back to where the router has nothing. */
  async function atCallback(mode: 'token-mediating' | 'proxy' = 'token-mediating') {
    const it = await world({ mode })
    const before = load(it.tab, {}, it)
    before.auth.login({ returnTo: '/notes?x=1', appState: 1 }).catch(() => {})
    goTo((await it.tab.navigate(await redirectUrl())).url)
    before.auth.close()
    return it
  }

  it.each(['token-mediating', 'proxy'] as const)('signs in, and goes where the user was (%s)', async (mode) => {
    const it = await atCallback(mode)
    const { auth, asked } = load(it.tab, {}, it)
    const router = routerOf([notes])
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    vi.spyOn(console, 'error').mockImplementation(() => {})
    render(auth, h(RouterProvider, { router }), { strict: true })
    expect(text()).toContain('404')
    await shows('notes of Alice Adams')
    expect(location.pathname + location.search).toBe('/notes?x=1')
    expect(asked.filter((path) => path === '/bff/token')).toHaveLength(mode === 'proxy' ? 0 : 1)
    expect(it.as.grants.authorization_code).toBe(1)
  })

  it.each([
    ['createBrowserRouter', () => h(RouterProvider, { router: routerOf([notes, elsewhere]) })],
    ['BrowserRouter', () => h(BrowserRouter, null, h(Routes, null, h(Route, notes), h(Route, elsewhere)))],
  ])('signs in although a route for all other paths of %s replaces the URL at once', async (_, router) => {
    const it = await atCallback()
    const { auth, events } = load(it.tab, {}, it)
    render(auth, router(), { strict: true })
    await shows('notes of Alice Adams')
    expect(location.pathname + location.search).toBe('/notes?x=1')
    expect(events.map(({ type }) => type)).toEqual(['signed_in'])
  })

  it('asks nobody on any other page, until a component reads the session', async () => {
    const it = await world()
    for (const url of ['/', '/?code=1', '/callback', '/search?q=state=1&estate=2']) {
      goTo(`${APP}${url}`)
      const { auth, asked } = load(it.tab, {}, it)
      await act(async () => void render(auth, 'nothing'))
      expect([asked, auth.session.status]).toEqual([[], 'pending'])
    }
  })
})

describe('requireAuth()', () => {
  const session = (state: object) => state as Session<unknown>
  const down = new SallyportError('backend_unavailable', 'down', { retryable: true })

  /** The loader of a route that shows whose session it has seen. */
  function routes(auth: Parameters<typeof requireAuth>[0]): RouteObject[] {
    const protect = requireAuth(auth)
    const loader = async (args: LoaderFunctionArgs) => (await protect(args)).status
    return [
      {
        path: '/',
        element: h(Outlet),
        children: [
          { index: true, element: 'start' },
          { path: 'notes', loader, element: h(Loaded), errorElement: h(Failed) },
        ],
      },
    ]
  }
  const show = async (auth: ReturnType<typeof createTestAuth<unknown>>, options = {}) => {
    const router = routerOf(routes(auth), options)
    await act(async () => void render(auth, h(RouterProvider, { router })))
    await act(async () => void router.navigate('/notes?x=1'))
    return router
  }

  it('lets a signed-in user pass', async () => {
    const auth = createTestAuth<unknown>({ user: { sub: 'alice' } })
    await show(auth)
    expect([text(), auth.calls.login]).toEqual(['loaded signed-in', []])
  })

  it.each(['none', 'expired', 'revoked', 'user_changed'])(
    'leaves to sign in (%s), and back to that route',
    async (reason) => {
      const auth = createTestAuth<unknown>()
      auth.set(session({ status: 'signed-out', reason }))
      auth.login = (options = {}) => {
        auth.calls.login.push(options)
        return new Promise(() => {})
      }
      await show(auth, { basename: '/' })
      expect(auth.calls.login).toEqual([{ returnTo: `${APP}/notes?x=1` }])
      expect(text()).toBe('start')
    },
  )

  it('comes back to a route below a basename', async () => {
    goTo(`${APP}/app/`)
    const auth = createTestAuth<unknown>()
    await show(auth, { basename: '/app' })
    expect(auth.calls.login).toEqual([{ returnTo: `${APP}/app/notes?x=1` }])
  })

  it.each([
    ['cannot be told', { status: 'unavailable', error: down }],
    ['has just signed out', { status: 'signed-out', reason: 'logged_out' }],
    ['could not sign in', { status: 'signed-out', reason: 'callback_failed', error: down }],
  ])('lets the route decide, where the user %s', async (_, state) => {
    const auth = createTestAuth<unknown>()
    auth.set(session(state))
    await show(auth)
    expect([text(), auth.calls.login]).toEqual([`loaded ${state.status}`, []])
  })

  it('lets the route decide, too, where no sign-in can start at the moment', async () => {
    const auth = createTestAuth<unknown>()
    auth.login = () => Promise.reject(new SallyportError('login_unavailable', 'later', { retryable: true }))
    await show(auth)
    expect(text()).toBe('loaded signed-out')
  })

  it('hands the error of a sign-in that cannot start at all to the error element of the route', async () => {
    const auth = createTestAuth<unknown>()
    auth.login = () => Promise.reject(new SallyportError('login_loop', 'too many'))
    vi.spyOn(console, 'error').mockImplementation(() => {})
    await show(auth)
    expect(text()).toBe('refused: too many')
  })

  it('starts nothing for a navigation that was given up, or for a route that is only loaded in advance', async () => {
    const auth = createTestAuth<unknown>()
    const protect = requireAuth(auth)
    const abortController = new AbortController()
    const location = { href: '/notes?x=1#y' }
    expect((await protect({ location, abortController, preload: true })).status).toBe('signed-out')
    abortController.abort()
    await expect(protect({ location, abortController })).rejects.toMatchObject({ name: 'AbortError' })
    const request = new Request(`${APP}/notes`, { signal: AbortSignal.abort() })
    await expect(protect({ request })).rejects.toMatchObject({ name: 'AbortError' })
    expect(auth.calls.login).toEqual([])
    await protect({ location, abortController: new AbortController(), preload: false })
    await requireAuth(auth, { login: { prompt: 'login' } })({ location })
    await requireAuth(auth, { login: { returnTo: '/start' } })({ location })
    await protect()
    expect(auth.calls.login).toEqual([
      { returnTo: '/notes?x=1#y' },
      { returnTo: '/notes?x=1#y', prompt: 'login' },
      { returnTo: '/start' },
      {},
    ])
  })

  it('works with the real thing: out to the provider, and back into the route', async () => {
    const { it, tab, auth: first } = await signedIn()
    await first.logout({ local: true })
    first.close()
    const leaving = load(tab, {}, it)
    goTo(`${APP}/notes?x=1`)
    requireAuth(leaving.auth)({ request: new Request(`${APP}/notes?x=1`) }).catch(() => {})
    await vi.waitFor(() => expect(assigned).toHaveLength(1))
    goTo((await tab.navigate(await redirectUrl())).url)
    leaving.auth.close()
    const { auth } = load(tab, {}, it)
    const router = routerOf([{ path: '/callback', element: 'signing in' }, ...routes(auth)])
    render(auth, h(RouterProvider, { router }))
    await shows('loaded signed-in')
    expect(location.pathname + location.search).toBe('/notes?x=1')
  })
})

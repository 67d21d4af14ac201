import { createBrowserRouter } from 'react-router'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createMemoryHistory, createRouter, createWebHistory } from 'vue-router'
import { world } from '../world.js'
import { assigned, goTo, load, redirectUrl } from './page.js'
import { popups } from './windows.js'

/** Signs in and stops where the provider has sent the person back: at the callback. */
async function atCallback(returnTo: string) {
  const it = await world()
  const before = load(it.tab, {}, it)
  before.auth.login({ returnTo }).catch(() => {})
  goTo((await it.tab.navigate(await redirectUrl())).url)
  before.auth.close()
  return it
}

describe('the default onReturn', () => {
  it('is heard by a bare listener, after the session is there and before ready() resolves', async () => {
    const it = await atCallback('/notes?x=1#y')
    const { auth } = load(it.tab, {}, it)
    const order: string[] = []
    addEventListener(
      'popstate',
      () => order.push(`${location.pathname}${location.search}${location.hash} ${auth.session.status}`),
      { once: true },
    )
    await auth.ready().then(() => order.push('ready'))
    expect(order).toEqual(['/notes?x=1#y signed-in', 'ready'])
  })

  it('takes React Router there', async () => {
    const it = await atCallback('/notes?x=1')
    const router = createBrowserRouter([{ path: '/callback' }, { path: '/notes' }])
    expect(router.state.location.pathname).toBe('/callback')
    await load(it.tab, {}, it).auth.ready()
    await vi.waitFor(() => expect(router.state.location).toMatchObject({ pathname: '/notes', search: '?x=1' }))
    expect(router.state.errors).toBeNull()
    router.dispose()
  })

  it('takes Vue Router there', async () => {
    const it = await atCallback('/notes?x=1')
    const component = { render: () => null }
    const router = createRouter({
      history: createWebHistory(),
      routes: [
        { path: '/callback', component },
        { path: '/notes', component },
      ],
    })
    // As `app.use(router)` does: it goes to where the browser is.
    await router.push(location.pathname + location.search)
    await load(it.tab, {}, it).auth.ready()
    await vi.waitFor(() => expect(router.currentRoute.value.fullPath).toBe('/notes?x=1'))
  })

  it('can be another: a router in memory is told by the app', async () => {
    const it = await atCallback('/notes')
    const component = { render: () => null }
    const router = createRouter({ history: createMemoryHistory(), routes: [{ path: '/:all(.*)', component }] })
    await load(it.tab, { onReturn: (path) => void router.replace(path) }, it).auth.ready()
    await vi.waitFor(() => expect(router.currentRoute.value.fullPath).toBe('/notes'))
    expect(location.pathname).toBe('/callback')
  })
})

describe.each(['token-mediating', 'proxy'] as const)('login({ appState }) in %s mode', (mode) => {
  const appState = { cart: [1, 'zwei'], from: { page: 'shop', deep: null } }
  const secondTo = (it: Awaited<ReturnType<typeof world>>, returned: unknown[][]) =>
    load(it.tab, { onReturn: (...all) => returned.push(all) }, it)

  /** Signs in with the options, and comes back. */
  async function through(options: Record<string, unknown>, refuse?: string) {
    const it = await world({ mode })
    if (refuse) it.as.deny({ error: refuse })
    const before = load(it.tab, {}, it)
    before.auth.login(options).catch(() => {})
    const left = await redirectUrl()
    goTo((await it.tab.navigate(left)).url)
    before.auth.close()
    const returned: unknown[][] = []
    const page = secondTo(it, returned)
    const session = await page.auth.ready()
    return { it, left, returned, session, page }
  }

  it('gives it to onReturn with the path, once, and never to the provider or the backend', async () => {
    const { it, left, returned, session, page } = await through({ appState, returnTo: '/notes?x=1#y' })
    expect(session).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } })
    expect(returned).toEqual([['/notes?x=1#y', appState]])
    expect(left).not.toMatch(/cart|zwei|shop/)
    expect(Object.keys(sessionStorage).filter((key) => key.startsWith('sallyport.'))).toEqual([])
    expect(page.events.map(({ type }) => type)).toEqual(['signed_in'])
    expect(location.search).toBe('')
    page.auth.close()
    await secondTo(it, returned).auth.ready()
    expect(returned).toHaveLength(1)
  })

  it('gives it also after a sign-in that failed, with the error in the session', async () => {
    const { returned, session, page } = await through(
      { appState, returnTo: '/notes', prompt: 'none' },
      'login_required',
    )
    expect(session).toMatchObject({
      reason: 'callback_failed',
      error: { code: 'authorization_error', cause: { error: 'login_required' } },
    })
    expect(returned).toEqual([['/notes', appState]])
    expect(page.events.map(({ type }) => type)).toEqual(['callback_failed'])
  })

  it.each([[0], [''], [false], [null], [[]]])('keeps %j as it is', async (value) => {
    expect((await through({ appState: value, returnTo: '/' })).returned).toEqual([['/', value]])
  })

  it.each([
    ['a function', () => {}],
    ['a symbol', Symbol('x')],
    ['a BigInt', { amount: 1n }],
    [
      'a circle',
      Object.assign([], {
        0: appState,
        get 1() {
          return this
        },
      }),
    ],
  ])('refuses %s, which JSON cannot hold, before it asks anybody', async (_, value) => {
    const it = await world({ mode })
    const { auth, asked } = load(it.tab, {}, it)
    await expect(auth.login({ appState: value })).rejects.toThrow('auth.login: "appState"')
    expect([asked, assigned, sessionStorage.length]).toEqual([[], [], 0])
  })

  it('says that the storage is blocked, and does not leave without it', async () => {
    const it = await world({ mode })
    const { auth } = load(it.tab, {}, it)
    const blocked = (target: Storage, name: keyof Storage) => {
      if (name === 'setItem') throw new DOMException('full', 'QuotaExceededError')
      const member = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    }
    vi.stubGlobal('sessionStorage', new Proxy(sessionStorage, { get: blocked as ProxyHandler<Storage>['get'] & {} }))
    onTestFinished(() => void vi.unstubAllGlobals())
    await expect(auth.login({ appState })).rejects.toMatchObject({ code: 'storage_unavailable' })
    expect(assigned).toEqual([])
  })

  it('takes a popup that was blocked on the way of a redirect, and needs nothing where the page stays', async () => {
    const it = await world({ mode })
    const windows = popups(it)
    windows.block()
    const { auth } = load(it.tab, {}, it)
    auth.login({ popup: 'or-redirect', appState, returnTo: '/notes' }).catch(() => {})
    goTo((await it.tab.navigate(await redirectUrl())).url)
    auth.close()
    const returned: unknown[][] = []
    await secondTo(it, returned).auth.ready()
    expect(returned).toEqual([['/notes', appState]])
  })
})

it('in proxy mode, nothing changes for a sign-in without appState: the backend goes to the path itself', async () => {
  const it = await world({ mode: 'proxy' })
  load(it.tab, {}, it)
    .auth.login({ returnTo: '/notes' })
    .catch(() => {})
  const left = await redirectUrl()
  expect(new URL(left).searchParams.get('return_to')).toBe('/notes')
  goTo((await it.tab.navigate(left)).url)
  const onReturn = vi.fn()
  expect((await load(it.tab, { onReturn }, it).auth.ready()).status).toBe('signed-in')
  expect([location.pathname, onReturn.mock.calls]).toEqual(['/notes', []])
})

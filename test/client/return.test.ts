import { createBrowserRouter } from 'react-router'
import { describe, expect, it, vi } from 'vitest'
import { createMemoryHistory, createRouter, createWebHistory } from 'vue-router'
import { world } from '../world.js'
import { goTo, load, redirectUrl } from './page.js'

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

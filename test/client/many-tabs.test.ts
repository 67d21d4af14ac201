import { act, createElement as h } from 'react'
import { createRoot } from 'react-dom/client'
import { AuthProvider, RequireAuth } from 'sallyport/react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { stored, type World } from '../world.js'
import { APP, assigned, goTo, load, type Page, redirectUrl, signInThrough } from './page.js'

const MANY = 14

const unmounts: Array<() => void> = []
let hidden = false
beforeEach(() => {
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true })
  hidden = false
  vi.spyOn(document, 'hidden', 'get').mockImplementation(() => hidden)
})
afterEach(() => {
  for (const unmount of unmounts.splice(0)) act(unmount)
})

/** A view that asks for a sign-in by itself, in one of the tabs. */
function show({ auth }: Page, inView: boolean) {
  const container = document.createElement('div')
  const root = createRoot(container, { onCaughtError: () => {}, onUncaughtError: () => {} })
  unmounts.push(() => root.unmount())
  hidden = !inView
  act(() => root.render(h(AuthProvider, { auth }, h(RequireAuth, { fallback: 'waiting' }, 'notes'))))
  return container
}

const comeIntoView = () => {
  hidden = false
  document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))
}

/** Fourteen tabs of one browser that have just learnt that their session was revoked. */
async function revoked() {
  const it = await stored()
  const { auth: first } = await signInThrough(it, it.tab)
  first.close()
  const tabs = Array.from({ length: MANY }, () => it.browser.newTab(`${APP}/`))
  const pages = tabs.map((tab) => load(tab, {}, it))
  await Promise.all(pages.map(({ auth }) => auth.ready()))
  await it.bff.endSessions({ sub: 'alice' })
  it.advance(1)
  await Promise.all(pages.map(({ auth }) => auth.extend({ touch: false })))
  for (const { auth } of pages) expect(auth.session).toMatchObject({ status: 'signed-out' })
  return { it, tabs, pages }
}

const allSignedIn = (pages: readonly Page[]) =>
  act(() =>
    vi.waitFor(() => {
      for (const { auth } of pages) expect(auth.session).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } })
    }),
  )

/** Begins a sign-in in a tab, whose sessionStorage is its own, and returns how it is finished there. */
async function begun(it: World, tab: World['tab'], { auth }: Page) {
  it.advance(1)
  assigned.length = 0
  sessionStorage.clear()
  auth.login().catch(() => {})
  const target = await redirectUrl()
  const records = Object.entries(sessionStorage)
  return async () => {
    const { url } = await tab.navigate(target)
    auth.close()
    sessionStorage.clear()
    for (const [key, value] of records) sessionStorage.setItem(key, value)
    goTo(url)
    const page = load(tab, {}, it)
    await page.auth.ready()
    goTo(`${APP}/`)
    return page
  }
}

describe('fourteen tabs whose session was revoked', () => {
  it('[C-27] hidden ones wait, and are signed in by the one that is looked at', async () => {
    const { it, tabs, pages } = await revoked()
    const views = pages.map((page, at) => show(page, at === 3))
    await act(() => redirectUrl())
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(assigned).toHaveLength(1)
    expect(views.map(({ textContent }) => textContent)).toEqual(Array(MANY).fill('waiting'))
    const { url } = await (tabs[3] as World['tab']).navigate(assigned[0] ?? '')
    pages[3]?.auth.close()
    goTo(url)
    const back = load(tabs[3] as World['tab'], {}, it)
    await back.auth.ready()
    expect(back.auth.session).toMatchObject({ status: 'signed-in' })
    const others = pages.filter((_, at) => at !== 3)
    await allSignedIn(others)
    await act(async () => comeIntoView())
    expect(views.filter((_, at) => at !== 3).map(({ textContent }) => textContent)).toEqual(
      Array(MANY - 1).fill('notes'),
    )
    expect(assigned).toHaveLength(1)
    expect(it.as.grants.authorization_code).toBe(2)
  })

  it('[C-27] a hidden one that comes into view asks who is here before it leaves', async () => {
    const { it, tabs, pages } = await revoked()
    const view = show(pages[0] as Page, false)
    for (const { auth } of pages.slice(1)) auth.close()
    // Somebody signs in in another tab, and no message of it arrives.
    const { postMessage } = BroadcastChannel.prototype
    BroadcastChannel.prototype.postMessage = () => {}
    const other = await signInThrough(it, tabs[1] as World['tab'])
    BroadcastChannel.prototype.postMessage = postMessage
    expect(other.auth.session.status).toBe('signed-in')
    expect(view.textContent).toBe('waiting')
    assigned.length = 0
    await act(async () => comeIntoView())
    await act(() => vi.waitFor(() => expect(view.textContent).toBe('notes')))
    expect(assigned).toEqual([])
  })

  it('[C-27 twin] one that comes into view while nobody is here leaves, once', async () => {
    const { pages } = await revoked()
    for (const page of pages) show(page, false)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(assigned).toEqual([])
    for (const { auth } of pages.slice(1)) auth.close()
    for (const unmount of unmounts.splice(1)) act(unmount)
    await act(async () => comeIntoView())
    await act(async () => comeIntoView())
    await act(() => redirectUrl())
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(assigned).toHaveLength(1)
  })

  it('[C-27] begin a sign-in each: those that had to make room say so, and all are signed in by the others', async () => {
    const { it, tabs, pages } = await revoked()
    const finish = []
    for (const [at, tab] of tabs.entries()) finish.push(await begun(it, tab, pages[at] as Page))
    const done: Page[] = []
    for (const end of finish) done.push(await end())
    const early = done.slice(0, MANY - 5)
    const failures = early.flatMap(({ events }) => events.flatMap((event) => ('error' in event ? [event.error] : [])))
    expect(failures.map(({ code }) => code)).toEqual(Array(MANY - 5).fill('sign_in_superseded'))
    expect(failures[0]?.message).toContain('auth.login()')
    expect(failures[0]?.cause).toMatchObject({ status: 400, error: 'invalid_grant' })
    await allSignedIn(done)
    for (const { auth } of done) expect(await auth.getToken()).toBeTruthy()
  })

  it('[C-27] one that comes back after the others is signed in at once', async () => {
    const { it, tabs, pages } = await revoked()
    const finish = []
    for (const [at, tab] of tabs.slice(0, 7).entries()) finish.push(await begun(it, tab, pages[at] as Page))
    await finish[6]?.()
    const late = (await finish[0]?.()) as Page
    expect(late.auth.session).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } })
    expect(late.events).toContainEqual({
      type: 'callback_failed',
      error: expect.objectContaining({ code: 'sign_in_superseded' }),
    })
  })

  it('[C-27] a superseded one in a view that needs somebody begins anew', async () => {
    const { it, tabs, pages } = await revoked()
    const finish = []
    for (const [at, tab] of tabs.slice(0, 6).entries()) finish.push(await begun(it, tab, pages[at] as Page))
    const late = (await finish[0]?.()) as Page
    expect(late.auth.session).toMatchObject({ reason: 'callback_failed', error: { code: 'sign_in_superseded' } })
    assigned.length = 0
    show(late, true)
    expect(await act(() => redirectUrl())).toContain('/authorize')
  })
})

it('[C-27 twin] a code that the provider refuses is no superseded sign-in', async () => {
  const it = await stored()
  it.as.fail('token', {
    status: 400,
    body: '{"error":"invalid_grant"}',
    headers: { 'Content-Type': 'application/json' },
  })
  const { auth } = await signInThrough(it, it.tab)
  expect(auth.session).toMatchObject({ reason: 'callback_failed', error: { code: 'sign_in_rejected' } })
})

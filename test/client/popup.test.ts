import { describe, expect, it, vi } from 'vitest'
import { world } from '../world.js'
import { APP, assigned, load, signedIn } from './page.js'
import { comeBack, popups } from './windows.js'

const settled = <Value>(work: Promise<Value>) =>
  work.then(
    () => 'signed in',
    (error) => error.code ?? error,
  )

/** A page in which alice is signed in, and the popups that it opens. */
async function here() {
  const { it, tab, auth: first } = await signedIn()
  first.close()
  const windows = popups(it)
  const page = load(tab, {}, it)
  await page.auth.ready()
  return { it, tab, page, windows, auth: page.auth }
}

describe('signing in by popup', () => {
  it('[S-61] opens it in the click itself, before anything is awaited, and signs in here', async () => {
    const it = await world()
    const windows = popups(it)
    const { auth, events, asked, returned } = load(it.tab, {}, it)
    await auth.ready()
    const signing = auth.login({ popup: true })
    // In the same tick: no promise has had its turn.
    expect(windows.opened).toHaveLength(1)
    const popup = await comeBack(it, windows)
    await signing
    expect(auth.session).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } })
    expect(it.as.issued).toContain(await auth.getToken())
    expect(events.map(({ type }) => type)).toEqual(['signed_in'])
    expect(asked).toEqual(['/bff/session', '/bff/.well-known/openid-configuration', '/bff/transaction', '/bff/token'])
    expect([assigned, returned]).toEqual([[], []])
    expect(windows.opened[0]).toMatchObject({ closed: true, opener: null })
    expect(it.as.grants.authorization_code).toBe(1)
    expect(popup.events).toEqual([])
  })

  it('[S-61] says that it was blocked, or leaves the page where that was asked for', async () => {
    const it = await world()
    const windows = popups(it)
    const { auth, asked } = load(it.tab, {}, it)
    windows.block()
    await expect(auth.login({ popup: true })).rejects.toMatchObject({ code: 'popup_blocked', retryable: false })
    expect(asked).toEqual([])
    auth.login({ popup: 'or-redirect' }).catch(() => {})
    await vi.waitFor(() => expect(assigned).toHaveLength(1))
  })

  it('[S-62] says within a second that it was closed', async () => {
    const it = await world()
    const windows = popups(it)
    const { auth } = load(it.tab, {}, it)
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout', 'performance'] })
    const signing = settled(auth.login({ popup: true }))
    await windows.sent()
    await vi.advanceTimersByTimeAsync(500)
    for (const popup of windows.opened) popup.closed = true
    await vi.advanceTimersByTimeAsync(1000)
    expect(await Promise.race([signing, 'still waiting'])).toBe('popup_closed')
    expect(auth.session.status).not.toBe('signed-in')
  })

  it('[S-62] says within seconds of the user’s return that it was closed, even if it was never seen at the provider', async () => {
    const it = await world()
    const windows = popups(it)
    const { auth } = load(it.tab, {}, it)
    windows.sever()
    const focus = vi.spyOn(document, 'hasFocus').mockReturnValue(false)
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
    const signing = settled(auth.login({ popup: true }))
    await windows.sent()
    await vi.advanceTimersByTimeAsync(30_000)
    expect(await Promise.race([signing, 'still waiting'])).toBe('still waiting')
    // A look at the page behind it ends nothing.
    focus.mockReturnValue(true)
    await vi.advanceTimersByTimeAsync(1000)
    focus.mockReturnValue(false)
    await vi.advanceTimersByTimeAsync(5000)
    expect(await Promise.race([signing, 'still waiting'])).toBe('still waiting')
    focus.mockReturnValue(true)
    await vi.advanceTimersByTimeAsync(2500)
    expect(await Promise.race([signing, 'still waiting'])).toBe('popup_closed')
  })

  it('[S-62] gives a popup up after ten minutes that a policy of the provider has cut off', async () => {
    const it = await world()
    const windows = popups(it)
    const { auth } = load(it.tab, {}, it)
    windows.sever()
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
    const signing = settled(auth.login({ popup: true }))
    await windows.sent()
    await vi.advanceTimersByTimeAsync(599_000)
    expect(await Promise.race([signing, 'still waiting'])).toBe('still waiting')
    await vi.advanceTimersByTimeAsync(2000)
    expect(await signing).toBe('popup_timeout')
  })

  it('[S-62 twin] signs in all the same when it was cut off: they meet on a channel', async () => {
    const it = await world()
    const windows = popups(it)
    const { auth } = load(it.tab, {}, it)
    windows.sever()
    const signing = auth.login({ popup: true })
    await comeBack(it, windows)
    await signing
    expect(auth.session.status).toBe('signed-in')
  })

  it('[S-63][C-15] listens to no window, and to nothing on its channel but an answer to its own question', async () => {
    const it = await world()
    const windows = popups(it)
    const { auth } = load(it.tab, {}, it)
    const signing = auth.login({ popup: true })
    const url = await windows.sent()
    const state = new URL(url).searchParams.get('state') ?? ''
    const forger = new BroadcastChannel(`sallyport ${state}`)
    const forged = `?code=forged&state=${state}`
    for (const origin of ['https://evil.example', APP])
      for (const data of [forged, { search: forged }, { type: 'authorization_response', response: forged }])
        dispatchEvent(Object.assign(new Event('message'), { origin, data, source: window }))
    for (const message of [null, 1, true, {}, [forged], '?code=x', '?code=x&state=other', `?state=${state}x`])
      forger.postMessage(message)
    forger.close()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(it.as.requests.token ?? 0).toBe(0)
    await comeBack(it, windows)
    await signing
    expect(auth.session.status).toBe('signed-in')
  })

  it('rejects with what the provider said, and whoever was here stays', async () => {
    const { it, auth, page, windows } = await here()
    it.as.deny()
    const signing = settled(auth.login({ popup: true, prompt: 'login' }))
    await comeBack(it, windows)
    expect(await signing).toBe('authorization_error')
    expect(auth.session).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } })
    expect(page.events.map(({ type }) => type)).toEqual(['signed_in'])
  })

  it('[S-52] makes another user the one who is here, without a reload, and not in the other tabs', async () => {
    const { it, tab, auth, page, windows } = await here()
    const { auth: other } = load(tab, {}, it)
    expect(await other.ready()).toMatchObject({ user: { sub: 'alice' } })
    const before = await auth.getToken()
    const seen: string[] = []
    auth.subscribe((session) =>
      seen.push(session.status === 'signed-in' ? String((session.user as { sub: string }).sub) : session.status),
    )
    it.as.signIn('bob')
    const signing = auth.login({ popup: true, prompt: 'select_account' })
    expect(new URL(await windows.sent()).searchParams.get('prompt')).toBe('select_account')
    await comeBack(it, windows)
    await signing
    expect(seen).toEqual(['alice', 'bob'])
    // The other tabs drop alice, and show nobody what was hers; a reload shows bob.
    await vi.waitFor(() => expect(other.session).toEqual({ status: 'signed-out', reason: 'user_changed' }))
    await expect(other.getToken()).rejects.toMatchObject({ code: 'login_required' })
    expect((await load(tab, {}, it).auth.ready()).status).toBe('signed-in')
    expect(await auth.getToken()).not.toBe(before)
    expect(page.events.map(({ type }) => type)).toEqual(['signed_in', 'signed_in'])
  })

  it('opens one window for two clicks; a sign-out meanwhile ends the session that it began in, and the sign-in with it', async () => {
    const { it, auth, windows } = await here()
    const both = [settled(auth.login({ popup: true })), settled(auth.login({ popup: true }))]
    expect(windows.opened).toHaveLength(1)
    expect(windows.opened[0]?.focused).toBe(1)
    await windows.sent()
    await auth.logout({ local: true })
    expect(auth.session).toMatchObject({ status: 'signed-out', reason: 'logged_out' })
    await comeBack(it, windows)
    expect(await Promise.all(both)).toEqual(['sign_in_superseded', 'sign_in_superseded'])
    expect(auth.session.status).toBe('signed-out')
  })

  it('works in proxy mode: the backend finishes it, and the popup comes back with a name to call by', async () => {
    const it = await world({ mode: 'proxy' })
    const windows = popups(it)
    const { auth, asked } = load(it.tab, {}, it)
    await auth.ready()
    const signing = auth.login({ popup: true })
    await comeBack(it, windows)
    await signing
    expect(auth.session).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } })
    expect(asked.filter((path) => path.includes('token'))).toEqual([])
  })

  it('is a page of the app like any other where the browser does not close it', async () => {
    const it = await world()
    const windows = popups(it)
    const { auth } = load(it.tab, {}, it)
    const signing = auth.login({ popup: true })
    const popup = await comeBack(it, windows)
    await signing
    expect((await popup.auth.ready()).status).toBe('signed-in')
    expect(location.pathname).toBe('/')
  })
})

import { mockBrowser } from 'sallyport/testing'
import { describe, expect, it, vi } from 'vitest'
import { signIn, stored, world } from '../world.js'
import { APP, assigned, ISSUER, load, type Page, signedIn, signInThrough } from './page.js'

/** Two tabs of one browser, alice signed in in both. */
async function twoTabs() {
  const { it, auth: first } = await signedIn()
  first.close()
  const a = load(it.tab, {}, it)
  const b = load(it.browser.newTab(`${APP}/`), {}, it)
  await Promise.all([a.auth.getToken(), b.auth.getToken()])
  return { it, a, b }
}

const cancelled = () => {
  window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }))
}

describe('tabs', () => {
  it('[S-45][C-13] that wake together make one grant', async () => {
    const { it, auth } = await signedIn()
    auth.close()
    const tabs = Array.from({ length: 10 }, () => load(it.browser.newTab(`${APP}/`), {}, it))
    await Promise.all(tabs.map((tab) => tab.auth.ready()))
    it.advance(290)
    const tokens = await Promise.all(tabs.map((tab) => tab.auth.getToken()))
    expect(new Set(tokens).size).toBe(1)
    expect(it.as.grants.refresh_token).toBe(1)
  })

  it('[S-46][S-47][S-48] hold no lock: one that hangs or dies keeps nobody waiting', async () => {
    const { it, a, b } = await twoTabs()
    it.advance(290)
    // The first tab's request is under way when the tab goes away.
    const gate = it.as.delay('token')
    a.auth.getToken().catch(() => {})
    await vi.waitFor(() => expect(a.asked).toHaveLength(2))
    a.auth.close()
    const token = b.auth.getToken()
    gate.release()
    expect(await token).toBeTruthy()
    expect(it.as.grants.refresh_token).toBe(1)
    expect(navigator.locks ?? null).toBeNull()
  })

  it('[S-50][F-69] hear of a sign-out at once, and ask nobody', async () => {
    const { a, b } = await twoTabs()
    await a.auth.logout({ local: true })
    await vi.waitFor(() => expect(b.auth.session).toEqual({ status: 'signed-out', reason: 'logged_out' }))
    await expect(b.auth.getToken()).rejects.toMatchObject({ code: 'login_required' })
    expect(b.asked).toEqual(['/bff/session'])
    expect(b.events.filter(({ type }) => type === 'signed_out')).toHaveLength(1)
    expect(assigned).toEqual([])
  })

  it.each<[string, (page: Page) => Promise<unknown>]>([
    ['a renewal', ({ auth }) => auth.getToken()],
    ['a look', ({ auth }) => auth.extend({ touch: false })],
  ])('[B-42] stay signed in when %s of another tab was about the session before', async (_what, ask) => {
    const { it, auth } = await signedIn()
    auth.close()
    let held: Promise<void> | undefined
    const browser = mockBrowser({
      now: it.now,
      origins: {
        async [APP](request) {
          // A step-up is quicker than this request.
          await held
          return it.bff.fetch(request)
        },
        [ISSUER]: (request) => it.as.fetch(request),
      },
    })
    const tab = browser.newTab(`${APP}/`)
    ;(await signInThrough(it, tab)).auth.close()
    const b = load(browser.newTab(`${APP}/`), {}, it)
    await b.auth.getToken()
    it.advance(290)
    let release = () => {}
    held = new Promise((resolve) => {
      release = resolve
    })
    const late = ask(b)
    await vi.waitFor(() => expect(b.asked).toHaveLength(2))
    held = undefined
    const a = await signInThrough(it, tab, {}, { max_age: 0 })
    release()
    await late
    expect(await a.auth.getToken()).toBeTruthy()
    expect(await b.auth.getToken()).toBeTruthy()
    for (const page of [a, b]) {
      expect(page.auth.session).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } })
      expect(page.events.map(({ type }) => type)).not.toContain('signed_out')
    }
  })

  it('hear why a session ended', async () => {
    const { it, a, b } = await twoTabs()
    it.as.revoke('alice')
    it.advance(290)
    await a.auth.getToken().catch(() => {})
    await vi.waitFor(() => expect(b.auth.session).toEqual({ status: 'signed-out', reason: 'revoked' }))
  })

  it('[S-51] ignore what is no message of theirs, and take no token from one', async () => {
    const { b } = await twoTabs()
    const forger = new BroadcastChannel(`sallyport ${APP}/bff`)
    const token = await b.auth.getToken()
    for (const message of [
      null,
      1,
      'out',
      {},
      [],
      { out: 'because' },
      { out: { toString: () => 'expired' } },
      { token: 'x' },
      { in: 7 },
      { in: 'alice', token: 'forged' },
    ]) {
      try {
        forger.postMessage(message)
      } catch {}
    }
    forger.postMessage({ in: 'alice', access_token: 'forged' })
    await new Promise((resolve) => setImmediate(resolve))
    expect(b.auth.session.status).toBe('signed-in')
    expect(await b.auth.getToken()).toBe(token)
    forger.close()
  })

  it('[S-50 twin][S-51 twin][F-69 twin] hear of a sign-in, and ask the backend who it is', async () => {
    const it = await world()
    const b = load(it.browser.newTab(`${APP}/`), {}, it)
    expect((await b.auth.ready()).status).toBe('signed-out')
    await signInThrough(it, it.tab)
    await vi.waitFor(() => expect(b.auth.session).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } }))
  })

  it('[S-52] do not go on as a user who has gone', async () => {
    const { it, b } = await twoTabs()
    it.as.signIn('bob')
    const a = await signInThrough(it, it.tab)
    expect(a.auth.session).toMatchObject({ user: { sub: 'bob' } })
    await vi.waitFor(() => expect(b.auth.session).toEqual({ status: 'signed-out', reason: 'user_changed' }))
    await expect(b.auth.getToken()).rejects.toMatchObject({ code: 'login_required' })
  })

  it('[S-52 twin] go on when it is the same user again', async () => {
    const { it, b } = await twoTabs()
    await signInThrough(it, it.tab)
    await new Promise((resolve) => setImmediate(resolve))
    expect(b.auth.session).toMatchObject({ user: { sub: 'alice' } })
    expect(await b.auth.getToken()).toBeTruthy()
  })

  it('[S-49][S-49 twin] of apps with other backends do not hear each other', async () => {
    const { it, a } = await twoTabs()
    const other = load(it.tab, { bff: '/other' }, it)
    other.auth.subscribe(() => {})
    await a.auth.logout({ local: true })
    const forger = new BroadcastChannel(`sallyport ${APP}/other`)
    forger.postMessage({ out: 'logged_out' })
    forger.close()
    expect(a.auth.session).toMatchObject({ reason: 'logged_out' })
    expect(other.auth.session.status).not.toBe('signed-out')
  })
})

describe('a tab that comes into view', () => {
  const comeIntoView = () => document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))

  /** Alice, with sessions in a store. */
  async function kept() {
    const it = await stored()
    const { auth: first } = await signInThrough(it, it.tab)
    first.close()
    const page = load(it.tab, {}, it)
    await page.auth.ready()
    page.asked.length = 0
    return { it, page, ...page }
  }

  it('learns that its session was ended elsewhere, and asks once', async () => {
    const { it, auth, asked, events } = await kept()
    expect(await it.bff.endSessions({ sub: 'alice' })).toBe(1)
    expect(auth.session.status).toBe('signed-in')
    comeIntoView()
    await vi.waitFor(() => expect(auth.session).toEqual({ status: 'signed-out', reason: 'revoked' }))
    expect(asked).toEqual(['/bff/session'])
    expect(events.filter(({ type }) => type === 'signed_out')).toEqual([{ type: 'signed_out', reason: 'revoked' }])
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'login_required' })
    expect(asked).toHaveLength(1)
  })

  it('stays signed in otherwise, keeps its token, and keeps no session alive by looking', async () => {
    const { it, auth, asked } = await kept()
    const token = await auth.getToken()
    for (let hours = 0; hours < 23; hours += 6) {
      it.advance(6 * 3600)
      comeIntoView()
      await vi.waitFor(() => expect(asked).toHaveLength(hours / 6 + 1))
    }
    // A day without use: the looks were none.
    it.advance(60)
    comeIntoView()
    await vi.waitFor(() => expect(auth.session).toEqual({ status: 'signed-out', reason: 'expired' }))
    expect(token).toBeTruthy()
  })

  it('serves the token that it had after a look', async () => {
    const { auth, asked } = await kept()
    const token = await auth.getToken()
    comeIntoView()
    await vi.waitFor(() => expect(asked).toHaveLength(1))
    expect(await auth.getToken()).toBe(token)
    expect(asked).toHaveLength(1)
  })

  it('asks nothing while it is hidden, or where nobody is signed in', async () => {
    const { auth, asked } = await kept()
    const hidden = vi.spyOn(document, 'hidden', 'get').mockReturnValue(true)
    comeIntoView()
    hidden.mockRestore()
    await auth.logout({ local: true })
    asked.length = 0
    comeIntoView()
    await new Promise((resolve) => setImmediate(resolve))
    expect(asked).toEqual([])
  })

  it('is signed out by no outage', async () => {
    const { it, page } = await kept()
    page.auth.close()
    let down = false
    const answer: typeof fetch = async (input, init) =>
      down ? new Response('', { status: 503 }) : it.tab.fetch(input, init)
    const { auth, events } = load(it.tab, { fetch: answer }, it)
    await auth.ready()
    down = true
    comeIntoView()
    await new Promise((resolve) => setImmediate(resolve))
    expect(auth.session.status).toBe('signed-in')
    expect(events.map(({ type }) => type)).not.toContain('signed_out')
  })
})

describe('the back-forward cache', () => {
  it('rejects a sign-in that was left, and the button works again', async () => {
    const it = await world()
    const { auth } = load(it.tab, {}, it)
    const left = auth.login()
    left.catch(() => {})
    await vi.waitFor(() => expect(assigned).toHaveLength(1))
    cancelled()
    await expect(left).rejects.toMatchObject({ code: 'cancelled' })
    auth.login().catch(() => {})
    await vi.waitFor(() => expect(assigned).toHaveLength(2))
  })

  it('asks again who is here', async () => {
    const { it, a } = await twoTabs()
    const { call } = await import('../world.js')
    await call(it.tab, '/logout')
    cancelled()
    await vi.waitFor(() => expect(a.auth.session).toEqual({ status: 'signed-out', reason: 'none' }))
  })
})

describe('an instance', () => {
  it('[S-76][S-76 twin] leaves nothing behind when it is closed, twice as well, and can be used again', async () => {
    const add = vi.spyOn(window, 'addEventListener')
    const close = vi.spyOn(BroadcastChannel.prototype, 'close')
    const { it, auth: first } = await signedIn()
    first.close()
    const { auth } = load(it.tab, {}, it)
    await auth.ready()
    const signals = add.mock.calls.map(([, , options]) => (options as { signal: AbortSignal }).signal)
    auth.close()
    auth.close()
    for (const signal of signals) expect(signal.aborted).toBe(true)
    expect(close).toHaveBeenCalled()
    expect(await auth.getToken()).toBeTruthy()
    auth.close()
  })

  it('is told when it cannot be made', async () => {
    const { createAuth } = await import('sallyport')
    expect(() => createAuth({ redirect_uri: 'https://evil.example/callback' })).toThrow(/redirect_uri/)
    expect(() => createAuth({ bff: '/bff?x' })).toThrow(/bff/)
    for (const api of [
      '/v1',
      'ftp://api.example.com',
      'https://user@api.example.com',
      'https://api.example.com?x',
      'api.example.com',
    ])
      expect(() => createAuth({ apis: { [api]: {} } }), api).toThrow(/"apis"/)
  })

  it('[S-75][S-75 twin] says what is missing where there is no Web Crypto', async () => {
    const { createAuth } = await import('sallyport')
    const real = globalThis.crypto
    vi.stubGlobal('crypto', { getRandomValues: real.getRandomValues })
    expect(() => createAuth()).toThrow(expect.objectContaining({ code: 'insecure_context' }))
    vi.unstubAllGlobals()
    expect(createAuth().session.status).toBe('pending')
  })

  it('reads the platform’s functions once, when it is made', async () => {
    const it = await world()
    await signIn(it.tab)
    vi.stubGlobal('fetch', it.tab.fetch)
    const { createAuth } = await import('sallyport')
    const auth = createAuth({ now: it.now })
    const thief = vi.fn()
    vi.stubGlobal('fetch', thief)
    expect(await auth.getToken()).toBeTruthy()
    expect(thief).not.toHaveBeenCalled()
    auth.close()
    vi.unstubAllGlobals()
  })
})

import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { world } from '../world.js'
import { APP, goTo, ISSUER, load, redirectUrl, signedIn, signInThrough } from './page.js'
import { popups } from './windows.js'

describe('signing in by redirect', () => {
  it('goes to the provider with PKCE, state and nonce, and comes back signed in', async () => {
    const it = await world()
    goTo(`${APP}/notes?page=2#third`)
    const { auth } = load(it.tab, {}, it)
    auth.login().catch(() => {})
    const url = new URL(await redirectUrl())
    expect(url.origin).toBe(ISSUER)
    expect(url.searchParams.get('code_challenge_method')).toBe('S256')
    expect(url.searchParams.get('code_challenge')).toHaveLength(43)
    expect(url.searchParams.get('state')?.length).toBeGreaterThanOrEqual(32)
    expect(url.searchParams.get('nonce')?.length).toBeGreaterThanOrEqual(32)
    const back = await it.tab.navigate(url.href)
    goTo(back.url)
    const returned: string[] = []
    const page = load(it.tab, { onReturn: (path) => returned.push(path) }, it)
    const session = await page.auth.ready()
    expect(session).toMatchObject({ status: 'signed-in', user: { sub: 'alice', name: 'Alice Adams' } })
    expect(page.asked).toEqual(['/bff/token'])
    expect(returned).toEqual(['/notes?page=2#third'])
    expect(await page.auth.getToken()).toBeTruthy()
    expect(page.asked).toEqual(['/bff/token'])
  })

  it('[S-18][S-19] takes the code out of URL and history at once, and leaves the rest as it was', async () => {
    const it = await world()
    const before = load(it.tab, {}, it)
    before.auth.login().catch(() => {})
    const back = await it.tab.navigate(await redirectUrl())
    goTo(`${back.url}&&tab=a%20b&x=&y#/hash?z`)
    const length = history.length
    const page = load(it.tab, { onReturn: () => {} }, it)
    const ready = page.auth.ready()
    expect(location.href).not.toContain('code=')
    expect(location.href).not.toContain('state=')
    await ready
    expect(location.href).toBe(`${APP}/callback?&tab=a%20b&x=&y#/hash?z`)
    expect(history.length).toBe(length)
  })

  it('[S-1][C-02][S-2] handles a callback once, whoever asks: two instances, many calls', async () => {
    const it = await world()
    const before = load(it.tab, {}, it)
    before.auth.login().catch(() => {})
    const back = await it.tab.navigate(await redirectUrl())
    goTo(back.url)
    const onReturn = vi.fn()
    const first = load(it.tab, { onReturn }, it)
    const second = load(it.tab, { onReturn }, it)
    const sessions = await Promise.all([
      first.auth.ready(),
      second.auth.ready(),
      first.auth.ready(),
      second.auth.ready(),
    ])
    for (const session of sessions) expect(session).toMatchObject({ status: 'signed-in' })
    expect(it.as.requests.token).toBe(1)
    expect(onReturn).toHaveBeenCalledTimes(1)
    // The same URL again, as after a reload or Back.
    goTo(back.url)
    const third = load(it.tab, { onReturn }, it)
    expect(await third.auth.ready()).toMatchObject({ status: 'signed-in' })
    expect(it.as.requests.token).toBe(1)
  })

  it('[S-1 twin][S-2 twin][C-02 twin] handles the next callback too', async () => {
    const it = await world()
    await signInThrough(it, it.tab)
    it.as.signIn('bob')
    const page = await signInThrough(it, it.tab)
    expect(page.auth.session).toMatchObject({ user: { sub: 'bob' } })
  })

  it('[C-01][S-4][S-5] refuses a state of nobody’s, without asking for a token, and leaves who is signed in alone', async () => {
    const { it, tab } = await signedIn()
    const asked = it.as.requests.token
    for (const query of [
      'code=x&state=forged',
      'code=x&state=__proto__',
      'code=x&state=constructor',
      'code=x&state=%E0%A4%A',
      'code=a&code=b&state=x',
      'error=&state=',
    ]) {
      goTo(`${APP}/callback?${query}`)
      const page = load(tab, {}, it)
      expect(await page.auth.ready(), query).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } })
      expect(page.events).toMatchObject([
        { type: 'callback_failed', error: { code: 'state_mismatch' } },
        { type: 'signed_in' },
      ])
      expect(page.asked).toEqual(['/bff/session'])
    }
    expect(it.as.requests.token).toBe(asked)
    // Without `state` it is no callback at all.
    goTo(`${APP}/callback?code=x`)
    const page = load(tab, {}, it)
    await page.auth.ready()
    expect(page.events.map(({ type }) => type)).toEqual(['signed_in'])
    expect(location.search).toBe('?code=x')
  })

  it('[S-4][S-14] says callback_failed with state_mismatch where nobody is signed in', async () => {
    const it = await world()
    goTo(`${APP}/callback?code=x&state=forged`)
    const { auth } = load(it.tab, {}, it)
    expect(await auth.ready()).toMatchObject({
      status: 'signed-out',
      reason: 'callback_failed',
      error: { code: 'state_mismatch', retryable: false },
    })
    expect(it.as.requests.token).toBe(0)
    expect(location.pathname).toBe('/')
  })

  it('[C-01 twin][S-4 twin][S-5 twin][S-14 twin] accepts the state that this tab made', async () => {
    const { auth } = await signedIn()
    expect(auth.session.status).toBe('signed-in')
  })

  it('[S-6][S-6 twin] leaves a page alone whose query only looks like a callback', async () => {
    const it = await world()
    goTo(`${APP}/maps?code=x&state=y`)
    const page = load(it.tab, {}, it)
    expect(await page.auth.ready()).toMatchObject({ status: 'signed-out', reason: 'none' })
    expect(location.search).toBe('?code=x&state=y')
    expect(page.events).toEqual([])
  })

  it.each([
    ['/?state=sallyport.x', '/'],
    ['/?state=sallyport.x#top', '/#top'],
    ['/?a=%20&state=sallyport.x-_1&b&&c=', '/?a=%20&b&&c='],
    ['/bye?state=sallyport.x&b=1', '/bye?b=1'],
    ['/bye?b=1&state=sallyport.x', '/bye?b=1'],
    // The app's own.
    ['/?state=CA&page=2#top', '/?state=CA&page=2#top'],
    ['/?state=&a=', '/?state=&a='],
    ['/?mystate=sallyport.x&', '/?mystate=sallyport.x&'],
    ['/?a=state=sallyport.x', '/?a=state=sallyport.x'],
    ['/?code=x', '/?code=x'],
  ])('[S-6] takes the state of our own sign-out out of the URL, and no other: %s', async (before, after) => {
    const it = await world()
    goTo(APP + before)
    const page = load(it.tab, { redirect_uri: '/' }, it)
    expect(await page.auth.ready()).toMatchObject({ status: 'signed-out', reason: 'none' })
    expect(location.href).toBe(APP + after)
    expect(page.events).toEqual([])
  })

  it('[S-6 twin] takes a callback for one where the start page is the redirect URI', async () => {
    const it = await world()
    goTo(`${APP}/?code=x&state=unknown`)
    const page = load(it.tab, { redirect_uri: '/' }, it)
    expect(await page.auth.ready()).toMatchObject({ reason: 'callback_failed', error: { code: 'state_mismatch' } })
    expect(location.href).toBe(`${APP}/`)
  })

  it('[C-28] signs people in where the browser refuses the channel between tabs, and never rejects ready()', async () => {
    const it = await world()
    const refusing = class {
      constructor() {
        throw new DOMException('The operation is insecure.', 'SecurityError')
      }
    }
    vi.stubGlobal('BroadcastChannel', refusing)
    onTestFinished(() => void vi.unstubAllGlobals())
    const { auth } = load(it.tab, {}, it)
    expect(await auth.ready()).toMatchObject({ status: 'signed-out' })
    popups(it)
    await expect(auth.login({ popup: true })).rejects.toMatchObject({ code: 'storage_unavailable' })
    const { auth: after } = await signInThrough(it, it.tab)
    expect(after.session.status).toBe('signed-in')
    await after.logout({ local: true })
    goTo(`${APP}/callback?code=x&state=unknown`)
    const { auth: back } = load(it.tab, {}, it)
    expect(await back.ready()).toMatchObject({ reason: 'callback_failed', error: { code: 'state_mismatch' } })
  })

  it.each([
    ['history.replaceState', () => vi.spyOn(history, 'replaceState')],
    ['an answer without a user', () => vi.spyOn(Response.prototype, 'json').mockResolvedValue({ expires_at: 5 })],
  ])('[C-28] never rejects ready(), whatever fails around it: %s', async (_, spy) => {
    const it = await world()
    goTo(`${APP}/callback?code=x&state=unknown`)
    const { auth } = load(it.tab, {}, it)
    const spied = spy()
    if (!spied.getMockImplementation())
      spied.mockImplementation(() => {
        throw new DOMException('The operation is insecure.', 'SecurityError')
      })
    const session = await auth.ready()
    expect(session).toMatchObject({ error: { name: 'SallyportError', code: expect.any(String) } })
  })

  it('[C-11][S-3] tells a refusal of the provider as data, and ends that sign-in', async () => {
    const it = await world()
    const before = load(it.tab, {}, it)
    it.as.deny({ error_description: '<img src=x onerror=alert(1)>' })
    before.auth.login({ returnTo: '/notes' }).catch(() => {})
    const back = await it.tab.navigate(await redirectUrl())
    goTo(back.url)
    const { auth } = load(it.tab, {}, it)
    const session = await auth.ready()
    expect(session).toMatchObject({
      status: 'signed-out',
      reason: 'callback_failed',
      error: { code: 'authorization_error' },
    })
    if (session.status !== 'signed-out') throw new Error('in')
    expect(session.error?.message).not.toContain('<img')
    expect(session.error?.cause).toEqual({ error: 'access_denied', error_description: '<img src=x onerror=alert(1)>' })
    expect(location.pathname).toBe('/notes')
    expect(sessionStorage).toHaveLength(0)
    // A reload finds a clean URL: signed out, and no error of its own making.
    const again = load(it.tab, {}, it)
    expect(await again.auth.ready()).toMatchObject({ reason: 'none' })
  })

  it('[C-11 twin][S-3 twin] signs in when the user consents the next time', async () => {
    const it = await world()
    it.as.deny()
    const refused = await signInThrough(it, it.tab)
    expect(refused.auth.session.status).toBe('signed-out')
    expect((await signInThrough(it, it.tab)).auth.session.status).toBe('signed-in')
  })

  it.each([
    'https://evil.example/x',
    '//evil.example',
    '/\\evil.example',
    'javascript:alert(1)',
    '/\t/evil.example',
    '\n//evil.example',
    'https://app.example.com@evil.example',
    '/..//evil.example',
  ])('[C-12][S-20] returns to the start, not to %j', async (returnTo) => {
    const it = await world()
    const returned: string[] = []
    const { auth } = await signInThrough(it, it.tab, { onReturn: (path) => returned.push(path) }, { returnTo })
    expect(auth.session.status).toBe('signed-in')
    for (const path of returned) expect(new URL(path, APP).origin).toBe(APP)
    expect(returned[0]).not.toContain('evil.example/x')
  })

  it('[C-12] drops a hostile target that was planted in the record as well', async () => {
    const it = await world()
    const before = load(it.tab, {}, it)
    before.auth.login().catch(() => {})
    const back = await it.tab.navigate(await redirectUrl())
    const key = sessionStorage.key(0) ?? ''
    sessionStorage.setItem(
      key,
      (sessionStorage.getItem(key) ?? '').replace('"returnTo":"/"', '"returnTo":"//evil.example"'),
    )
    goTo(back.url)
    const returned: string[] = []
    await load(it.tab, { onReturn: (path) => returned.push(path) }, it).auth.ready()
    expect(returned).toEqual(['/'])
  })

  it('[C-12 twin][S-20 twin] returns to a path of this origin, hash included', async () => {
    const it = await world()
    const returned: string[] = []
    await signInThrough(it, it.tab, { onReturn: (path) => returned.push(path) }, { returnTo: '/notes?x=1#y' })
    expect(returned).toEqual(['/notes?x=1#y'])
  })

  it('[C-16][C-16 twin][S-13][S-13 twin] lets two sign-ins of one tab finish in any order, each with its own target', async () => {
    const it = await world()
    const returned: string[] = []
    const options = { onReturn: (path: string) => returned.push(path) }
    const a = load(it.tab, options, it)
    a.auth.login({ returnTo: '/a' }).catch(() => {})
    const urlA = await redirectUrl()
    a.auth.close()
    const b = load(it.tab, options, it)
    b.auth.login({ returnTo: '/b' }).catch(() => {})
    await vi.waitFor(() => expect(urlA).not.toBe(location.assign))
    await vi.waitFor(async () => expect(await redirectUrl()).not.toBe(urlA))
    const urlB = await redirectUrl()
    for (const url of [urlB, urlA]) {
      goTo((await it.tab.navigate(url)).url)
      expect(await load(it.tab, options, it).auth.ready()).toMatchObject({ status: 'signed-in' })
    }
    expect(returned).toEqual(['/b', '/a'])
  })

  it('[S-14] cannot finish in a tab that did not begin', async () => {
    const it = await world()
    const before = load(it.tab, {}, it)
    before.auth.login().catch(() => {})
    const back = await it.tab.navigate(await redirectUrl())
    sessionStorage.clear()
    goTo(back.url)
    expect(await load(it.tab, {}, it).auth.ready()).toMatchObject({
      reason: 'callback_failed',
      error: { code: 'state_mismatch' },
    })
  })

  it('[S-15][S-15 twin] forgets abandoned sign-ins, and leaves other apps’ keys alone', async () => {
    const it = await world()
    sessionStorage.setItem('oidc.other', 'theirs')
    vi.useFakeTimers({ toFake: ['Date'] })
    for (let at = 0; at < 50; at++) {
      const { auth } = load(it.tab, {}, it)
      auth.login().catch(() => {})
      await redirectUrl()
      auth.close()
      vi.setSystemTime(Date.now() + 120_000)
      const { assigned } = await import('./page.js')
      assigned.length = 0
    }
    const ours = Object.keys(sessionStorage).filter((key) => key.startsWith('sallyport.'))
    expect(ours.length).toBeLessThanOrEqual(6)
    expect(sessionStorage.getItem('oidc.other')).toBe('theirs')
  })

  it('[S-16][S-16 twin] makes room in a full storage once, and says so when there is none', async () => {
    const it = await world()
    sessionStorage.setItem('sallyport.old', JSON.stringify({ id: 'old', created: Date.now() / 1000 }))
    let left = 1
    const real = sessionStorage
    vi.stubGlobal(
      'sessionStorage',
      new Proxy(real, {
        get(target, name) {
          const member = Reflect.get(target, name)
          if (typeof member !== 'function') return member
          return (...values: unknown[]) => {
            if (name === 'setItem' && left-- > 0) throw new DOMException('full', 'QuotaExceededError')
            return Reflect.apply(member, target, values)
          }
        },
      }),
    )
    const first = load(it.tab, {}, it)
    first.auth.login().catch(() => {})
    expect(await redirectUrl()).toContain(ISSUER)
    expect(real.getItem('sallyport.old')).toBeNull()
    left = 99
    const second = load(it.tab, {}, it)
    await expect(second.auth.login()).rejects.toMatchObject({ code: 'storage_unavailable' })
    vi.unstubAllGlobals()
  })

  it.each(['undefined', 'null', '{"id":', '[]', ''])('[S-17] takes a record %j for none', async (junk) => {
    const it = await world()
    const before = load(it.tab, {}, it)
    before.auth.login().catch(() => {})
    const back = await it.tab.navigate(await redirectUrl())
    sessionStorage.setItem(sessionStorage.key(0) ?? '', junk)
    goTo(back.url)
    expect(await load(it.tab, {}, it).auth.ready()).toMatchObject({ error: { code: 'state_mismatch' } })
  })

  it('[S-17 twin] takes a record as it was left', async () => {
    const { auth } = await signedIn()
    expect(auth.session.status).toBe('signed-in')
  })

  it('refuses a record that is older than ten minutes by its own clock', async () => {
    const it = await world()
    const before = load(it.tab, {}, it)
    before.auth.login().catch(() => {})
    const back = await it.tab.navigate(await redirectUrl())
    it.advance(601)
    goTo(back.url)
    expect(await load(it.tab, {}, it).auth.ready()).toMatchObject({ error: { code: 'transaction_expired' } })
  })

  it.each([
    ['iss', '[C-03]', { iss: 'https://evil.example' }],
    ['aud', '[C-04]', { aud: 'another' }],
    ['nonce', '[C-05]', { nonce: 'another-nonce-than-sent' }],
    ['exp', '[S-9]', { exp: 1 }],
    ['azp', '[S-9]', { azp: 'another' }],
  ])('names the claim %s when the backend refuses the ID Token %s', async (claim, _ids, changes) => {
    const it = await world()
    it.as.tamper.idToken = (claims, header) => ({ claims: { ...claims, ...changes }, header })
    const { auth } = await signInThrough(it, it.tab)
    expect(auth.session).toMatchObject({
      reason: 'callback_failed',
      error: { code: 'id_token_invalid', cause: { claim } },
    })
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'login_required' })
  })

  it('[S-7][S-8] refuses a response of another issuer, and one without iss, before the code is sent', async () => {
    const it = await world()
    for (const change of [
      (p: URLSearchParams) => p.set('iss', 'https://evil.example'),
      (p: URLSearchParams) => p.delete('iss'),
    ]) {
      it.as.tamper.authorizationResponse = (parameters) => {
        change(parameters)
        return parameters
      }
      const { auth } = await signInThrough(it, it.tab)
      expect(auth.session).toMatchObject({ error: { code: 'issuer_mismatch' } })
    }
    expect(it.as.requests.token).toBe(0)
  })

  it('[C-10][C-10 twin][S-40] refuses to start with a foreign issuer, and starts when the metadata is right again', async () => {
    const it = await world()
    it.as.tamper.metadata = (metadata) => ({ ...metadata, issuer: 'https://evil.example' })
    const { auth } = load(it.tab, {}, it)
    await expect(auth.login()).rejects.toMatchObject({ code: 'issuer_mismatch' })
    it.as.tamper.metadata = undefined
    it.as.fail('discovery', { status: 500 })
    await expect(auth.login()).rejects.toMatchObject({ code: 'login_unavailable', retryable: true })
    auth.login().catch(() => {})
    expect(await redirectUrl()).toContain(ISSUER)
  })

  it('[S-21] calls an outage during the exchange what it is', async () => {
    const it = await world()
    it.as.fail('token', { status: 502, body: '<h1>Bad gateway</h1>', headers: { 'Content-Type': 'text/html' } })
    const { auth } = await signInThrough(it, it.tab)
    expect(auth.session).toMatchObject({
      reason: 'callback_failed',
      error: { code: 'sign_in_unavailable', retryable: true },
    })
  })

  it('[B-40][B-40 twin] asks nobody to try again after a mistake of the operator, before and during the exchange', async () => {
    const it = await world()
    it.as.fail('discovery', { status: 404 })
    const { auth } = load(it.tab, {}, it)
    await expect(auth.login()).rejects.toMatchObject({
      code: 'login_unavailable',
      retryable: false,
      cause: { error: 'operator_error' },
    })
    it.as.fail('token', { status: 404 })
    const { auth: returned } = await signInThrough(it, it.tab)
    expect(returned.session).toMatchObject({
      reason: 'callback_failed',
      error: { code: 'sign_in_unavailable', retryable: false, cause: { error: 'operator_error' } },
    })
  })

  it('[S-22] is not disturbed by listeners, onEvent or onReturn that throw', async () => {
    const it = await world()
    const reported = vi.fn()
    vi.stubGlobal('reportError', reported)
    const bad = () => {
      throw new Error('of the app')
    }
    const before = load(it.tab, {}, it)
    before.auth.login().catch(() => {})
    goTo((await it.tab.navigate(await redirectUrl())).url)
    const { auth } = load(it.tab, { onReturn: bad, onEvent: bad }, it)
    const heard = vi.fn()
    auth.subscribe(bad)
    auth.subscribe(heard)
    expect(await auth.ready()).toMatchObject({ status: 'signed-in' })
    expect(heard).toHaveBeenLastCalledWith(expect.objectContaining({ status: 'signed-in' }))
    expect(reported).toHaveBeenCalled()
    vi.unstubAllGlobals()
  })

  it('[S-64][S-64 twin] leaves once for a double click, and again for a later one', async () => {
    const it = await world()
    const { auth, asked } = load(it.tab, {}, it)
    const [one, two] = [auth.login(), auth.login()]
    one.catch(() => {})
    two.catch(() => {})
    await redirectUrl()
    expect(asked).toEqual(['/bff/.well-known/openid-configuration', '/bff/transaction'])
    expect(location.assign).toHaveBeenCalledTimes(1)
  })

  it('goes there again when the user had stayed and clicks once more', async () => {
    const it = await world()
    const { auth, asked } = load(it.tab, {}, it)
    auth.login().catch(() => {})
    const first = await redirectUrl()
    auth.login().catch(() => {})
    expect(location.assign).toHaveBeenCalledTimes(2)
    expect(location.assign).toHaveBeenLastCalledWith(first)
    expect(asked).toHaveLength(2)
  })

  it('goes straight to the sign-up form, and asks for exactly what is to be authorized', async () => {
    const it = await world()
    const { auth } = load(it.tab, {}, it)
    const authorization_details = [{ type: 'payment', actions: ['initiate'], amount: { value: 100, currency: 'EUR' } }]
    const resource = ['https://api.example.com', 'https://other.example.com']
    auth.login({ prompt: 'create', authorization_details, resource }).catch(() => {})
    const asked = new URL(await redirectUrl()).searchParams
    expect(asked.get('prompt')).toBe('create')
    expect(JSON.parse(asked.get('authorization_details') ?? '')).toEqual(authorization_details)
    expect(asked.getAll('resource')).toEqual(resource)
  })

  it('is silent where that is asked for: nobody at the provider is a typed outcome', async () => {
    const it = await world()
    it.as.signOut()
    const page = await signInThrough(it, it.tab, {}, { prompt: 'none' })
    expect(page.auth.session).toMatchObject({
      status: 'signed-out',
      error: { code: 'authorization_error', cause: { error: 'login_required' } },
    })
    it.as.signIn('alice')
    const again = await signInThrough(it, it.tab, {}, { prompt: 'none' })
    expect(again.auth.session).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } })
  })

  it('refuses protocol parameters in params, and sends the provider’s own', async () => {
    const it = await world({ authorizationParams: ['organization'] })
    const { auth } = load(it.tab, {}, it)
    for (const name of ['state', 'redirect_uri', 'client_id', 'scope', 'nonce', 'request'])
      await expect(auth.login({ params: { [name]: 'x' } }), name).rejects.toThrow(TypeError)
    await expect(auth.login({ params: { kc_idp_hint: 'x' } })).rejects.toMatchObject({ code: 'request_refused' })
    auth.login({ params: { organization: 'acme' }, prompt: 'login', max_age: 0, login_hint: 'alice' }).catch(() => {})
    const { searchParams } = new URL(await redirectUrl())
    expect(Object.fromEntries(searchParams)).toMatchObject({
      organization: 'acme',
      prompt: 'login',
      max_age: '0',
      login_hint: 'alice',
    })
  })

  it('keeps a callback in memory when its chunk cannot be loaded, and finishes it the next time', async () => {
    const it = await world()
    const before = load(it.tab, {}, it)
    before.auth.login().catch(() => {})
    goTo((await it.tab.navigate(await redirectUrl())).url)
    vi.resetModules()
    vi.doMock('../../src/client/sign-in/sign-in.js', () => {
      throw new Error('network')
    })
    const { createAuth } = await import('../../src/client/index.js')
    const auth = createAuth({ fetch: it.tab.fetch, now: it.now })
    expect(await auth.ready()).toMatchObject({
      status: 'unavailable',
      error: { code: 'chunk_unavailable', retryable: true },
    })
    expect(location.href).toBe(`${APP}/callback`)
    vi.doUnmock('../../src/client/sign-in/sign-in.js')
    expect(await auth.ready()).toMatchObject({ status: 'signed-in' })
    auth.close()
  })
})

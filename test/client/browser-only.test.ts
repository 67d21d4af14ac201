import { decodeJwt } from 'jose'
import type { Auth, AuthEvent } from 'sallyport'
import { type BrowserOnlyAuthOptions, createBrowserOnlyAuth } from 'sallyport/browser-only'
import { generateKeys, mockAuthorizationServer, mockBrowser } from 'sallyport/testing'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { APP, assigned, goTo, ISSUER, redirectUrl } from './page.js'

const keys = await generateKeys()
const API = 'https://api.example.com'
const opened: Auth<unknown>[] = []
afterEach(() => {
  for (const auth of opened.splice(0)) auth.close()
})

/** A provider with a public client, a browser before it, and an API that remembers how it was called. */
async function scene(provider: Record<string, unknown> = {}) {
  let time = 1_790_000_000
  const now = () => time
  const as = await mockAuthorizationServer({
    issuer: ISSUER,
    now,
    keys,
    clients: [
      {
        client_id: 'spa',
        token_endpoint_auth_method: 'none',
        redirect_uris: [`${APP}/callback`],
        post_logout_redirect_uris: [`${APP}/`],
      },
    ],
    users: [
      { sub: 'alice', name: 'Alice Adams' },
      { sub: 'bob', name: 'Bob Brown' },
    ],
    ...provider,
  })
  as.signIn('alice')
  const calls: Request[] = []
  let api = (_: Request): Response => new Response('ok', { headers: cors })
  const cors = {
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Allow-Headers': 'authorization, dpop',
    'Access-Control-Expose-Headers': 'dpop-nonce, www-authenticate',
  }
  const browser = mockBrowser({
    now,
    origins: {
      [ISSUER]: (request) => as.fetch(request),
      [APP]: () => new Response('the app'),
      [API]: (request) => {
        if (request.method === 'OPTIONS') return new Response(null, { headers: cors })
        calls.push(request)
        return api(request)
      },
    },
  })
  const tab = browser.newTab(`${APP}/`)
  const load = (options: Partial<BrowserOnlyAuthOptions> = {}) => {
    const events: AuthEvent[] = []
    const auth = createBrowserOnlyAuth({
      issuer: ISSUER,
      client_id: 'spa',
      scope: 'openid profile offline_access notes:read',
      apis: { [API]: {} },
      fetch: (input, init) => tab.fetch(input, init),
      now,
      onEvent: (event) => events.push(event),
      ...options,
    })
    opened.push(auth as Auth<unknown>)
    return { auth, events }
  }
  /** Signs in by redirect; the page that comes back has forgotten everything but this tab's storage. */
  async function signIn(options: Partial<BrowserOnlyAuthOptions> = {}, login = {}) {
    const before = load(options)
    before.auth.login(login).catch(() => {})
    const { url } = await tab.navigate(await redirectUrl())
    before.auth.close()
    assigned.length = 0
    goTo(url)
    const after = load(options)
    await after.auth.ready()
    return after
  }
  /** The frames that the page opens, each loaded as the browser would. */
  const frames: string[] = []
  vi.spyOn(document.body, 'append').mockImplementation((frame) => {
    const { src } = frame as HTMLIFrameElement
    frames.push(src)
    tab.navigate(src).then(({ url }) => {
      if (!url.startsWith(APP)) return
      const { search, searchParams } = new URL(url)
      const channel = new BroadcastChannel(`sallyport ${searchParams.get('state')}`)
      channel.postMessage(search)
      setTimeout(() => channel.close(), 100)
    })
  })
  return {
    as,
    now,
    tab,
    calls,
    cors,
    frames,
    load,
    signIn,
    answer: (with_: typeof api) => {
      api = with_
    },
    advance: (seconds: number) => {
      time += seconds
    },
  }
}

describe('browser-only mode', () => {
  it('signs in with a public client, and calls an API with a token that is bound to a key of this page', async () => {
    const { as, calls, signIn } = await scene()
    const { auth, events } = await signIn({}, { returnTo: '/notes' })
    expect(auth.session).toMatchObject({
      status: 'signed-in',
      user: { sub: 'alice', name: 'Alice Adams' },
      expiresAt: null,
    })
    expect(events.map(({ type }) => type)).toEqual(['signed_in'])
    expect(location.pathname).toBe('/notes')
    await auth.fetch(`${API}/notes?page=1`)
    const { headers } = calls[0] as Request
    const token = await auth.getToken()
    expect(headers.get('authorization')).toBe(`DPoP ${token}`)
    expect(decodeJwt(token)['cnf']).toEqual({ jkt: expect.any(String) })
    expect(decodeJwt(headers.get('dpop') ?? '')).toMatchObject({
      htm: 'GET',
      htu: `${API}/notes`,
      ath: expect.any(String),
    })
    expect(as.grants).toMatchObject({ authorization_code: 1, refresh_token: 0 })
  })

  it('keeps no token in storage, URL or history', async () => {
    const { as, signIn } = await scene()
    const { auth } = await signIn()
    await auth.getToken()
    const kept = JSON.stringify([{ ...sessionStorage }, { ...localStorage }, location.href, history.state])
    for (const secret of as.issued) expect(kept).not.toContain(secret)
    expect(Object.keys(sessionStorage)).toEqual([])
  })

  it('makes a key that cannot be exported', async () => {
    const generateKey = vi.spyOn(crypto.subtle, 'generateKey')
    const { signIn } = await scene()
    await signIn()
    expect(generateKey.mock.calls.length).toBeGreaterThan(0)
    for (const [, extractable] of generateKey.mock.calls) expect(extractable).toBe(false)
  })

  it('does without a key where the provider knows none', async () => {
    const { calls, signIn } = await scene()
    const { auth } = await signIn({ dpop: false })
    await auth.fetch(`${API}/x`)
    expect(calls[0]?.headers.get('authorization')).toMatch(/^Bearer /)
    expect(calls[0]?.headers.has('dpop')).toBe(false)
  })

  it('takes no unbound token where it asked for a bound one', async () => {
    const { as, signIn } = await scene()
    as.tamper.tokenResponse = (json) => ({ ...json, token_type: 'Bearer' })
    const { auth } = await signIn()
    expect(auth.session).toMatchObject({ status: 'signed-out', error: { cause: { error: 'operator_error' } } })
  })

  it.each([
    ['issuer', (url: URL) => url.searchParams.set('iss', 'https://evil.example'), 'issuer_mismatch'],
    ['missing issuer', (url: URL) => url.searchParams.delete('iss'), 'issuer_mismatch'],
    ['state', (url: URL) => url.searchParams.set('state', 'x'.repeat(32)), 'state_mismatch'],
  ])('refuses an answer with another %s, before the code is spent', async (_, change, code) => {
    const { as, load, tab } = await scene()
    const { auth } = load()
    auth.login().catch(() => {})
    const url = new URL((await tab.navigate(await redirectUrl())).url)
    change(url)
    auth.close()
    goTo(url.href)
    expect(await load().auth.ready()).toMatchObject({ status: 'signed-out', error: { code } })
    expect(as.requests.token).toBe(0)
  })

  it.each([
    ['iss', { iss: 'https://evil.example' }],
    ['aud', { aud: 'another' }],
    ['aud', { aud: ['spa', 'another'] }],
    ['azp', { azp: 'another' }],
    ['exp', { exp: 1_700_000_000 }],
    ['iat', { iat: 1_700_000_000 }],
    ['nonce', { nonce: 'another' }],
    ['at_hash', { at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' }],
    ['auth_time', { auth_time: 1_700_000_000 }],
    ['acr', { acr: 'weak' }],
  ])('verifies the ID Token in full: %s', async (claim, change) => {
    const { as, signIn } = await scene()
    as.tamper.idToken = (claims, header) => ({ claims: { ...claims, ...change }, header })
    const { auth } = await signIn({}, { max_age: 300, acr_values: 'phr' })
    expect(auth.session).toMatchObject({ error: { code: 'id_token_invalid', cause: { claim } } })
  })

  it.each([
    ['signature', { signature: 'broken' }],
    ['signature', { signature: 'other-key' }],
    ['alg', { signature: 'none', header: { alg: 'none' } }],
    ['alg', { signature: 'hs256-with-public-key', header: { alg: 'HS256' } }],
    ['typ', { header: { typ: 'logout+jwt' } }],
  ] as const)('verifies the ID Token in full: %s (%o)', async (claim, change) => {
    const { as, signIn } = await scene()
    as.tamper.idToken = (claims, header) => ({
      claims,
      ...change,
      header: { ...header, ...('header' in change && change.header) },
    })
    const { auth } = await signIn()
    expect(auth.session).toMatchObject({ status: 'signed-out', error: { code: 'id_token_invalid', cause: { claim } } })
  })

  it('[S-36 twin] renews with a rotated refresh token, once for a thousand callers, with a proof and the provider’s nonce', async () => {
    const { as, advance, signIn } = await scene({ dpopNonce: 'n-1' })
    const { auth } = await signIn()
    advance(290)
    const tokens = await Promise.all(Array.from({ length: 1000 }, () => auth.getToken()))
    expect(new Set(tokens).size).toBe(1)
    expect(as.grants.refresh_token).toBe(1)
    advance(290)
    expect(await auth.getToken()).not.toBe(tokens[0])
    expect(as.grants.refresh_token).toBe(2)
  })

  it('takes an outage for an outage, and a refusal for the end', async () => {
    const { as, advance, signIn } = await scene()
    const { auth } = await signIn()
    advance(310)
    as.fail('token', { status: 503, headers: { 'Retry-After': '7' } })
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'refresh_unavailable', retryable: true })
    expect(auth.session.status).toBe('signed-in')
    vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_000)
    await auth.getToken()
    as.revoke('alice')
    advance(310)
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'login_required' })
    expect(auth.session.status).toBe('signed-out')
  })

  it('comes back after a reload where the provider answers in a hidden frame, and asks nobody else', async () => {
    const { as, load, signIn, frames } = await scene()
    const first = await signIn()
    first.auth.close()
    goTo(`${APP}/notes`)
    const { auth, events } = load()
    expect(await auth.ready()).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } })
    expect(await auth.getToken()).toBeTruthy()
    expect(frames).toHaveLength(1)
    const asked = new URL(frames[0] ?? '').searchParams
    expect([asked.get('prompt'), asked.get('code_challenge_method'), asked.get('redirect_uri')]).toEqual([
      'none',
      'S256',
      `${APP}/callback`,
    ])
    expect(as.grants.authorization_code).toBe(2)
    expect(events.map(({ type }) => type)).toEqual(['signed_in'])
  })

  it('opens no frame for a stranger, loads nothing for them, and none after a sign-out', async () => {
    const { load, frames, signIn, as } = await scene()
    expect(await load().auth.ready()).toEqual({ status: 'signed-out', reason: 'none' })
    expect([frames, as.requests.discovery]).toEqual([[], 0])
    const { auth } = await signIn()
    await auth.logout({ local: true })
    auth.close()
    expect((await load().auth.ready()).status).toBe('signed-out')
    expect(frames).toEqual([])
  })

  it('is signed out where the provider says that nobody is, and asks it once', async () => {
    const { load, frames, signIn, as } = await scene()
    ;(await signIn()).auth.close()
    as.signOut()
    expect(await load().auth.ready()).toEqual({ status: 'signed-out', reason: 'none' })
    expect(await load().auth.ready()).toEqual({ status: 'signed-out', reason: 'none' })
    expect(frames).toHaveLength(1)
  })

  it('gives up on a provider that does not answer in a frame', async () => {
    const { load, signIn } = await scene()
    ;(await signIn()).auth.close()
    vi.mocked(document.body.append).mockImplementation(() => {})
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const ready = load().auth.ready()
    let over = false
    ready.finally(() => {
      over = true
    })
    // Real turns in between: what comes before the frame computes digests.
    while (!over) {
      await vi.advanceTimersByTimeAsync(200)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await ready).toEqual({ status: 'signed-out', reason: 'none' })
  })

  it('renews in a frame where there is no refresh token, and never becomes somebody else by it', async () => {
    const { as, advance, signIn, frames } = await scene()
    const { auth } = await signIn({ scope: 'openid profile' })
    advance(290)
    await auth.getToken()
    expect([frames.length, as.grants.refresh_token]).toEqual([1, 0])
    as.signIn('bob')
    advance(290)
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'login_required' })
    expect(auth.session).toMatchObject({ status: 'signed-out', reason: 'user_changed' })
  })

  it('signs out: revokes, forgets, and goes to the provider’s end-session page', async () => {
    const { as, signIn } = await scene()
    const { auth } = await signIn()
    auth.logout().catch(() => {})
    expect(auth.session).toEqual({ status: 'signed-out', reason: 'logged_out' })
    const url = new URL(await redirectUrl())
    expect(url.pathname).toBe('/end-session')
    expect(url.searchParams.get('post_logout_redirect_uri')).toBe(`${APP}/`)
    expect(as.requests.revocation).toBe(1)
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'login_required' })
  })

  it('adds parameters for the provider’s end-session page, and replaces none', async () => {
    const { signIn } = await scene()
    const endSessionParams = {
      logout_uri: `${APP}/bye`,
      client_id: 'x',
      post_logout_redirect_uri: 'x',
      id_token_hint: 'x',
    }
    const { auth } = await signIn({ endSessionParams })
    auth.logout().catch(() => {})
    const { searchParams } = new URL(await redirectUrl())
    expect(searchParams.get('logout_uri')).toBe(`${APP}/bye`)
    expect(searchParams.get('client_id')).toBe('spa')
    expect(searchParams.get('post_logout_redirect_uri')).toBe(`${APP}/`)
    expect(searchParams.get('id_token_hint')).toMatch(/^eyJ/)
  })

  it.each([
    ['/bye', `${APP}/bye`],
    [`${APP}/bye`, `${APP}/bye`],
    [undefined, `${APP}/`],
    ['https://evil.example/', `${APP}/`],
    ['http://', `${APP}/`],
  ])('comes back from there to a listed URL only: %s', async (returnTo, expected) => {
    const { signIn } = await scene()
    const { auth } = await signIn({ post_logout_redirect_uris: ['/', '/bye'] })
    auth.logout({ ...(returnTo && { returnTo }) }).catch(() => {})
    expect(new URL(await redirectUrl()).searchParams.get('post_logout_redirect_uri')).toBe(expected)
  })

  it('gives onReturn what login({ appState }) was given', async () => {
    const { as, tab, load } = await scene()
    as.signIn('alice')
    const before = load()
    before.auth.login({ appState: { from: 'shop' }, returnTo: '/notes' }).catch(() => {})
    goTo((await tab.navigate(await redirectUrl())).url)
    before.auth.close()
    const onReturn = vi.fn()
    expect((await load({ onReturn }).auth.ready()).status).toBe('signed-in')
    expect(onReturn.mock.calls).toEqual([['/notes', { from: 'shop' }]])
  })

  it('signs out here only, and revokes nothing', async () => {
    const { as, signIn } = await scene()
    const { auth } = await signIn()
    await auth.logout({ local: true })
    expect(auth.session).toEqual({ status: 'signed-out', reason: 'logged_out' })
    expect(as.requests.revocation).toBe(0)
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'login_required' })
  })

  it('signs out here when the provider is down, too', async () => {
    const { as, signIn } = await scene()
    const { auth } = await signIn()
    for (const endpoint of ['revocation', 'discovery'] as const) as.fail(endpoint, 'network', { times: 9 })
    auth.logout().catch(() => {})
    expect(await redirectUrl()).toContain('/end-session')
    expect(as.requests.revocation).toBe(1)
    expect(auth.session.status).toBe('signed-out')
  })

  it('[S-36] answers an API that wants a nonce, once', async () => {
    const { calls, cors, signIn, answer } = await scene()
    const { auth } = await signIn()
    answer((request) => {
      const { nonce } = decodeJwt(request.headers.get('dpop') ?? '')
      if (nonce === 'api-1') return new Response('in', { headers: cors })
      const headers = { ...cors, 'DPoP-Nonce': 'api-1', 'WWW-Authenticate': 'DPoP error="use_dpop_nonce"' }
      return new Response(null, { status: 401, headers })
    })
    expect(await (await auth.fetch(`${API}/x`, { method: 'POST', body: 'b' })).text()).toBe('in')
    expect(await Promise.all(calls.map((call) => call.text()))).toEqual(['b', 'b'])
    await auth.fetch(`${API}/y`)
    expect(calls).toHaveLength(3)
    answer(
      () =>
        new Response(null, { status: 401, headers: { ...cors, 'WWW-Authenticate': 'DPoP error="use_dpop_nonce"' } }),
    )
    expect((await auth.fetch(`${API}/z`)).status).toBe(401)
  })

  it.each([
    ['issuer', { issuer: 'nowhere' }],
    ['issuer', { issuer: 'https://login.example.net?x' }],
    ['client_id', { client_id: '' }],
  ])('names the option that cannot be used: %s', async (option, wrong) => {
    expect(() => createBrowserOnlyAuth({ issuer: ISSUER, client_id: 'spa', ...wrong })).toThrow(`"${option}"`)
  })
})

describe('taking turns with other tabs', () => {
  const locks = (request: LockManager['request']) =>
    vi.stubGlobal('navigator', Object.create(navigator, { locks: { value: { request } } }))
  afterEach(() => {
    vi.unstubAllGlobals()
  })

  it.each([
    ['has no locks', undefined],
    ['refuses them', () => Promise.reject(new DOMException('opaque origin', 'SecurityError'))],
    [
      'lets one wait for ever',
      (_: string, { signal }: LockOptions) =>
        new Promise((_resolve, reject) => signal?.aborted && reject(signal.reason)),
    ],
  ])('goes on where the browser %s', async (_, request) => {
    vi.spyOn(AbortSignal, 'timeout').mockImplementation(() =>
      AbortSignal.abort(new DOMException('late', 'TimeoutError')),
    )
    const { withLock } = await import('../../src/browser-only/lock.js')
    if (request) locks(request as never)
    expect(await withLock('name', async () => 'done')).toBe('done')
  })

  it('does the work once, under the name, and passes on what it throws', async () => {
    const names: string[] = []
    locks((async (name: string, _options: unknown, work: () => unknown) => {
      names.push(name)
      return work()
    }) as never)
    const { withLock } = await import('../../src/browser-only/lock.js')
    let times = 0
    await expect(
      withLock('name', async () => {
        times++
        throw new TypeError('no')
      }),
    ).rejects.toThrow('no')
    expect([names, times]).toEqual([['name'], 1])
  })
})

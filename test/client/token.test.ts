import { SallyportError } from 'sallyport'
import { describe, expect, it, vi } from 'vitest'
import { world } from '../world.js'
import { APP, load, signedIn } from './page.js'

/** An app whose page load finds alice signed in. */
async function returning(options: Parameters<typeof load>[1] = {}, ...rest: Parameters<typeof world>) {
  const { it, tab, auth: first } = await signedIn({}, ...rest)
  first.close()
  return { it, tab, ...load(tab, options, it) }
}

type Returning = Awaited<ReturnType<typeof returning>>

/** The monotonic clock, advanced by hand: back-off and token age read it. */
function holdTicks() {
  let ticks = performance.now()
  vi.spyOn(performance, 'now').mockImplementation(() => ticks)
  return (seconds: number) => {
    ticks += seconds * 1000
  }
}

describe('a page load', () => {
  it.each([20, 30, 31, 60])(
    'asks for a token of %i seconds no more often than it must',
    async (accessTokenLifetime) => {
      const { auth, page } = await signedIn({}, {}, { accessTokenLifetime })
      const before = page.asked.length
      for (let at = 0; at < 20; at++) await auth.getToken()
      expect(page.asked.length - before).toBe(0)
    },
  )

  it('of a returning user is one request, token included', async () => {
    const { auth, asked } = await returning()
    expect(await auth.getToken()).toBeTruthy()
    expect(await auth.ready()).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } })
    expect(asked).toEqual(['/bff/session'])
  })

  it('carries what the first token is wanted for', async () => {
    const { auth, asked, it } = await returning()
    const token = await auth.getToken({ scope: 'notes:read' })
    expect(asked).toEqual(['/bff/session'])
    expect(JSON.parse(atob(token.split('.')[1] ?? '')).scope).toBe('notes:read')
    expect(it.as.grants.refresh_token).toBe(1)
  })

  it('[S-41][S-41 twin] of a stranger says “signed out” after one request', async () => {
    const it = await world()
    const { auth, asked } = load(it.tab, {}, it)
    expect(await auth.ready()).toEqual({ status: 'signed-out', reason: 'none' })
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'login_required', retryable: false })
    expect(asked).toEqual(['/bff/session'])
  })

  it('starts nothing before somebody asks, and nothing by reading', async () => {
    const it = await world()
    const { auth, asked } = load(it.tab, {}, it)
    expect(auth.session).toEqual({ status: 'pending' })
    await Promise.resolve()
    expect(asked).toEqual([])
  })

  it.each([
    ['down', () => Promise.reject(new TypeError('Failed to fetch'))],
    [
      'answering HTML',
      async () => new Response('<h1>Proxy</h1>', { status: 200, headers: { 'Content-Type': 'text/html' } }),
    ],
    ['answering 503', async () => Response.json({ error: 'temporarily_unavailable' }, { status: 503 })],
    [
      'answering HTML 403',
      async () => new Response('<h1>Blocked</h1>', { status: 403, headers: { 'Content-Type': 'text/html' } }),
    ],
    ['answering 429', async () => Response.json({ error: 'slow_down' }, { status: 429 })],
    ['answering nonsense', async () => Response.json([1, 2])],
  ])('[S-42] finds neither in nor out while the backend is %s, and asks again later', async (_name, answer) => {
    const forward = holdTicks()
    const it = await world()
    let broken = true
    const { auth } = load(it.tab, { fetch: (input, init) => (broken ? answer() : it.tab.fetch(input, init)) }, it)
    expect(await auth.ready()).toMatchObject({
      status: 'unavailable',
      error: { code: 'backend_unavailable', retryable: true },
    })
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'backend_unavailable' })
    broken = false
    forward(40)
    expect(await auth.ready()).toEqual({ status: 'signed-out', reason: 'none' })
  })

  it('[S-42 twin] can be signed out though the page load failed', async () => {
    const it = await world()
    let broken = true
    const { auth } = load(
      it.tab,
      { fetch: (input, init) => (broken ? Promise.reject(new TypeError()) : it.tab.fetch(input, init)) },
      it,
    )
    await auth.ready()
    broken = false
    await auth.logout()
    expect(auth.session).toEqual({ status: 'signed-out', reason: 'logged_out' })
  })

  it('asks again when the network is back, or the page is looked at', async () => {
    const it = await world()
    let broken = true
    const { auth } = load(
      it.tab,
      { fetch: (input, init) => (broken ? Promise.reject(new TypeError()) : it.tab.fetch(input, init)) },
      it,
    )
    expect((await auth.ready()).status).toBe('unavailable')
    broken = false
    window.dispatchEvent(new Event('online'))
    await vi.waitFor(() => expect(auth.session.status).toBe('signed-out'))
  })

  it('shows what the server guessed, and asks all the same', async () => {
    const it = await world()
    const { auth, asked } = load(
      it.tab,
      { initial: { mode: 'token-mediating', user: { sub: 'alice' }, expires_at: 5 } },
      it,
    )
    expect(auth.session).toEqual({ status: 'signed-in', user: { sub: 'alice' }, expiresAt: 5 })
    expect(await auth.ready()).toEqual({ status: 'signed-out', reason: 'none' })
    expect(asked).toEqual(['/bff/session'])
  })
})

describe('getToken()', () => {
  it('[S-23][C-13] makes one request for a thousand callers at expiry', async () => {
    const { auth, asked, it } = await returning()
    await auth.ready()
    it.advance(290)
    const tokens = await Promise.all(Array.from({ length: 1000 }, () => auth.getToken()))
    expect(new Set(tokens).size).toBe(1)
    expect(asked).toEqual(['/bff/session', '/bff/token'])
    expect(it.as.grants.refresh_token).toBe(1)
  })

  it('[S-25][S-24] asks one after another for different tokens, and drops none', async () => {
    const { auth, asked, it } = await returning()
    await auth.ready()
    const gate = it.as.delay('token')
    const wishes = [
      auth.getToken({ scope: 'notes:read' }),
      auth.getToken({ scope: 'notes:write' }),
      auth.getToken({ scope: 'notes:read' }),
    ]
    await vi.waitFor(() => expect(asked).toEqual(['/bff/session', '/bff/token']))
    gate.release()
    const [read, write, again] = await Promise.all(wishes)
    expect(read).toBe(again)
    expect(write).not.toBe(read)
    expect(asked).toEqual(['/bff/session', '/bff/token', '/bff/token'])
  })

  it('answers from memory while the token is good, with no request', async () => {
    const { auth, asked, it } = await returning()
    const token = await auth.getToken()
    it.advance(269)
    expect(await auth.getToken()).toBe(token)
    expect(asked).toHaveLength(1)
    it.advance(2)
    expect(await auth.getToken()).not.toBe(token)
    expect(asked).toHaveLength(2)
  })

  it('[S-55] does not take a token of thirty days for an expired one', async () => {
    const { auth, asked, it } = await returning({}, {}, { accessTokenLifetime: 30 * 86_400 })
    const token = await auth.getToken()
    it.advance(3600)
    expect(await auth.getToken()).toBe(token)
    expect(asked).toHaveLength(1)
  })

  it('counts at most half of a short token’s life as wanted validity', async () => {
    const { auth, asked, it } = await returning({}, {}, { accessTokenLifetime: 20 })
    await auth.getToken()
    for (let at = 0; at < 9; at++) {
      it.advance(1)
      await auth.getToken()
    }
    expect(asked).toHaveLength(1)
  })

  it('[C-17][S-26] signs out once, with the reason, when the provider has revoked the session, and does not ask again', async () => {
    const { auth, asked, events, it } = await returning()
    await auth.getToken()
    it.as.revoke('alice')
    it.advance(290)
    const heard: string[] = []
    auth.subscribe((session) => heard.push(session.status))
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => auth.getToken()))
    for (const result of results)
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'login_required' } })
    expect(auth.session).toEqual({ status: 'signed-out', reason: 'revoked' })
    expect(heard).toEqual(['signed-in', 'signed-out'])
    expect(events.filter(({ type }) => type === 'signed_out')).toEqual([{ type: 'signed_out', reason: 'revoked' }])
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'login_required' })
    expect(asked).toEqual(['/bff/session', '/bff/token'])
  })

  it.each([
    ['expired', ({ it }: Returning) => it.advance(86_401)],
    ['revoked', ({ it }: Returning) => it.as.revoke('alice')],
    ['refresh_lost', ({ it }: Returning) => it.as.fail('token', 'lost')],
    ['refresh_rejected', ({ it }: Returning) => it.as.fail('token', { status: 400, body: '' }, { times: 2 })],
  ] as const)('says why nobody is signed in any more: %s', async (reason, happen) => {
    const forward = holdTicks()
    const page = await returning()
    await page.auth.getToken()
    page.it.advance(301)
    happen(page)
    for (let at = 0; at < 3; at++) {
      await page.auth.getToken().catch(() => {})
      page.it.advance(60)
      forward(60)
    }
    expect(page.auth.session).toEqual({ status: 'signed-out', reason })
  })

  it('[C-17 twin][S-26 twin][C-13 twin][S-23 twin] goes on when it has not', async () => {
    const { auth, it } = await returning()
    const token = await auth.getToken()
    it.advance(290)
    expect(await auth.getToken()).not.toBe(token)
    expect(auth.session.status).toBe('signed-in')
  })

  it('[C-18][S-28][S-30] keeps the session through an outage and leaves the backend alone for as long as it asked', async () => {
    const forward = holdTicks()
    const { auth, asked, it } = await returning()
    await auth.getToken()
    it.advance(301)
    it.as.fail('token', { status: 429, headers: { 'Retry-After': '5' } })
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'refresh_unavailable', retryable: true })
    expect(auth.session.status).toBe('signed-in')
    for (let at = 0; at < 50; at++) await expect(auth.getToken()).rejects.toMatchObject({ code: 'refresh_unavailable' })
    forward(4.9)
    it.advance(4.9)
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'refresh_unavailable' })
    expect(asked).toEqual(['/bff/session', '/bff/token'])
    forward(0.2)
    it.advance(0.2)
    expect(await auth.getToken()).toBeTruthy()
  })

  it.each([
    ['a network error', () => Promise.reject(new TypeError('Failed to fetch'))],
    [
      'HTML 403',
      async () => new Response('<h1>Blocked</h1>', { status: 403, headers: { 'Content-Type': 'text/html' } }),
    ],
    [
      'HTML 429',
      async () => new Response('<h1>Slow down</h1>', { status: 429, headers: { 'Content-Type': 'text/html' } }),
    ],
    ['408', async () => new Response(null, { status: 408 })],
    ['500', async () => Response.json({ error: 'server_error' }, { status: 500 })],
    ['504', async () => new Response('', { status: 504 })],
  ])('[S-29][S-30][C-18] takes %s for “temporarily unavailable”', async (_name, answer) => {
    let broken = false
    const { it, tab } = await signedIn()
    const { auth } = load(tab, { fetch: (input, init) => (broken ? answer() : tab.fetch(input, init)) }, it)
    await auth.getToken()
    it.advance(301)
    broken = true
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'refresh_unavailable', retryable: true })
    expect(auth.session.status).toBe('signed-in')
  })

  it('[S-28 twin][S-29 twin][S-30 twin][S-31] serves the old token while it is good and no newer one can be had', async () => {
    let broken = false
    const { it, tab } = await signedIn()
    const { auth } = load(
      tab,
      { fetch: (input, init) => (broken ? Promise.reject(new TypeError()) : tab.fetch(input, init)) },
      it,
    )
    const token = await auth.getToken()
    it.advance(280)
    broken = true
    expect(await auth.getToken()).toBe(token)
    it.advance(21)
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'refresh_unavailable' })
  })

  it('[S-27] keeps the session through a refusal that is none of its business, and quotes it', async () => {
    const { auth } = await returning()
    await auth.getToken()
    const refusal = await auth.getToken({ scope: 'admin' }).catch((error: unknown) => error)
    expect(refusal).toMatchObject({
      code: 'invalid_scope',
      retryable: false,
      cause: { error: 'invalid_scope', status: 400 },
    })
    await expect(auth.getToken({ resource: 'https://evil.example' })).rejects.toMatchObject({ code: 'invalid_target' })
    expect(auth.session.status).toBe('signed-in')
    expect(await auth.getToken()).toBeTruthy()
  })

  it('[S-32] does not repeat a renewal whose answer was lost by itself', async () => {
    const { auth, asked, it } = await returning()
    await auth.getToken()
    it.advance(301)
    it.as.fail('token', 'lost')
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'refresh_unavailable' })
    expect(asked).toEqual(['/bff/session', '/bff/token'])
    expect(it.as.requests.token).toBe(2)
  })

  it('[S-35] shows the words of the backend though other headers came along', async () => {
    const { it, tab } = await signedIn()
    const odd = async () =>
      Response.json(
        { error: 'invalid_request', error_description: 'odd' },
        { status: 400, headers: { 'DPoP-Nonce': 'x' } },
      )
    let broken = false
    const { auth } = load(tab, { fetch: (input, init) => (broken ? odd() : tab.fetch(input, init)) }, it)
    await auth.ready()
    broken = true
    it.advance(301)
    await expect(auth.getToken()).rejects.toMatchObject({
      code: 'request_refused',
      cause: { error: 'invalid_request', error_description: 'odd' },
    })
  })

  it('[S-37] signs out when the backend’s session has become another user’s', async () => {
    const { it, tab } = await signedIn()
    const { auth } = load(tab, {}, it)
    await auth.getToken()
    it.as.signIn('bob')
    const { signIn } = await import('../world.js')
    await signIn(tab)
    it.advance(290)
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'login_required' })
    expect(auth.session).toEqual({ status: 'signed-out', reason: 'user_changed' })
  })

  it('[S-43][S-43 twin] ends one caller’s wait by its signal; the others get their token', async () => {
    const { auth, asked, it } = await returning()
    await auth.ready()
    it.advance(290)
    const gate = it.as.delay('token')
    const abort = new AbortController()
    const mine = auth.getToken({ signal: abort.signal })
    const theirs = auth.getToken()
    await vi.waitFor(() => expect(asked).toHaveLength(2))
    abort.abort()
    await expect(mine).rejects.toMatchObject({ name: 'AbortError' })
    gate.release()
    expect(await theirs).toBeTruthy()
    await expect(auth.getToken({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
    expect(asked).toHaveLength(2)
  })

  it('[S-44][S-44 twin] gives up on a backend that hangs, and can ask again', async () => {
    const forward = holdTicks()
    const { it, tab } = await signedIn()
    const deadline = new AbortController()
    let hanging = false
    let hangs = 0
    const { auth } = load(
      tab,
      {
        fetch: (input, init) =>
          hanging
            ? new Promise((_, reject) => {
                hangs++
                init?.signal?.addEventListener('abort', () => reject(init.signal?.reason))
              })
            : tab.fetch(input, init),
      },
      it,
    )
    await auth.getToken()
    it.advance(301)
    vi.spyOn(AbortSignal, 'timeout').mockReturnValueOnce(deadline.signal)
    hanging = true
    const token = auth.getToken()
    await vi.waitFor(() => expect(hangs).toBe(1))
    deadline.abort(new DOMException('late', 'TimeoutError'))
    await expect(token).rejects.toMatchObject({ code: 'refresh_unavailable', retryable: true })
    hanging = false
    forward(30)
    expect(await auth.getToken()).toBeTruthy()
  })

  it('[S-53][S-54] survives sleep and clocks that jump, with one request each and no storm', async () => {
    const { auth, asked, it } = await returning()
    await auth.getToken()
    it.advance(8 * 3600)
    expect(await auth.getToken()).toBeTruthy()
    expect(asked).toHaveLength(2)
    let skew = 0
    const other = load(it.tab, { now: () => it.now() + skew })
    await other.auth.getToken()
    for (const jump of [600, -600, 0]) {
      skew = jump
      for (let at = 0; at < 20; at++) await other.auth.getToken()
    }
    expect(other.asked.length).toBeLessThanOrEqual(4)
    expect(other.auth.session.status).toBe('signed-in')
  })

  it('knows an old token by the monotonic clock when the other is set back', async () => {
    const forward = holdTicks()
    const { it, tab } = await signedIn()
    let skew = 0
    const { auth, asked } = load(tab, { now: () => it.now() + skew })
    await auth.getToken()
    skew = -3600
    forward(299)
    it.advance(299)
    await auth.getToken()
    expect(asked).toEqual(['/bff/session', '/bff/token'])
  })

  it('waits a moment and asks once more after a lost race', async () => {
    // The moment is of random length: the shortest.
    vi.spyOn(Math, 'random').mockReturnValue(0)
    const { it, tab } = await signedIn()
    let races = 1
    const { auth, asked } = load(
      tab,
      {
        fetch: async (input, init) => {
          if (`${input}`.endsWith('/token') && races-- > 0)
            return Response.json({ error: 'refresh_race' }, { status: 409 })
          return tab.fetch(input, init)
        },
      },
      it,
    )
    await auth.ready()
    it.advance(290)
    expect(await auth.getToken()).toBeTruthy()
    expect(asked).toEqual([])
    expect(auth.session.status).toBe('signed-in')
  })

  it('[S-38] drops an answer that comes after sign-out', async () => {
    const { auth, it, asked } = await returning()
    await auth.ready()
    it.advance(290)
    const gate = it.as.delay('token')
    const late = auth.getToken()
    late.catch(() => {})
    await vi.waitFor(() => expect(asked).toHaveLength(2))
    const out = auth.logout({ local: true })
    gate.release()
    await expect(late).rejects.toMatchObject({ code: 'login_required' })
    await out
    expect(auth.session).toEqual({ status: 'signed-out', reason: 'logged_out' })
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'login_required' })
  })
})

describe('what the page keeps and says', () => {
  it('[C-14][C-14 twin][S-78][S-79][C-22] holds no token in storage, URL, history, errors or events', async () => {
    const { auth, events, it } = await returning()
    await auth.getToken()
    it.advance(290)
    await auth.getToken()
    const refused = await auth.getToken({ scope: 'admin' }).catch((error: SallyportError) => error)
    const said = JSON.stringify([
      Object.entries(localStorage),
      Object.entries(sessionStorage),
      document.cookie,
      location.href,
      history.state,
      events,
      refused,
      refused instanceof SallyportError && [refused.message, refused.stack, refused.cause],
      auth,
      auth.session,
    ])
    expect(it.as.issued.length).toBeGreaterThan(5)
    for (const secret of it.as.issued) expect(said).not.toContain(secret)
    expect(said).toContain('invalid_scope')
    expect(APP).toBeTruthy()
  })

  it('keeps the same snapshot until something changes', async () => {
    const { auth, it } = await returning()
    const before = await auth.ready()
    const heard = vi.fn()
    const stop = auth.subscribe(heard)
    it.advance(290)
    await auth.getToken()
    expect(auth.session).toBe(before)
    expect(heard).toHaveBeenCalledTimes(1)
    stop()
    stop()
    await auth.logout({ local: true })
    expect(heard).toHaveBeenCalledTimes(1)
  })
})

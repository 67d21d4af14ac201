import { describe, expect, it, vi } from 'vitest'
import { randomKey } from '../keys.js'
import { APP, assigned, load, redirectUrl, signedIn } from './page.js'

/** An API that remembers what reached it and refuses the tokens in `refused`. */
async function withApi(options: Parameters<typeof load>[1] = {}) {
  const { it, tab, auth: first } = await signedIn()
  first.close()
  const refused = new Set<string>()
  const seen: Array<{ url: string; authorization: string | null; body: string }> = []
  const page = load(
    tab,
    {
      ...options,
      fetch: async (input, init) => {
        const request = new Request(input instanceof Request ? input : new URL(`${input}`, APP), init)
        if (request.url.startsWith(`${APP}/bff/`)) return tab.fetch(request.url, init)
        const authorization = request.headers.get('authorization')
        seen.push({ url: request.url, authorization, body: await request.text() })
        return new Response(authorization, { status: refused.has(authorization?.slice(7) ?? '') ? 401 : 200 })
      },
    },
    it,
  )
  return { it, refused, seen, ...page }
}

describe('auth.fetch()', () => {
  it('[C-21 twin][S-71 twin] attaches a token for this origin and for what is listed, by whole path segments', async () => {
    const { auth, seen } = await withApi({
      apis: {
        'https://api.example.com/v1': { scope: 'notes:read' },
        'https://api.example.com/v1/admin/': { scope: 'notes:write' },
      },
    })
    const own = await auth.getToken()
    for (const url of ['/api/notes', `${APP}/x`, new URL(`${APP}/y`), new Request(`${APP}/z`)]) await auth.fetch(url)
    for (const { authorization } of seen) expect(authorization).toBe(`Bearer ${own}`)
    await auth.fetch('https://api.example.com/v1/notes')
    await auth.fetch('https://api.example.com/v1')
    await auth.fetch('https://api.example.com/v1/admin/users')
    const scopes = seen.slice(4).map(({ authorization }) => JSON.parse(atob(authorization?.split('.')[1] ?? '')).scope)
    expect(scopes).toEqual(['notes:read', 'notes:read', 'notes:write'])
  })

  it.each([
    'https://evil.example/api',
    'https://api.example.com/v10',
    'https://api.example.com/v1.evil',
    'https://api.example.com/',
    'https://api.example.com.evil.example/v1',
    'https://user:pass@api.example.com/v1',
    'http://api.example.com/v1',
    'https://api.example.com:8443/v1',
    'https://api.example.com/v1/../v2',
    '//evil.example/',
    'https://app.example.com@evil.example/',
    '/bff/session',
    '/bff',
    '/api/../bff/token',
    'blob:https://app.example.com/x',
    'data:text/plain,x',
  ])('[C-21][S-71] sends no token to %s, and says so', async (url) => {
    const { auth, seen } = await withApi({ apis: { 'https://api.example.com/v1': {} } })
    await expect(auth.fetch(url)).rejects.toMatchObject({ code: 'origin_not_allowed' })
    expect(seen).toEqual([])
  })

  it('[S-71] resolves relative URLs as the platform does, a <base> of another origin included', async () => {
    const { auth, seen } = await withApi()
    const base = document.head.appendChild(document.createElement('base'))
    base.href = 'https://evil.example/'
    await expect(auth.fetch('/api/notes')).rejects.toMatchObject({ code: 'origin_not_allowed' })
    base.remove()
    expect(seen).toEqual([])
    expect((await auth.fetch('/api/notes')).status).toBe(200)
  })

  it('[S-69 twin][S-73] replays once with another token after a 401, ten at once with one renewal', async () => {
    const { auth, it, refused, asked, seen } = await withApi()
    refused.add(await auth.getToken())
    it.advance(11)
    const answers = await Promise.all(Array.from({ length: 10 }, () => auth.fetch('/api/notes')))
    for (const answer of answers) expect(answer.status).toBe(200)
    expect(seen).toHaveLength(20)
    expect(it.as.grants.refresh_token).toBe(1)
    expect(asked).toEqual([])
  })

  it('[S-69] gives the caller a second 401, and asks no further', async () => {
    const { auth, it, refused, seen } = await withApi()
    refused.add(await auth.getToken())
    it.advance(11)
    const spy = vi.spyOn(refused, 'has').mockReturnValue(true)
    expect((await auth.fetch('/api/notes')).status).toBe(401)
    expect(seen).toHaveLength(2)
    spy.mockRestore()
    expect(it.as.grants.refresh_token).toBe(1)
  })

  it('[S-69] gives the caller the 401 when there is no other token: this one is too young', async () => {
    const { auth, it, refused, seen } = await withApi()
    refused.add(await auth.getToken())
    it.advance(5)
    expect((await auth.fetch('/api/notes')).status).toBe(401)
    expect(seen).toHaveLength(1)
    expect(it.as.grants.refresh_token).toBe(0)
  })

  it('[S-73 twin] makes no renewal for ten answers that are fine', async () => {
    const { auth, it, seen } = await withApi()
    await Promise.all(Array.from({ length: 10 }, () => auth.fetch('/api/notes')))
    expect(seen).toHaveLength(10)
    expect(it.as.grants.refresh_token).toBe(0)
  })

  it('[S-70 twin] replays text, forms and Requests with their body', async () => {
    const { auth, it, refused, seen } = await withApi()
    const form = new FormData()
    form.set('a', 'b')
    for (const [input, init] of [
      ['/api', { method: 'POST', body: 'text' }],
      ['/api', { method: 'POST', body: new URLSearchParams({ a: 'b' }) }],
      ['/api', { method: 'POST', body: form }],
      [new Request(`${APP}/api`, { method: 'PUT', body: 'of a Request' }), undefined],
    ] as const) {
      refused.add(await auth.getToken())
      it.advance(11)
      seen.length = 0
      expect((await auth.fetch(input, init)).status).toBe(200)
      const [once, twice] = seen
      expect(once?.body).toBeTruthy()
      if (!(init?.body instanceof FormData)) expect(twice?.body).toBe(once?.body)
      expect(twice?.body).toContain(init?.body instanceof FormData ? 'name="a"' : (once?.body ?? ''))
    }
  })

  it('[S-70] sends a stream once, and gives the caller the 401', async () => {
    const { auth, it, refused, seen } = await withApi()
    refused.add(await auth.getToken())
    it.advance(11)
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('once'))
        controller.close()
      },
    })
    const answer = await auth.fetch('/api', { method: 'POST', body, duplex: 'half' } as RequestInit)
    expect(answer.status).toBe(401)
    expect(seen).toHaveLength(1)
  })

  /** What an owner can change of a call, after it was made. */
  const changes: [string, () => [RequestInfo | URL, RequestInit | undefined, () => void]][] = [
    [
      'the URL object',
      () => {
        const url = new URL(`${APP}/api`)
        return [
          url,
          { method: 'POST', body: 'body', headers: { 'X-Mine': '1' } },
          () => (url.href = 'https://evil.example/'),
        ]
      },
    ],
    [
      'the headers',
      () => {
        const headers = new Headers({ 'X-Mine': '1' })
        return ['/api', { method: 'POST', body: 'body', headers }, () => headers.set('X-Mine', '2')]
      },
    ],
    [
      'the init object',
      () => {
        const init: RequestInit = { method: 'POST', body: 'body', headers: { 'X-Mine': '1' } }
        return ['/api', init, () => Object.assign(init, { method: 'DELETE', body: null, headers: {} })]
      },
    ],
    [
      'the bytes',
      () => {
        const body = new TextEncoder().encode('body')
        return ['/api', { method: 'POST', body, headers: { 'X-Mine': '1' } }, () => body.fill(0)]
      },
    ],
    [
      'the fields',
      () => {
        const body = new URLSearchParams('body')
        return ['/api', { method: 'POST', body, headers: { 'X-Mine': '1' } }, () => body.append('more', '')]
      },
    ],
    [
      'the headers of a Request, and its body by reading it',
      () => {
        const request = new Request(`${APP}/api`, { method: 'POST', body: 'body', headers: { 'X-Mine': '1' } })
        return [
          request,
          undefined,
          () => {
            request.headers.set('X-Mine', '2')
            request.text().catch(() => {})
          },
        ]
      },
    ],
  ]

  describe.each(['token-mediating', 'proxy'])('in %s mode', (mode) => {
    it.each(changes)(
      '[C-23][C-24] fetches what was there at the call, whole: %s may change meanwhile',
      async (_, make) => {
        const { it: world, tab, auth: first } = await signedIn()
        first.close()
        const seen: string[] = []
        const { auth } = load(
          tab,
          {
            apis: { [`${APP}/api`]: { route: 'notes' } },
            fetch: async (input, init) => {
              const request = new Request(input instanceof Request ? input : new URL(`${input}`, APP), init)
              const { pathname } = new URL(request.url)
              if (mode === 'proxy' && pathname === '/bff/session')
                return Response.json({ mode, user: { sub: 'alice' }, expires_at: 2_000_000_000 })
              if (request.url.startsWith(`${APP}/bff/`) && pathname !== '/bff/api/notes')
                return tab.fetch(request.url, init)
              const { method, headers } = request
              seen.push(`${method} ${request.url} ${headers.get('x-mine')} ${await request.text()}`)
              // The first token is refused, so that the request is sent once more.
              const again = mode !== 'proxy' && seen.length === 1
              return new Response(null, { status: again ? 401 : 200 })
            },
          },
          world,
        )
        world.advance(11)
        const [input, init, change] = make()
        const calling = auth.fetch(input, init)
        change()
        expect((await calling).status).toBe(200)
        const url = mode === 'proxy' ? `${APP}/bff/api/notes` : `${APP}/api`
        const sent = new RegExp(`^POST ${url} 1 body=?$`)
        expect(seen).toHaveLength(mode === 'proxy' ? 1 : 2)
        for (const one of seen) expect(one).toMatch(sent)
      },
    )
  })

  it('[C-23 twin] fetches what its owner has made of it before the call', async () => {
    const { auth, seen } = await withApi()
    const url = new URL(`${APP}/elsewhere`)
    url.pathname = '/api'
    await auth.fetch(url)
    expect(seen[0]?.url).toBe(`${APP}/api`)
  })

  it('[C-24] refuses a Request whose body was read before, as fetch() does', async () => {
    const { auth, seen } = await withApi()
    const request = new Request(`${APP}/api`, { method: 'POST', body: 'x' })
    await request.text()
    await expect(auth.fetch(request)).rejects.toThrow(TypeError)
    expect(seen).toEqual([])
  })

  it('[C-24 twin] sends a Request as it is with what is said beside it', async () => {
    const { auth, seen } = await withApi()
    await auth.fetch(new Request(`${APP}/api`, { method: 'POST', body: 'x' }), { body: 'y' })
    expect(seen[0]?.body).toBe('y')
  })

  it('keeps the caller’s headers, and stops with the caller’s signal', async () => {
    const { auth, it } = await withApi()
    const spy = vi.fn(async (_input: unknown, _init?: RequestInit) => new Response())
    const { auth: other } = load(
      it.tab,
      { fetch: (input, init) => (`${input}`.includes('/bff/') ? it.tab.fetch(input, init) : spy(input, init)) },
      it,
    )
    await other.fetch('/api', { headers: { 'X-Mine': '1' } })
    const headers = new Headers(spy.mock.calls[0]?.[1]?.headers)
    expect(headers.get('x-mine')).toBe('1')
    expect(headers.get('authorization')).toMatch(/^Bearer /)
    await expect(auth.fetch('/api', { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('rejects login_required where nobody is signed in, and sends nothing', async () => {
    const { auth, seen } = await withApi()
    await auth.logout({ local: true })
    await expect(auth.fetch('/api/notes')).rejects.toMatchObject({ code: 'login_required' })
    expect(seen).toEqual([])
  })
})

describe('auth.logout()', () => {
  it('[S-68][S-68 twin] drops the token in the same tick, ends the session, then leaves for the provider', async () => {
    const { it, tab, auth } = await signedIn()
    auth.logout().catch(() => {})
    expect(auth.session).toEqual({ status: 'signed-out', reason: 'logged_out' })
    expect(await redirectUrl()).toBe(`${APP}/bff/logout/continue`)
    expect(it.browser.jar.all().map(({ name }) => name)).toEqual(['__Host-Http-sallyport.logout'])
    expect(await load(tab, {}, it).auth.ready()).toMatchObject({ status: 'signed-out' })
  })

  it('[S-67] leaves once, however often it is called, and does nothing where there is no session', async () => {
    const { it, tab, auth } = await signedIn()
    for (let at = 0; at < 3; at++) auth.logout().catch(() => {})
    await redirectUrl()
    expect(location.assign).toHaveBeenCalledTimes(1)
    const stranger = load(tab, {}, it)
    await stranger.auth.logout()
    await stranger.auth.logout()
    expect(location.assign).toHaveBeenCalledTimes(1)
  })

  it('takes the way back that the backend lists: through the provider, or at once where nothing is to be done there', async () => {
    const bye = 'https://www.example.org/bye'
    const client_secret = randomKey()
    const { it, auth } = await signedIn(
      {},
      { client_secret, post_logout_redirect_uris: [`${APP}/`, `${APP}/bye`, bye] },
      {
        clients: [
          {
            client_id: 'notes',
            client_secret,
            redirect_uris: [`${APP}/callback`],
            post_logout_redirect_uris: [`${APP}/bye`],
          },
        ],
      },
    )
    auth.logout({ returnTo: '/bye' }).catch(() => {})
    const { url } = await it.tab.navigate(await redirectUrl())
    expect(new URL(url).pathname).toBe('/bye')
    const stranger = load(it.tab, {}, it).auth
    stranger.logout({ returnTo: bye }).catch(() => {})
    await vi.waitFor(() => expect(assigned).toEqual([`${APP}/bff/logout/continue`, bye]))
    await load(it.tab, {}, it).auth.logout({ returnTo: bye, local: true })
    await load(it.tab, {}, it).auth.logout({ returnTo: 'https://evil.example/' })
    expect(assigned).toHaveLength(2)
  })

  it('[S-65][S-65 twin] is done here though the provider cannot be reached', async () => {
    const { it, auth } = await signedIn()
    it.as.fail('discovery', 'refused', { times: 9 })
    it.restart()
    await auth.logout()
    expect(auth.session).toEqual({ status: 'signed-out', reason: 'logged_out' })
    expect(it.browser.jar.all()).toEqual([])
  })

  it('[S-66][S-66 twin] is done though the revocation failed', async () => {
    const { it, auth } = await signedIn()
    it.as.fail('revocation', { status: 500 })
    await auth.logout({ local: true })
    expect(it.browser.jar.all().map(({ name }) => name)).not.toContain('__Host-Http-sallyport')
  })

  it('says so when the backend could not be reached: the session may be alive', async () => {
    const { it, tab } = await signedIn()
    let broken = false
    const { auth } = load(
      tab,
      { fetch: (input, init) => (broken ? Promise.reject(new TypeError()) : tab.fetch(input, init)) },
      it,
    )
    await auth.ready()
    broken = true
    await expect(auth.logout()).rejects.toMatchObject({ code: 'logout_failed', retryable: true })
    expect(auth.session.status).toBe('unavailable')
    broken = false
    await auth.logout({ local: true })
    expect(auth.session).toEqual({ status: 'signed-out', reason: 'logged_out' })
  })

  it('[S-39][S-39 twin] is not overtaken by a sign-in that a guard of the app begins', async () => {
    const { auth } = await signedIn()
    auth.subscribe((session) => {
      if (session.status === 'signed-out') auth.login().catch(() => {})
    })
    auth.logout().catch(() => {})
    expect(await redirectUrl()).toBe(`${APP}/bff/logout/continue`)
    expect(location.assign).toHaveBeenCalledTimes(1)
  })
})

import { describe, expect, it } from 'vitest'
// With a store: there are all endpoints.
import { API, APP, bodyOf, call, formOf, look, world as sealed, signIn, stored as world } from '../../world.js'

/** A request as it reaches the backend, headers by hand: what a browser would add is what each test is about. */
const raw = (
  path: string,
  init: { method?: string; headers?: Record<string, string>; fields?: Record<string, string> } = {},
) =>
  new Request(`${APP}/bff${path}`, {
    method: init.method ?? 'POST',
    headers: init.headers ?? {},
    ...(init.fields && { body: formOf(init.fields) }),
  })

const posts = ['/session', '/transaction', '/token', '/logout']
const gets = ['/session', '/.well-known/openid-configuration', '/sessions']
const deletes = [`/sessions/${'x'.repeat(43)}`]
const own = { 'Sallyport-CSRF': '1', 'Sec-Fetch-Site': 'same-origin', Origin: APP }

describe('the CSRF rules, on every endpoint', () => {
  it('are those of the table that describe() prints: nothing else is exempt', async () => {
    const always = ['GET /bff/logout/continue', 'GET /bff/health', 'HEAD /bff/health']
    const own = ['GET /bff/login', 'POST /bff/login', 'GET /bff/callback']
    const byForm = ['GET /bff/login', 'POST /bff/login', 'POST /bff/callback']
    const byProvider = ['POST /bff/backchannel-logout', 'GET /bff/frontchannel-logout']
    for (const [{ bff }, exempt] of [
      [await sealed(), always],
      [await world(), [...always, ...byProvider]],
      [await sealed({ mode: 'proxy' }), [...own, ...always]],
      [await sealed({ mode: 'proxy', response_mode: 'form_post' }), [...byForm, ...always]],
      [await sealed({ mode: 'proxy', routes: { feed: { upstream: API, sse: true } } }), [...own, ...always]],
    ] as const) {
      const { endpoints } = await bff.describe()
      expect(endpoints.filter(({ csrf }) => !csrf).map(({ method, path }) => `${method} ${path}`)).toEqual(exempt)
      for (const { method, path, csrf } of endpoints) {
        const response = await bff.fetch(new Request(APP + path, { method: method.replace('ALL', 'GET') }))
        expect(response.status === 403, `${method} ${path}`).toBe(csrf)
      }
    }
  })

  describe.each([
    ['[F-1][F-2][F-6][F-12] without the header', { 'Sec-Fetch-Site': 'same-origin', Origin: APP }],
    ['with another value in the header', { ...own, 'Sallyport-CSRF': 'true' }],
    ['from another site', { ...own, 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' }],
    ['[F-3] from a sibling subdomain', { ...own, 'Sec-Fetch-Site': 'same-site', Origin: 'https://blog.example.com' }],
    ['[F-4] with Origin: null', { ...own, Origin: 'null' }],
    ['[F-5] with our Origin, but cross-site', { ...own, 'Sec-Fetch-Site': 'cross-site' }],
    ['from an origin that ends like ours', { 'Sallyport-CSRF': '1', Origin: 'https://evil-app.example.com' }],
    ['from our host with another scheme', { 'Sallyport-CSRF': '1', Origin: 'http://app.example.com' }],
  ])('%s', (_name, headers) => {
    it.each(posts)('[B-08] refuses POST %s', async (path) => {
      const { bff, as, eventTypes } = await world()
      const response = await bff.fetch(raw(path, { headers, fields: { grant_type: 'refresh_token' } }))
      expect(response.status).toBe(403)
      const body = await bodyOf(response)
      expect(body.error).toBe('csrf_required')
      expect(body.error_description).toContain(APP)
      expect(response.headers.get('set-cookie')).toBeNull()
      expect(as.requests.token ?? 0).toBe(0)
      expect(eventTypes()).toEqual(['request_refused'])
    })
    it.each([...gets.map((path) => ['GET', path] as const), ...deletes.map((path) => ['DELETE', path] as const)])(
      '[B-08] refuses %s %s',
      async (method, path) => {
        const { bff } = await world()
        expect((await bff.fetch(raw(path, { method, headers }))).status).toBe(403)
      },
    )
  })

  it.each([...posts.map((path) => ['POST', path] as const), ...gets.map((path) => ['GET', path] as const)])(
    '[B-08 twin][F-1 twin][F-3 twin][F-4 twin][F-5 twin][F-12 twin] lets %s %s through from our own page',
    async (method, path) => {
      const { bff } = await world()
      expect((await bff.fetch(raw(path, { method, headers: own }))).status).not.toBe(403)
    },
  )

  it('[F-6 twin] lets an old browser through by the header alone', async () => {
    const { bff } = await world()
    expect((await bff.fetch(raw('/session', { headers: { 'Sallyport-CSRF': '1' } }))).status).toBe(200)
  })

  it('[B-09] refuses GET and HEAD on what changes something, and changes nothing', async () => {
    const { tab, bff, browser } = await world()
    await signIn(tab)
    const before = JSON.stringify(browser.jar.all())
    for (const method of ['GET', 'HEAD'])
      for (const path of ['/logout', '/token', '/transaction']) {
        const cookie = browser.jar.header(`${APP}/`) ?? ''
        const response = await bff.fetch(raw(path, { method, headers: { ...own, Cookie: cookie } }))
        expect(response.status, `${method} ${path}`).toBe(405)
        expect(response.headers.get('allow')).toBe('POST')
        expect(response.headers.get('set-cookie')).toBeNull()
      }
    expect(JSON.stringify(browser.jar.all())).toBe(before)
    expect((await bodyOf(await look(tab, '/session'))).user.sub).toBe('alice')
  })

  it('[B-09 twin][F-2 twin][F-9 twin][F-11 twin] signs out on POST', async () => {
    const { tab } = await world()
    await signIn(tab)
    expect((await call(tab, '/logout')).status).toBe(200)
    expect((await bodyOf(await look(tab, '/session'))).user).toBeNull()
  })

  it('[F-9] changes nothing on HEAD and OPTIONS, wherever', async () => {
    const { tab, bff, browser } = await world()
    await signIn(tab)
    const cookie = browser.jar.header(`${APP}/`) ?? ''
    for (const { path } of (await bff.describe()).endpoints)
      for (const method of ['HEAD', 'OPTIONS']) {
        const response = await bff.fetch(new Request(APP + path, { method, headers: { ...own, Cookie: cookie } }))
        expect(response.headers.get('set-cookie'), `${method} ${path}`).toBeNull()
      }
    expect((await bodyOf(await look(tab, '/session'))).user.sub).toBe('alice')
  })

  it('[F-11] does not hear method overrides', async () => {
    const { bff } = await world()
    const headers = { ...own, 'X-HTTP-Method-Override': 'POST' }
    expect((await bff.fetch(raw('/logout', { method: 'GET', headers }))).status).toBe(405)
  })

  it('[B-23] gives a foreign origin no CORS header, on requests and preflights', async () => {
    const { bff } = await world()
    const foreign = { Origin: 'https://evil.example', 'Access-Control-Request-Method': 'POST' }
    for (const method of ['POST', 'OPTIONS']) {
      const response = await bff.fetch(raw('/session', { method, headers: { ...foreign, 'Sallyport-CSRF': '1' } }))
      expect(response.status).toBe(403)
      expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
    }
  })

  it('[B-23 twin] answers an origin that is listed exactly, with credentials', async () => {
    const admin = 'https://admin.example.com'
    const { bff } = await world({ allowedOrigins: [admin] })
    const headers = { Origin: admin, 'Sec-Fetch-Site': 'same-site', 'Sallyport-CSRF': '1' }
    const preflight = await bff.fetch(raw('/session', { method: 'OPTIONS', headers }))
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-origin')).toBe(admin)
    const response = await bff.fetch(raw('/session', { headers }))
    expect(response.status).toBe(200)
    expect(response.headers.get('access-control-allow-origin')).toBe(admin)
    expect(response.headers.get('access-control-allow-credentials')).toBe('true')
    expect(response.headers.get('access-control-expose-headers')).toBe('Retry-After')
    expect(
      (await bff.fetch(raw('/session', { headers: { ...headers, Origin: `${admin}.evil.example` } }))).status,
    ).toBe(403)
  })

  it('[B-10][F-43] keeps every answer out of shared caches', async () => {
    const { tab, bff } = await world()
    const signedIn = await signIn(tab)
    const answers = [
      signedIn,
      await call(tab, '/session'),
      await look(tab, '/session'),
      await call(tab, '/token'),
      await call(tab, '/logout'),
    ]
    answers.push(await bff.fetch(raw('/nothing')), await bff.fetch(raw('/session')))
    for (const answer of answers) {
      expect(answer.headers.get('cache-control')).toBe('no-store, private')
      expect(answer.headers.get('vary')).toContain('Cookie')
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    }
  })

  it('[B-10 twin][F-43 twin] shows the signed-in user their own answer, and nobody else', async () => {
    const { tab, browser } = await world()
    await signIn(tab)
    expect((await bodyOf(await call(tab, '/session'))).user.sub).toBe('alice')
    browser.jar.clear()
    expect((await bodyOf(await call(tab, '/session'))).user).toBeNull()
  })

  it('refuses bodies that are no form, too long, repeated or unknown', async () => {
    const { bff } = await world()
    const send = (body: string, type = 'application/x-www-form-urlencoded') =>
      bff.fetch(new Request(`${APP}/bff/session`, { method: 'POST', headers: { ...own, 'Content-Type': type }, body }))
    expect((await send('{"scope":"openid"}', 'application/json')).status).toBe(415)
    expect((await send('scope=openid', 'text/plain')).status).toBe(415)
    expect((await send(`scope=${'a'.repeat(20_000)}`)).status).toBe(413)
    expect((await send('scope=openid&scope=email')).status).toBe(400)
    expect((await send('user=alice')).status).toBe(400)
    expect((await send('min_validity=NaN')).status).toBe(400)
    expect((await send('scope=openid&min_validity=10')).status).toBe(200)
  })

  it('stops reading a body without an end', async () => {
    const { bff } = await world()
    let sent = 0
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 1024
        controller.enqueue(new Uint8Array(1024).fill(97))
      },
    })
    const headers = { ...own, 'Content-Type': 'application/x-www-form-urlencoded' }
    const request = new Request(`${APP}/bff/session`, { method: 'POST', headers, body, duplex: 'half' } as RequestInit)
    expect((await bff.fetch(request)).status).toBe(413)
    expect(sent).toBeLessThan(64 * 1024)
  })

  it('does not know other paths', async () => {
    const { bff } = await world()
    for (const path of ['/api/notes', '/login', '/callback', '/session/', '//session'])
      expect((await bff.fetch(raw(path, { headers: own }))).status, path).toBe(404)
  })
})

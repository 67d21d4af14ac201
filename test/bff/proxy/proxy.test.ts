import { decodeJwt } from 'jose'
import type { RouteOptions } from 'sallyport/bff'
import { describe, expect, it } from 'vitest'
import { API, APP, bodyOf, homes, ISSUER, type Tab, type World, type WorldOptions } from '../../world.js'

const OTHER = 'https://other.example.com'

const routes: Record<string, RouteOptions> = {
  notes: { upstream: `${API}/v1`, resource: API, scope: 'notes:read' },
  other: { upstream: `${OTHER}/`, resource: OTHER, scope: 'other:read', methods: ['GET'] },
  open: { upstream: `${API}/open`, anonymous: true, limit: 1000 },
  slow: { upstream: `${API}/slow`, resource: API, timeout: 0.05 },
}

/** What an API has been sent. */
interface Seen {
  url: string
  method: string
  headers: Headers
  body: string
}

describe.each(homes)('the proxy, with %s', (_home, open) => {
  /** Alice, signed in at a backend before two APIs that answer what they are told to. */
  async function world(options: WorldOptions = {}) {
    const seen: Seen[] = []
    const api = {
      seen,
      answer: (_request: Request): Response | Promise<Response> => Response.json({ ok: true }),
    }
    const here: World = await open({
      mode: 'proxy',
      routes,
      fetch: async (input, init) => {
        const request = new Request(input, init)
        if (new URL(request.url).origin === ISSUER) return here.as.fetch(request)
        seen.push({
          url: request.url,
          method: request.method,
          headers: request.headers,
          body: await request.clone().text(),
        })
        return api.answer(request)
      },
      ...options,
    })
    await here.tab.navigate(`${APP}/bff/login`)
    return { ...here, api }
  }

  const ask = (tab: Tab, path: string, init: RequestInit = {}) =>
    tab.fetch(`/bff/api${path}`, { ...init, headers: { 'Sallyport-CSRF': '1', ...init.headers } })
  /** By hand, with the person's cookies and whatever headers. */
  const raw = (here: { bff: World['bff']; browser: World['browser'] }, path: string, headers: Record<string, string>) =>
    here.bff.fetch(
      new Request(`${APP}/bff/api${path}`, {
        headers: { 'Sallyport-CSRF': '1', Cookie: here.browser.jar.header(`${APP}/`) ?? '', ...headers },
      }),
    )

  it('calls an API as the user who is signed in: the token goes there, and never to the page', async () => {
    const { tab, api, as } = await world()
    const response = await ask(tab, '/notes/list?page=2')
    expect(await bodyOf(response)).toEqual({ ok: true })
    const [call] = api.seen
    expect(call?.url).toBe(`${API}/v1/list?page=2`)
    const [scheme, token = ''] = (call?.headers.get('authorization') ?? '').split(' ')
    expect(scheme).toBe('Bearer')
    const claims = decodeJwt(token)
    expect(claims).toMatchObject({ sub: 'alice', aud: API, scope: 'notes:read' })
    expect(as.issued).toContain(token)
    expect(response.headers.get('cache-control')).toBe('no-store, private')
    expect(response.headers.get('vary')).toBe('Cookie')
  })

  const bent = [
    '/notes/%2e%2e/admin',
    '/notes/..%2fadmin',
    '/notes/..%5cadmin',
    '/notes//evil.example',
    '/notes/;/x',
    '/notes/a%00b',
    '/notes/%252e%252e/admin',
    '/notes/%2F%2Fevil.example',
    '/notes/a%0d%0aX:1',
    '/notes/%c0%ae%c0%ae/admin',
    '/notes/x?a=%c0%ae',
  ]
  it.each(bent)('[F-76][P-02][P-14] refuses %s, and calls nobody', async (path) => {
    const here = await world()
    const before = here.as.requests.token
    const response = await raw(here, path, {})
    // What the URL parser has resolved already leads to another route, or to none.
    expect([400, 404]).toContain(response.status)
    expect(here.api.seen).toEqual([])
    expect(here.as.requests.token).toBe(before)
  })

  it('[F-76 twin][P-02 twin][F-84][F-84 twin] sends what was matched, byte for byte, the query too', async () => {
    const { tab, api } = await world()
    const paths = ['/notes', '/notes/', '/notes/a%20b/c', '/notes/x?a=1&a=2&b=a+b%20c&c=%2F&d=&e', '/notes/%C3%A9:@!$,']
    for (const path of paths) expect((await ask(tab, path)).status, path).toBe(200)
    expect(api.seen.map(({ url }) => url)).toEqual(paths.map((path) => path.replace('/notes', `${API}/v1`)))
  })

  it('[F-84] reaches an API that is a whole origin, with a path or without', async () => {
    const here = await world({ routes: { whole: { upstream: OTHER, anonymous: true } } })
    for (const path of ['/whole?a=b', '/whole', '/whole/', '/whole/x?c'])
      expect((await raw(here, path, {})).status).toBe(200)
    expect(here.api.seen.map(({ url }) => url.slice(OTHER.length))).toEqual(['/?a=b', '/', '/', '/x?c'])
  })

  it('[F-77][P-01][P-05] goes nowhere else, whatever a request says', async () => {
    const here = await world()
    for (const path of ['/notes/@evil.example', '/notes/x:80', '/notes/http:evil.example'])
      await raw(here, path, { 'X-Forwarded-Host': 'evil.example', 'X-Original-URL': '/admin', Forwarded: 'host=evil' })
    expect(here.api.seen.length).toBe(3)
    for (const { url, headers } of here.api.seen) {
      expect(new URL(url).origin).toBe(API)
      expect(new URL(url).pathname).toMatch(/^\/v1\//)
      for (const name of ['x-forwarded-host', 'x-original-url', 'forwarded']) expect(headers.get(name)).toBeNull()
    }
    for (const path of ['/constructor/x', '/__proto__/x', '/Notes/x', '/unknown/x', '/'])
      expect((await raw(here, path, {})).status, path).toBe(404)
    expect((await raw(here, '', {})).status).toBe(404)
  })

  it('[F-77 twin][P-01 twin] goes to each route’s own API with that API’s own token', async () => {
    const { tab, api } = await world({ scope: 'openid offline_access notes:read other:read' })
    await ask(tab, '/notes/x')
    await ask(tab, '/other/y')
    const audiences = api.seen.map(({ url, headers }) => {
      const token = headers.get('authorization')?.replace('Bearer ', '')
      return [new URL(url).origin, token && decodeJwt(token).aud]
    })
    expect(audiences[0]).toEqual([API, API])
  })

  it('[F-79][P-07] follows no redirect, and passes on only where it stays', async () => {
    const { tab, api } = await world()
    for (const [location, passed] of [
      ['https://evil.example/x', null],
      [`${API}/admin`, null],
      ['//evil.example', null],
      ['/v10/x', null],
      [`${API}/v1/moved?a=b`, '/bff/api/notes/moved?a=b'],
      ['/v1/there', '/bff/api/notes/there'],
    ] as const) {
      api.answer = () => new Response(null, { status: 302, headers: { Location: location } })
      const response = await ask(tab, '/notes/x', { redirect: 'manual' })
      expect(response.status).toBe(302)
      expect(response.headers.get('location'), location).toBe(passed)
    }
    expect(api.seen.every(({ url }) => url === `${API}/v1/x`)).toBe(true)
  })

  it('[F-79 twin][P-07 twin] passes on an answer that is none', async () => {
    const { tab, api } = await world()
    api.answer = () => new Response('made', { status: 201, headers: { Location: '/v1/notes/7' } })
    const response = await ask(tab, '/notes/notes', { method: 'POST', body: '{}' })
    expect(response.status).toBe(201)
    expect(response.headers.get('location')).toBe('/bff/api/notes/notes/7')
  })

  it('[F-80][P-03][P-05] takes no credential and no address from the page', async () => {
    const here = await world()
    const names = 'Authorization DPoP Proxy-Authorization X-Forwarded-For X-Real-IP X-Api-Key X_User Referer'.split(' ')
    const headers = Object.fromEntries(names.map((name) => [name, 'mallory']))
    await raw(here, '/notes/x', { ...headers, 'X-HTTP-Method-Override': 'DELETE' })
    const sent = here.api.seen[0]?.headers
    expect(sent?.get('authorization')).toMatch(/^Bearer eyJ/)
    expect(sent?.get('cookie')).toBeNull()
    for (const name of [...names.slice(1), 'sallyport-csrf', 'x-http-method-override'])
      expect(sent?.get(name)).toBeNull()
    await raw(here, '/open/x', headers)
    expect(here.api.seen[1]?.headers.get('authorization')).toBeNull()
    expect(here.api.seen[1]?.url).toBe(`${API}/open/x`)
  })

  it('[F-80 twin][P-03 twin][P-05 twin] lets through what an API needs, and what the route lists', async () => {
    const here = await world({
      routes: { notes: { upstream: API, requestHeaders: ['x-trace'], responseHeaders: ['x-total'] } },
    })
    here.api.answer = () => new Response('ok', { headers: { 'X-Total': '7', 'X-Other': '1', ETag: '"1"' } })
    const response = await raw(here, '/notes/x', { Accept: 'a/b', 'If-None-Match': '"0"', 'X-Trace': '1' })
    const sent = here.api.seen[0]?.headers
    expect([sent?.get('accept'), sent?.get('if-none-match'), sent?.get('x-trace')]).toEqual(['a/b', '"0"', '1'])
    expect([response.headers.get('x-total'), response.headers.get('x-other')]).toEqual(['7', null])
    expect(response.headers.get('etag')).toBe('"1"')
  })

  it('[F-82][P-09] drops the API’s cookies, CORS and security headers', async () => {
    const { tab, api, browser } = await world()
    await ask(tab, '/notes/x')
    const before = browser.jar.all()
    api.answer = () =>
      new Response('ok', {
        headers: {
          'Set-Cookie': '__Host-Http-sallyport=planted; Path=/; Secure; HttpOnly',
          'Access-Control-Allow-Origin': '*',
          'Strict-Transport-Security': 'max-age=1',
          'Content-Security-Policy': 'script-src *',
          'Cache-Control': 'public, max-age=99',
          Vary: 'Accept',
          Server: 'x',
        },
      })
    const { headers } = await ask(tab, '/notes/x')
    for (const name of ['access-control-allow-origin', 'strict-transport-security', 'server'])
      expect(headers.get(name)).toBeNull()
    expect(headers.get('content-security-policy')).not.toContain('script-src')
    expect(headers.get('cache-control')).toBe('no-store, private')
    expect(headers.get('vary')).toBe('Cookie')
    expect(browser.jar.all().map(({ value }) => value)).toEqual(before.map(({ value }) => value))
  })

  it('[F-82] lets no API ask people for a password in our name, and runs nothing that it answers', async () => {
    const { tab, api } = await world()
    const challenge = async (value: string) => {
      api.answer = () => new Response('<script>1</script>', { status: 401, headers: { 'WWW-Authenticate': value } })
      return ask(tab, '/notes/x')
    }
    for (const value of ['Basic realm="x"', 'Bearer error="invalid_token", Basic realm="x"', 'Negotiate', '"'])
      expect((await challenge(value)).headers.get('www-authenticate'), value).toBeNull()
    const stepUp = 'Bearer error="insufficient_user_authentication", acr_values="mfa"'
    const answer = await challenge(stepUp)
    expect(answer.headers.get('www-authenticate')).toBe(stepUp)
    expect(answer.headers.get('content-security-policy')).toContain('sandbox')
  })

  it('[F-82 twin][P-09 twin] passes on what describes the content', async () => {
    const { tab, api } = await world()
    const headers = { 'Content-Type': 'text/csv', 'Content-Disposition': 'attachment', 'Retry-After': '3' }
    api.answer = () => new Response('a,b', { headers })
    const response = await ask(tab, '/notes/x')
    for (const [name, value] of Object.entries(headers)) expect(response.headers.get(name)).toBe(value)
  })

  it('[F-83][F-83 twin] asks for plain bytes, so that no length or encoding is wrong afterwards', async () => {
    const { tab, api } = await world()
    api.answer = () => new Response('plain', { headers: { 'Content-Length': '999', 'Content-Encoding': 'gzip' } })
    const response = await ask(tab, '/notes/x', { headers: { 'Accept-Encoding': 'gzip, br' } })
    expect(api.seen[0]?.headers.get('accept-encoding')).toBe('identity')
    expect(response.headers.get('content-encoding')).toBeNull()
    expect(response.headers.get('content-length')).toBeNull()
    expect(await response.text()).toBe('plain')
  })

  it('[F-86][P-06] refuses a method that the route does not have before any token is looked for', async () => {
    const { tab, api, as, advance } = await world()
    advance(301)
    const response = await ask(tab, '/other/x', { method: 'POST', body: 'x' })
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe('GET')
    expect(api.seen).toEqual([])
    expect(as.grants.refresh_token).toBe(0)
    expect((await ask(tab, '/notes/x', { method: 'OPTIONS' })).status).toBe(403)
  })

  it('[F-86 twin][P-06 twin] takes each that it has', async () => {
    const { tab, api } = await world()
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])
      expect((await ask(tab, '/notes/x', { method, ...(method !== 'GET' && { body: 'x' }) })).status).toBe(200)
    expect(api.seen.map(({ method }) => method)).toEqual(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])
  })

  it('[F-87][P-08] renews the token once after a 401, and sends the request once more, with its body', async () => {
    const { tab, api, as, advance } = await world()
    await ask(tab, '/notes/x')
    const grants = as.grants.refresh_token
    advance(20)
    const tokens = () => api.seen.map(({ headers }) => headers.get('authorization'))
    const [refused] = tokens()
    api.answer = (request) =>
      request.headers.get('authorization') === refused ? new Response(null, { status: 401 }) : new Response('ok')
    const response = await ask(tab, '/notes/x', {
      method: 'POST',
      body: 'hello',
      headers: { 'Content-Length': '5' },
    })
    expect(response.status).toBe(200)
    expect(as.grants.refresh_token).toBe(grants + 1)
    expect(api.seen.slice(1).map(({ body }) => body)).toEqual(['hello', 'hello'])
    api.answer = () => new Response(null, { status: 401 })
    advance(20)
    expect((await ask(tab, '/notes/x')).status).toBe(401)
    expect(api.seen).toHaveLength(5)
  })

  it('[F-87 twin][P-08 twin] asks once where the API is content', async () => {
    const { tab, api } = await world()
    await ask(tab, '/notes/x')
    await ask(tab, '/notes/x')
    expect(api.seen).toHaveLength(2)
  })

  it('[F-90][F-90 twin] keeps two people apart, also at once', async () => {
    const { tab, device, as, api } = await world()
    const phone = device()
    as.signIn('bob')
    await phone.navigate(`${APP}/bff/login`)
    api.answer = ({ headers }) =>
      Response.json({ sub: decodeJwt(`${headers.get('authorization')?.replace('Bearer ', '')}`).sub })
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) => ask(at % 2 ? phone : tab, `/notes/${at}`).then(bodyOf)),
    )
    expect(answers.map(({ sub }) => sub)).toEqual(Array.from({ length: 20 }, (_, at) => (at % 2 ? 'bob' : 'alice')))
  })

  it('[P-04][P-04 twin] attaches no token for a call without the header, on any route', async () => {
    const here = await world()
    for (const path of ['/notes/x', '/other/x', '/open/x', '/unknown/x'])
      for (const headers of [
        {},
        { 'Sallyport-CSRF': '0' },
        { 'Sallyport-CSRF': '1', Origin: 'https://evil.example' },
      ]) {
        const request = new Request(`${APP}/bff/api${path}`, {
          headers: { Cookie: here.browser.jar.header(`${APP}/`) ?? '', ...headers },
        })
        expect((await here.bff.fetch(request)).status).toBe(403)
      }
    expect(here.api.seen).toEqual([])
    expect((await raw(here, '/notes/x', {})).status).toBe(200)
    expect(here.api.seen).toHaveLength(1)
  })

  it('[P-10][P-10 twin] is in no cache, whatever a path looks like', async () => {
    const here = await world()
    here.api.answer = () => Response.json({ secret: 'alice' }, { headers: { 'Cache-Control': 'public, max-age=3600' } })
    for (const path of ['/notes/me/nonexistent.css', '/notes/me.js', '/notes/me%3Fx.png']) {
      const answer = await raw(here, path, {})
      expect(answer.headers.get('cache-control')).toBe('no-store, private')
      expect(await answer.text()).toContain('alice')
      const stranger = await raw(here, path, { Cookie: '' })
      expect(stranger.status).toBe(401)
      expect(await stranger.text()).not.toContain('alice')
    }
  })

  it('[P-11][P-11 twin] decides by the path alone what needs nobody signed in', async () => {
    const here = await world()
    const tricks = {
      'X-Original-URL': '/bff/api/open/x',
      'X-Forwarded-Uri': '/bff/api/open/x',
      'X-Rewrite-URL': '/open',
    }
    for (const path of ['/notes/x?/bff/api/open/', '/notes/x?route=open', '/notes/open/x'])
      expect((await raw(here, path, { Cookie: '', ...tricks })).status).toBe(401)
    expect(here.api.seen).toEqual([])
    expect((await raw(here, '/open/x?route=notes', { Cookie: '' })).status).toBe(200)
  })

  it('says who is not signed in, who is not our page, and what is down, each in its own way', async () => {
    const here = await world()
    const { tab, api, browser, as, advance } = here
    expect((await tab.fetch('/bff/api/notes/x')).status).toBe(403)
    expect((await raw(here, '/notes/x', { 'Sec-Fetch-Site': 'cross-site' })).status).toBe(403)
    api.answer = () => Promise.reject(new TypeError('fetch failed'))
    expect(await bodyOf(await ask(tab, '/notes/x'))).toMatchObject({ error: 'upstream_unavailable' })
    expect(here.events).toContainEqual({ type: 'upstream_failed', route: 'notes' })
    as.fail('token', { status: 503 })
    advance(301)
    const down = await ask(tab, '/notes/x')
    expect(down.status).toBe(503)
    expect(down.headers.get('retry-after')).toBeTruthy()
    browser.jar.clear()
    const stranger = await ask(tab, '/notes/x')
    expect(stranger.status).toBe(401)
    expect(await bodyOf(stranger)).toMatchObject({ error: 'session_expired', reason: 'none' })
    api.answer = () => new Response('hello')
    expect(await (await ask(tab, '/open/x')).text()).toBe('hello')
  })

  it('gives up on an API that does not begin to answer', async () => {
    const { tab, api } = await world()
    api.answer = (request) =>
      new Promise((_, reject) => request.signal.addEventListener('abort', () => reject(request.signal.reason)))
    const response = await ask(tab, '/slow/x')
    expect(response.status).toBe(504)
    expect((await bodyOf(response)).error).toBe('upstream_timeout')
  })

  it('[F-85][F-85 twin][P-13][P-13 twin] passes on streams as they come, and refuses bodies beyond the route’s limit', async () => {
    const here = await world()
    const { tab, api } = here
    let pulled = 0
    let cancelled = false
    api.answer = () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            pulled++
            controller.enqueue(new Uint8Array(1000))
          },
          cancel() {
            cancelled = true
          },
        }),
      )
    const reader = (await ask(tab, '/notes/x')).body?.getReader()
    for (let chunks = 0; chunks < 5; chunks++) expect((await reader?.read())?.value?.length).toBe(1000)
    expect(pulled).toBeLessThan(20)
    await reader?.cancel()
    expect(cancelled).toBe(true)

    api.answer = async (request) => new Response(`${(await request.arrayBuffer()).byteLength}`)
    const send = (body: BodyInit) =>
      here.bff.fetch(
        new Request(`${APP}/bff/api/open/x`, {
          method: 'PUT',
          headers: { 'Sallyport-CSRF': '1' },
          body,
          duplex: 'half',
        } as RequestInit),
      )
    const stream = (chunks: number) =>
      new ReadableStream({
        start(controller) {
          for (let at = 0; at < chunks; at++) controller.enqueue(new Uint8Array(100))
          controller.close()
        },
      })
    expect(await (await send(stream(10))).text()).toBe('1000')
    expect((await send(stream(11))).status).toBeGreaterThanOrEqual(413)
    expect((await send('x'.repeat(1001))).status).toBeGreaterThanOrEqual(413)
    expect(await (await send('x'.repeat(1000))).text()).toBe('1000')
  })

  it('examines its routes at the start, and tells of them in describe()', async () => {
    const { bff } = await world()
    expect((await bff.describe()).routes['other']).toMatchObject({
      upstream: `${OTHER}/`,
      methods: ['GET'],
      anonymous: false,
      sse: false,
      websocket: false,
      timeout: 30,
      limit: 10_485_760,
      requestHeaders: expect.arrayContaining(['content-type']),
      responseHeaders: expect.arrayContaining(['etag']),
    })
    for (const [route, words] of [
      [{ upstream: 'http://api.example.com' }, /"routes" must be https/],
      [{ upstream: 'https://user@api.example.com' }, /user information/],
      [{ upstream: `${API}?a=b` }, /no query/],
      [{ upstream: API, methods: ['TRACE'] }, /"methods"/],
      [{ upstream: API, resource: 'https://unknown.example' }, /"resource"/],
      [{ upstream: API, requestHeaders: ['cookie'] }, /"cookie"/],
      [{ upstream: API, requestHeaders: ['x_user'] }, /"x_user"/],
      [{ upstream: API, responseHeaders: ['set-cookie'] }, /"set-cookie"/],
      [{ upstream: API, timeout: 0 }, /"routes.r.timeout" must be a number of seconds, more than 0; got 0/],
      [{ upstream: API, timeout: '5' }, /"routes.r.timeout" must be a number of seconds, more than 0; got text "5"/],
      [{ upstream: API, header: [] }, /"routes.r.header" is not known here/],
      [{ upstream: API, requestHeader: [] }, /did you mean "requestHeaders"/],
    ] as const)
      await expect(open({ mode: 'proxy', routes: { r: route as unknown as RouteOptions } })).rejects.toThrow(words)
    await expect(open({ mode: 'proxy', routes: { 'A/b': { upstream: API } } })).rejects.toThrow(/lower-case/)
    await expect(open({ routes })).rejects.toThrow(/needs mode: "proxy"/)
  })
})

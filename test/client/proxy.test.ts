import type { AuthOptions } from 'sallyport'
import { describe, expect, it, vi } from 'vitest'
import { API, ISSUER, world } from '../world.js'
import { APP, load, redirectUrl, signInThrough } from './page.js'

describe('a page whose backend is in proxy mode', () => {
  it('signs in through the backend, and says why it has no token', async () => {
    const it = await world({ mode: 'proxy' })
    const { auth, asked, events } = await signInThrough(it, it.tab, {}, { returnTo: '/notes#a' })
    expect(auth.session).toMatchObject({ status: 'signed-in', user: { sub: 'alice' } })
    expect(asked).toEqual(['/bff/session'])
    expect(location.pathname + location.hash).toBe('/notes#a')
    expect(events.map(({ type }) => type)).toEqual(['signed_in'])
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'token_not_available', retryable: false })
    expect(asked).toHaveLength(1)
    await auth.logout({ local: true })
    expect(auth.session).toEqual({ status: 'signed-out', reason: 'logged_out' })
    expect((await load(it.tab, {}, it).auth.ready()).status).toBe('signed-out')
  })

  it('hands what it asks of a sign-in to the backend, which asks for the scope that is configured there', async () => {
    const it = await world({ mode: 'proxy', authorizationParams: ['organization'] })
    const { auth } = load(it.tab, {}, it)
    const wishes = {
      prompt: 'login',
      max_age: 0,
      login_hint: 'a&b',
      scope: 'openid email',
      returnTo: '/x?y=1',
    } as const
    auth.login({ ...wishes, params: { organization: 'acme' } }).catch(() => {})
    const url = new URL(await redirectUrl(), APP)
    expect(url.pathname).toBe('/bff/login')
    expect(Object.fromEntries(url.searchParams)).toEqual({
      prompt: 'login',
      max_age: '0',
      login_hint: 'a&b',
      organization: 'acme',
      return_to: '/x?y=1',
    })
  })

  it('is told of a parameter that the backend does not list: it would be ignored', async () => {
    const it = await world({ mode: 'proxy', authorizationParams: ['organization'] })
    const { auth } = load(it.tab, {}, it)
    await expect(auth.login({ params: { organisation: 'acme' } })).rejects.toMatchObject({
      code: 'request_refused',
      cause: { error: 'invalid_request', error_description: '"authorizationParams" does not list organisation.' },
    })
  })

  /** A page signed in before a backend with two routes; what reaches the APIs is kept. */
  async function withApis(apis: AuthOptions['apis'] = {}) {
    const seen: { url: string; authorization: string | null; body: string }[] = []
    let status = 200
    const it = await world({
      mode: 'proxy',
      routes: { notes: { upstream: `${API}/v1` }, files: { upstream: 'https://files.example.com' } },
      fetch: async (input, init) => {
        const request = new Request(input, init)
        if (request.url.startsWith(ISSUER)) return it.as.fetch(request)
        seen.push({ url: request.url, authorization: request.headers.get('authorization'), body: await request.text() })
        return new Response('answer', {
          status,
          headers: status === 401 ? { 'WWW-Authenticate': 'Bearer error="invalid_token"' } : {},
        })
      },
    })
    const page = await signInThrough(it, it.tab, { apis })
    return { it, seen, answer: (next: number) => (status = next), ...page }
  }

  it('calls APIs through the backend, by the same URLs as with tokens', async () => {
    const { auth, seen, asked } = await withApis({
      [`${API}/v1`]: { route: 'notes' },
      'https://files.example.com': { route: 'files' },
    })
    asked.length = 0
    for (const url of [
      `${API}/v1/a%20b?x=1&x=2`,
      new URL(`${API}/v1`),
      '/api/notes/own?y',
      'https://files.example.com/f',
    ])
      expect(await (await auth.fetch(url)).text()).toBe('answer')
    await auth.fetch(new Request(`${API}/v1/posted`, { method: 'POST', body: 'hello' }))
    await auth.fetch('/api/notes/posted', { method: 'PUT', body: 'again' })
    expect(seen.map(({ url }) => url)).toEqual([
      `${API}/v1/a%20b?x=1&x=2`,
      `${API}/v1`,
      `${API}/v1/own?y`,
      'https://files.example.com/f',
      `${API}/v1/posted`,
      `${API}/v1/posted`,
    ])
    expect(seen.map(({ body }) => body).filter(Boolean)).toEqual(['hello', 'again'])
    for (const { authorization } of seen) expect(authorization).toMatch(/^Bearer eyJ/)
    expect(new Set(asked.map((path) => path.replace(/^(\/bff\/api)\/.*/, '$1')))).toEqual(new Set(['/bff/api']))
  })

  const nowhere = ['/x', '/apis/x', 'https://evil.example/x', `${API}/v2`, 'https://unrouted.example.com/x']
  it.each([...nowhere, '/bff/session', '/bff/api', '/bff/api/notes/x'])('calls nobody for %s', async (url) => {
    const { auth, seen, asked } = await withApis({
      [`${API}/v1`]: { route: 'notes' },
      'https://unrouted.example.com': {},
    })
    asked.length = 0
    await expect(auth.fetch(url)).rejects.toMatchObject({ code: 'origin_not_allowed' })
    expect([...seen, ...asked]).toEqual([])
  })

  it('learns from a refusal of the backend’s that nobody is signed in, and not from one of the API’s', async () => {
    const { it, auth, answer, asked } = await withApis()
    asked.length = 0
    answer(401)
    expect((await auth.fetch('/api/notes/x')).status).toBe(401)
    expect(asked).toEqual(['/bff/api/notes/x'])
    expect(auth.session.status).toBe('signed-in')
    it.advance(86_400 + 10)
    expect((await auth.fetch('/api/notes/x')).status).toBe(401)
    await vi.waitFor(() => expect(auth.session).toEqual({ status: 'signed-out', reason: 'expired' }))
    await expect(auth.fetch('/api/notes/x')).rejects.toMatchObject({ code: 'login_required' })
  })
})

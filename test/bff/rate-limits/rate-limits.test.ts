import { RateLimiterMemory } from 'rate-limiter-flexible'
import { createBff, withPeer } from 'sallyport/bff'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { APP, bodyOf, call, homes, ISSUER, signIn, stored, type World, world } from '../../world.js'

afterEach(() => {
  vi.useRealTimers()
})

const from = (address: string, path = '/bff/login', headers: Record<string, string> = {}) =>
  withPeer(new Request(APP + path, { headers: { 'Sec-Fetch-Mode': 'navigate', ...headers } }), {
    address,
    encrypted: true,
  })

describe('rateLimits', () => {
  it('counts sign-ins by address: 429 with the time to wait, as a page, and nothing was begun', async () => {
    const address = new RateLimiterMemory({ points: 3, duration: 60 })
    const here = await world({ mode: 'proxy', rateLimits: { address } })
    for (let at = 0; at < 3; at++) expect((await here.bff.fetch(from('192.0.2.1'))).status).toBe(303)
    const refused = await here.bff.fetch(from('192.0.2.1'))
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(50)
    expect(refused.headers.getSetCookie()).toEqual([])
    expect(await refused.text()).toContain('Please wait a moment')
    expect(here.events.at(-1)).toMatchObject({
      type: 'request_refused',
      error: 'too_many_requests',
      path: '/bff/login',
    })
    // Somebody else is not concerned, nor what is not a sign-in.
    expect((await here.bff.fetch(from('192.0.2.2'))).status).toBe(303)
    expect((await here.bff.fetch(from('192.0.2.1', '/bff/health'))).status).toBe(200)
  })

  it('counts what a page does to sign in, and leaves session checks and sign-out alone', async () => {
    const here = await world({ rateLimits: { address: new RateLimiterMemory({ points: 2, duration: 60 }) } })
    expect((await signIn(here.tab)).status).toBe(200)
    const refused = await call(here.device(), '/token', { grant_type: 'refresh_token' })
    expect((await call(here.tab, '/token', { grant_type: 'refresh_token' })).status).toBe(200)
    expect([refused.status, await bodyOf(refused)]).toEqual([
      429,
      { error: 'too_many_requests', error_description: expect.any(String) },
    ])
    expect((await call(here.tab, '/session')).status).toBe(200)
    expect((await call(here.tab, '/logout')).status).toBe(200)
  })

  it('is not used up by requests that other sites make a browser send', async () => {
    const here = await world({ rateLimits: { address: new RateLimiterMemory({ points: 1, duration: 60 }) } })
    for (let at = 0; at < 5; at++)
      expect((await here.bff.fetch(new Request(`${APP}/bff/token`, { method: 'POST' }))).status).toBe(403)
    expect((await call(here.tab, '/token', { grant_type: 'refresh_token' })).status).not.toBe(429)
  })

  it.each(homes)('counts calls of APIs by user, whatever the number of their sessions (%s)', async (_home, open) => {
    const calls: string[] = []
    const here: World = await open({
      mode: 'proxy',
      routes: { notes: { upstream: 'https://api.example.com' } },
      rateLimits: { person: new RateLimiterMemory({ points: 3, duration: 60 }) },
      fetch: async (input, init) => {
        const request = input instanceof Request ? input : new Request(input, init)
        if (request.url.startsWith(ISSUER)) return here.as.fetch(request)
        calls.push(request.url)
        return new Response('ok')
      },
    })
    const other = here.device()
    for (const tab of [here.tab, other]) await tab.navigate(`${APP}/bff/login`)
    const get = (tab: typeof other) => tab.fetch(`${APP}/bff/api/notes/x`, { headers: { 'Sallyport-CSRF': '1' } })
    expect([(await get(here.tab)).status, (await get(other)).status, (await get(here.tab)).status]).toEqual([
      200, 200, 200,
    ])
    const refused = await get(other)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '60'])
    expect(calls).toHaveLength(3)
    here.as.signIn('bob')
    const third = here.device()
    await third.navigate(`${APP}/bff/login`)
    expect((await get(third)).status).toBe(200)
  })

  it('takes the address from where the application says, and one for all where there is none', async () => {
    const here = await stored({
      mode: 'proxy',
      rateLimits: {
        address: new RateLimiterMemory({ points: 1, duration: 60 }),
        addressOf: ({ headers }) => headers.get('x-real-ip') ?? undefined,
      },
    })
    const status = async (headers: Record<string, string>) =>
      (await here.bff.fetch(from('127.0.0.1', '/bff/login', headers))).status
    expect(await status({ 'x-real-ip': '192.0.2.1' })).toBe(303)
    expect(await status({ 'x-real-ip': '192.0.2.1' })).toBe(429)
    expect(await status({ 'x-real-ip': '192.0.2.9' })).toBe(303)
    expect([await status({}), await status({})]).toEqual([303, 429])
  })

  it('lets everybody through while the limiter is down, and says so', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const address = {
      consume: vi.fn(async (_key: string): Promise<unknown> => Promise.reject(new Error('ECONNREFUSED'))),
    }
    const here = await world({ mode: 'proxy', rateLimits: { address } })
    expect((await here.bff.fetch(from('192.0.2.1'))).status).toBe(303)
    expect(here.eventTypes()).toEqual(['limiter_unavailable'])
    address.consume.mockImplementation(() => new Promise(() => {}))
    const slow = here.bff.fetch(from('192.0.2.1'))
    await vi.waitFor(() => expect(vi.getTimerCount()).toBeGreaterThan(0))
    await vi.advanceTimersByTimeAsync(1000)
    expect((await slow).status).toBe(303)
    expect(here.eventTypes()).toEqual(['limiter_unavailable', 'limiter_unavailable'])
  })

  it('hands limiters no name of a user', async () => {
    const keys: string[] = []
    const limiter = { consume: async (key: string) => keys.push(key) }
    const here = await world({
      mode: 'proxy',
      routes: { notes: { upstream: 'http://127.0.0.1:9' } },
      rateLimits: { address: limiter, person: limiter },
    })
    await here.tab.navigate(`${APP}/bff/login`)
    // The API is not there; it was counted before that was noticed.
    await here.tab.fetch(`${APP}/bff/api/notes/x`, { headers: { 'Sallyport-CSRF': '1' } })
    expect(keys).toEqual(['address:', 'address:', expect.stringMatching(/^person:[\w-]{43}$/)])
  })

  it('is refused where it is no limiter', () => {
    expect(() =>
      createBff({
        issuer: ISSUER,
        client_id: 'x',
        client_secret: 'a',
        baseUrl: APP,
        cookieKeys: [crypto.randomUUID() + crypto.randomUUID()],
        rateLimits: { address: {} as never },
      }),
    ).toThrow(/rateLimits.*rate-limiter-flexible/)
  })
})

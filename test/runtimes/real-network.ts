import { createBff } from 'sallyport/bff'
import { mockBrowser } from 'sallyport/testing'
import { describe, expect, it } from 'vitest'
import { randomKey } from '../keys.js'

/** A provider that listens on loopback. */
export interface RealProvider {
  issuer: string
  client_id: string
  client_secret: string
}

const APP = 'https://app.example.com'

/** The runtime's own `fetch`, sockets and clock, which the other tests do without. */
export function describeRealNetwork({ issuer, ...client }: RealProvider): void {
  describe('over a real network', () => {
    it('signs in, calls an API that is there, and signs out', async () => {
      const bff = createBff({
        ...client,
        issuer,
        baseUrl: APP,
        mode: 'proxy',
        cookieKeys: [randomKey()],
        routes: { health: { upstream: `${issuer}/api` } },
      })
      const tab = mockBrowser({
        origins: {
          [APP]: (request) => bff.fetch(request),
          [issuer]: (request) => fetch(new Request(request, { redirect: 'manual' })),
        },
      }).newTab(`${APP}/`)
      await tab.navigate(`${APP}/bff/login`)
      const ask = (path: string, method = 'GET') =>
        tab.fetch(`${APP}/bff${path}`, { method, headers: { 'Sallyport-CSRF': '1' }, credentials: 'include' })
      expect(await (await ask('/session')).json()).toMatchObject({ mode: 'proxy', user: { sub: 'alice' } })
      expect(await (await ask('/api/health/token')).text()).toMatch(/^Bearer \S+$/)
      expect((await ask('/api/health/closed')).status).toBe(502)
      expect((await ask('/logout', 'POST')).status).toBe(200)
      expect(await (await ask('/session')).json()).toMatchObject({ user: null })
      await bff.close()
    })
  })
}

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Engine } from '../engines/engine.js'
import { launchFirefox } from '../engines/firefox.js'
import { pageSuite, typed } from '../engines/page.js'
import { startPlace } from '../engines/place.js'

describe('Firefox', () => pageSuite(launchFirefox))

describe('Firefox that blocks cookies and storage', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await launchFirefox({ 'network.cookie.cookieBehavior': 2 })
  })
  afterAll(() => engine?.close())

  it.each(['token-mediating', 'proxy'] as const)(
    '[C-28] gets typed errors in %s mode, and ready() resolves',
    async (mode) => {
      const place = await startPlace({ mode })
      try {
        const tab = await engine.fresh()
        await tab.go(place.url)
        expect(await tab.run('try { return String(sessionStorage) } catch (error) { return error.name }')).toBe(
          'SecurityError',
        )
        const { unexpected, ready, ...found } = await tab.run<Record<string, string>>(
          `return window.probe(${mode !== 'proxy'})`,
        )
        expect(unexpected).toBe('')
        expect([ready, found['popup']]).toEqual(['signed-out', 'storage_unavailable'])
        for (const [call, came] of Object.entries(found)) expect(`${call}: ${came}`).toMatch(typed)
      } finally {
        await place.close()
      }
    },
  )
})

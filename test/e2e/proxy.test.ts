import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Demo, startDemo } from '../../demo/server/index.js'
import { freePort } from '../services/programs.js'
import { launchBrowser } from './browser.js'
import { hunt, overhear } from './hunt.js'
import { button, signIn, signOut } from './visitor.js'

let browser: Browser
let demo: Demo
let context: BrowserContext

beforeAll(async () => {
  browser = await launchBrowser()
})
afterAll(() => browser?.close())

beforeEach(async () => {
  const port = await freePort()
  const resource = `http://localhost:${port}/api`
  demo = await startDemo({
    port,
    quiet: true,
    accessTokenLifetime: 6,
    bff: { mode: 'proxy', routes: { notes: { upstream: `${resource}/notes`, resource } } },
  })
  context = await browser.newContext()
  await context.addInitScript(overhear)
})
afterEach(async () => {
  await context.close()
  await demo.close()
})

/** Calls the notes API through the backend, as a page's own code does. */
const notes = (page: Page, init: RequestInit = {}) =>
  page.evaluate(async (options) => {
    const headers = { 'Sallyport-CSRF': '1', ...(options.body ? { 'Content-Type': 'application/json' } : {}) }
    const response = await fetch('/bff/api/notes', { ...options, headers })
    return { status: response.status, body: await response.json().catch(() => undefined) }
  }, init)

describe('a person at a backend in proxy mode', () => {
  it('signs in at a real provider, works through the proxy, reloads, and signs out: no token in the browser', async () => {
    const page = await context.newPage()
    const said: string[] = []
    page.on('response', async (response) => {
      if (response.url().startsWith(demo.url)) said.push(await response.text().catch(() => ''))
    })
    await page.goto(demo.url)
    await signIn(page, demo)
    expect(new URL(page.url()).pathname + new URL(page.url()).search).toBe('/')
    expect((await notes(page)).body).toHaveLength(1)
    const body = JSON.stringify({ text: 'through the proxy' })
    expect((await notes(page, { method: 'POST', body })).status).toBe(201)
    await page.reload()
    await button(page, 'Sign out').waitFor()
    expect(JSON.stringify((await notes(page)).body)).toContain('through the proxy')

    const issued = demo.provider.issued.map(({ value }) => value)
    expect(issued.length).toBeGreaterThanOrEqual(4)
    expect(await hunt(page, issued)).toEqual([])
    for (const text of said) for (const secret of issued) expect(text).not.toContain(secret)

    await signOut(page, demo)
    expect(await notes(page)).toMatchObject({ status: 401, body: { error: 'session_expired' } })
  })

  it('goes on when the token has run out: it is renewed behind its back', async () => {
    const page = await context.newPage()
    await page.goto(demo.url)
    await signIn(page, demo)
    await expect.poll(async () => (await notes(page)).status).toBe(200)
    await page.waitForTimeout(6500)
    expect((await notes(page)).status).toBe(200)
    expect(demo.provider.grants.refresh_token).toBeGreaterThanOrEqual(1)
  })
})

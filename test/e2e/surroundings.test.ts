import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Demo, startDemo } from '../../demo/server/index.js'
import { launchBrowser } from './browser.js'
import { authenticate, button, signIn, signOut } from './visitor.js'

let browser: Browser
let demo: Demo
let context: BrowserContext
const problems: string[] = []

beforeAll(async () => {
  browser = await launchBrowser()
})
afterAll(() => browser?.close())

beforeEach(async () => {
  problems.length = 0
  demo = await startDemo({ port: 0, quiet: true, freshness: 3 })
  context = await browser.newContext()
  await context.exposeBinding('report', (_, violation: string) => void problems.push(violation))
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sourceFile }) =>
      (globalThis as unknown as { report(text: string): void }).report(
        `${violatedDirective} ${blockedURI} ${sourceFile}`,
      ),
    )
  })
})
afterEach(async () => {
  await context.close()
  await demo.close()
})

/** Answers of the demo's origin come with these headers instead. */
const withHeaders = (headers: Record<string, string | undefined>) =>
  context.route(`${demo.url}/**`, async (route) => {
    const response = await route.fetch({ maxRedirects: 0 })
    const all = Object.entries({ ...response.headers(), ...headers }).filter(([, value]) => value !== undefined)
    await route.fulfill({ response, headers: Object.fromEntries(all) as Record<string, string> })
  })

async function open(path = '/'): Promise<Page> {
  const page = await context.newPage()
  page.on('pageerror', (error) => problems.push(error.message))
  await page.goto(demo.url + path)
  return page
}

describe('strict surroundings', () => {
  it.each([
    [
      'default-src and Trusted Types without any policy',
      {
        'content-security-policy':
          "default-src 'self'; object-src 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
      },
    ],
    [
      'cross-origin isolation',
      { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' },
    ],
  ])('[S-77] every way in and out runs under %s, without one violation', async (_, headers) => {
    await withHeaders(headers)
    const page = await open()
    if ('cross-origin-opener-policy' in headers) expect(await page.evaluate(() => crossOriginIsolated)).toBe(true)
    await signIn(page, demo)
    await page.locator('#notes li').first().waitFor()
    await page.waitForTimeout(4000)
    // Step-up: the 401 that is read, the popup, the call that is made again.
    const opened = context.waitForEvent('page')
    await button(page, 'Delete all notes').click()
    const popup = await opened
    await popup.waitForURL(`${demo.issuer}/**`)
    await authenticate(popup, demo)
    await page.getByText('No notes yet').waitFor()
    await signOut(page, demo)
    await button(page, 'Switch to proxy mode').click()
    await button(page, 'Switch to token-mediating mode').waitFor()
    await signIn(page, demo)
    await page.getByText('No notes yet').waitFor()
    expect(problems).toEqual([])
  })

  it('[S-77] a sandboxed frame of an opaque origin gets typed errors, not exceptions', async () => {
    await withHeaders({
      'content-security-policy': undefined,
      'cross-origin-resource-policy': undefined,
      'access-control-allow-origin': '*',
    })
    const page = await context.newPage()
    page.on('pageerror', (error) => problems.push(error.message))
    await page.route(`${demo.url}/frame`, (route) =>
      route.fulfill({
        contentType: 'text/html',
        body: '<!doctype html><iframe sandbox="allow-scripts" src="/"></iframe>',
      }),
    )
    await page.goto(`${demo.url}/frame`)
    const frame = page.frameLocator('iframe')
    // The backend refuses an opaque origin: nobody can tell who is here, and nothing breaks.
    await frame.getByText('We cannot reach our server').waitFor()
    expect(problems.filter((text) => !/favicon|icon\.svg/.test(text))).toEqual([])
  })
})

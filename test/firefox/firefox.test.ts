import puppeteer, { type Browser, type BrowserContext, type Page } from 'puppeteer-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Demo, startDemo } from '../../demo/server/index.js'
import { ensureProgram } from '../services/programs.js'

let browser: Browser
let demo: Demo
let context: BrowserContext

beforeAll(async () => {
  const executablePath = process.env['FIREFOX'] ?? ensureProgram('firefox-esr')
  browser = await puppeteer.launch({ browser: 'firefox', protocol: 'webDriverBiDi', executablePath, headless: true })
  demo = await startDemo({ port: 0, quiet: true, accessTokenLifetime: 30 })
})
afterAll(async () => {
  await browser?.close()
  await demo?.close()
})
beforeEach(async () => {
  context = await browser.createBrowserContext()
  return () => context.close()
})

const press = (page: Page, name: string) => page.locator(`::-p-aria([name="${name}"][role="button"])`).click()
const sees = (page: Page, selector: string) => page.waitForSelector(selector, { visible: true, timeout: 15_000 })

async function signedIn(): Promise<Page> {
  const page = await context.newPage()
  await page.goto(demo.url)
  await press(page, 'Sign in')
  const field = await sees(page, 'input[type=password]')
  await field?.type(demo.person.password)
  await press(page, 'Sign in')
  await press(page, 'Allow')
  await sees(page, '#notes li')
  return page
}

describe('Firefox ESR', () => {
  it('signs in, reloads with one question, agrees with a second tab, renews, and signs out', async () => {
    const page = await signedIn()
    expect(new URL(page.url()).pathname).toBe('/')

    const before = demo.requests.bff
    await page.reload()
    await sees(page, '#notes li')
    expect(demo.requests.bff - before).toBe(1)

    const second = await context.newPage()
    await second.goto(demo.url)
    await sees(second, '#notes li')

    // Past half of the token's life: both tabs ask at once, the provider makes one grant.
    await new Promise((resolve) => setTimeout(resolve, 16_000))
    // A tab in the background is drawn rarely, and a real click waits for that.
    const ask = () => document.getElementById('ask-token')?.click()
    await Promise.all([page, second].map((tab) => tab.evaluate(ask)))
    await expect.poll(() => demo.provider.grants.refresh_token, { timeout: 5000 }).toBe(1)
    const kept = await page.evaluate(() =>
      JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]),
    )
    for (const { value } of demo.provider.issued) expect(kept).not.toContain(value)

    await second.bringToFront()
    await press(second, 'Sign out')
    await page.waitForFunction(() => !document.getElementById('signed-out')?.hidden, { polling: 100 })
    await page.reload()
    await sees(page, '#signed-out')
  })

  it('signs in by popup', async () => {
    const page = await context.newPage()
    await page.goto(demo.url)
    await sees(page, '#sign-in-popup')
    const opened = new Promise<Page>((resolve) => {
      browser.once('targetcreated', async (target) => resolve((await target.page()) as Page))
    })
    await press(page, 'Sign in by popup')
    const popup = await opened
    const field = await sees(popup, 'input[type=password]')
    await field?.type(demo.person.password)
    await press(popup, 'Sign in')
    await press(popup, 'Allow')
    await sees(page, '#notes li')
    expect(new URL(page.url()).pathname).toBe('/')
  })
})

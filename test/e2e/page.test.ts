import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Demo, type DemoOptions, startDemo } from '../../demo/server/index.js'
import { launchBrowser } from './browser.js'
import { hunt, overhear } from './hunt.js'
import { authenticate, button, signIn, toProvider } from './visitor.js'

let browser: Browser
let demo: Demo
let context: BrowserContext
const problems: string[] = []

beforeAll(async () => {
  browser = await launchBrowser()
})
afterAll(() => browser?.close())

async function start(options: DemoOptions = {}) {
  demo = await startDemo({ port: 0, quiet: true, accessTokenLifetime: 60, ...options })
}

beforeEach(async () => {
  problems.length = 0
  await start()
  context = await browser.newContext()
  await context.addInitScript(overhear)
})
afterEach(async () => {
  await context.close()
  await demo.close()
})

async function open(path = '/'): Promise<Page> {
  const page = await context.newPage()
  page.on('pageerror', (error) => problems.push(error.message))
  await page.goto(demo.url + path)
  return page
}

/** Restarts the demo with other settings. */
async function restart(options: DemoOptions) {
  await demo.close()
  await start(options)
}

async function finishIn(popup: Page) {
  await popup.waitForURL(`${demo.issuer}/**`)
  await authenticate(popup, demo)
  await button(popup, 'Allow').click()
}

/** The popup closes by itself, and the page that opened it has what it shows. */
async function signInByPopup(page: Page) {
  const [popup] = await Promise.all([page.waitForEvent('popup'), button(page, 'Sign in by popup').click()])
  const closed = popup.waitForEvent('close')
  await finishIn(popup)
  await closed
  await button(page, 'Sign out').waitFor()
  await page.locator('#notes li').first().waitFor()
}

describe('a popup', () => {
  it('[S-61][S-62 twin] signs the page in that opened it, which never leaves, and closes by itself', async () => {
    const page = await open()
    await button(page, 'Sign in by popup').waitFor()
    await signInByPopup(page)
    expect(await page.evaluate(() => performance.getEntriesByType('navigation').length)).toBe(1)
    expect(
      await hunt(
        page,
        demo.provider.issued.map(({ value }) => value),
      ),
    ).toEqual([])
    expect(demo.provider.grants.authorization_code).toBe(1)
    expect(problems).toEqual([])
  })

  it('[S-62 twin] survives a Cross-Origin-Opener-Policy that cuts it off', async () => {
    // Of the page itself: whatever it opens on another site is in a group of its own from then on.
    await context.route(`${demo.url}/**`, async (route) => {
      const response = await route.fetch()
      await route.fulfill({ response, headers: { ...response.headers(), 'cross-origin-opener-policy': 'same-origin' } })
    })
    const page = await open()
    const opened = context.waitForEvent('page')
    await button(page, 'Sign in by popup').click()
    await finishIn(await opened)
    await button(page, 'Sign out').waitFor()
    // Nothing is under way any more that the route above would answer too late.
    await page.locator('#notes li').first().waitFor()
    expect(problems).toEqual([])
  })

  it('[S-62] tells the page that it was closed', async () => {
    const page = await open()
    const [popup] = await Promise.all([page.waitForEvent('popup'), button(page, 'Sign in by popup').click()])
    await popup.waitForURL(`${demo.issuer}/**`)
    await page.waitForTimeout(500)
    await popup.close()
    await page.getByText('The sign-in window was closed.').waitFor({ timeout: 1500 })
    // And the button works again.
    const [again] = await Promise.all([page.waitForEvent('popup'), button(page, 'Sign in by popup').click()])
    await finishIn(again)
    await button(page, 'Sign out').waitFor()
  })

  it('tells the page that the user said no', async () => {
    const page = await open()
    const [popup] = await Promise.all([page.waitForEvent('popup'), button(page, 'Sign in by popup').click()])
    await popup.waitForURL(`${demo.issuer}/**`)
    await authenticate(popup, demo)
    await button(popup, 'Deny').click()
    await page.getByText('You did not give access').waitFor()
    await button(page, 'Sign in by popup').waitFor()
  })

  it('works in proxy mode', async () => {
    const page = await open()
    await button(page, 'Switch to proxy mode').click()
    await button(page, 'Switch to token-mediating mode').waitFor()
    await signInByPopup(page)
    expect(problems).toEqual([])
  })
})

describe.each(['token-mediating', 'proxy'])('step-up in %s mode', (mode) => {
  it('[S-72] asks for the password once more, in a popup, and does what was asked for', async () => {
    // Long enough that a busy machine deletes within it.
    await restart({ freshness: 8 })
    const page = await open()
    if (mode === 'proxy') {
      await button(page, 'Switch to proxy mode').click()
      await button(page, 'Switch to token-mediating mode').waitFor()
    }
    await signIn(page, demo)
    await page.locator('#notes li').first().waitFor()
    await page.waitForTimeout(9000)
    const [popup] = await Promise.all([page.waitForEvent('popup'), button(page, 'Delete all notes').click()])
    await popup.waitForURL(`${demo.issuer}/**`)
    await authenticate(popup, demo)
    await page.getByText('No notes yet').waitFor()
    expect(problems).toEqual([])
    // The session goes on like the one before: it can be renewed.
    await page.reload()
    await page.getByText('No notes yet').waitFor()
  })
})

describe('the end of an idle session', () => {
  it('[S-60] is announced, held off by whoever is active in another tab, and by the button', async () => {
    await restart({ bff: { idleTimeout: 70 } })
    const page = await open()
    await signIn(page, demo)
    const other = await open()
    await button(other, 'Sign out').waitFor()
    await page.locator('#countdown').waitFor({ timeout: 20_000 })
    expect(await page.locator('#countdown-left').textContent()).toMatch(/^(5\d s|1 min)$/)
    await other.keyboard.press('Shift')
    await page.locator('#countdown').waitFor({ state: 'hidden' })
    await page.locator('#countdown').waitFor({ timeout: 20_000 })
    await button(page, 'Stay signed in').click()
    await page.locator('#countdown').waitFor({ state: 'hidden' })
    await other.locator('#countdown').waitFor({ state: 'hidden' })
    expect(problems).toEqual([])
  }, 90_000)
})

describe('the back-forward cache', () => {
  it('[S-58] gives back a page whose sign-in is cancelled, and whose button works', async () => {
    const page = await open()
    await toProvider(page, demo)
    await page.evaluate(() => void setTimeout(() => history.back()))
    await page.waitForURL(`${demo.url}/`, { waitUntil: 'commit' })
    await button(page, 'Sign in').waitFor()
    expect(await button(page, 'Sign in').getAttribute('aria-busy')).toBeNull()
    await signIn(page, demo)
    expect(problems).toEqual([])
  })

  it('[S-59] gives back no page that shows a user who has signed out', async () => {
    const page = await open()
    await signIn(page, demo)
    await page.locator('#notes li').first().waitFor()
    await page.goto(`${demo.issuer}/assets/icon.svg`)
    // Meanwhile the person signs out in another tab, which this one, asleep, does not hear.
    const other = await open()
    await button(other, 'Sign out').click()
    await other.waitForURL(`${demo.url}/**`)
    await page.goBack({ waitUntil: 'commit' })
    await page.locator('#signed-out').waitFor({ timeout: 3000 })
    expect(await page.locator('#notes li').count()).toBe(0)
  })
})

it('[S-56] asks nothing while it is hidden, and once when it comes into view', async () => {
  await restart({ accessTokenLifetime: 6 })
  const page = await open()
  await signIn(page, demo)
  await page.locator('#notes li').first().waitFor()
  const hide = (state: 'hidden' | 'visible') =>
    page.evaluate((now) => {
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => now })
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => now === 'hidden' })
      document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))
    }, state)
  await hide('hidden')
  const before = demo.requests.bff
  await page.waitForTimeout(8000)
  expect(demo.requests.bff - before).toBe(0)
  await hide('visible')
  await expect.poll(() => demo.requests.bff - before).toBe(1)
  await page.waitForTimeout(500)
  expect(demo.requests.bff - before).toBe(1)
  expect(demo.provider.grants.refresh_token).toBe(0)
})

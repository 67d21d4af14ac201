import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Place, startPlace } from '../engines/place.js'
import { launchBrowser } from './browser.js'

/** More than there is room for: a browser holds five sign-ins under way. */
const TABS = 14

let browser: Browser
let context: BrowserContext
let place: Place

beforeAll(async () => {
  ;[browser, place] = await Promise.all([launchBrowser(), startPlace({ guarded: true })])
  context = await browser.newContext()
})
afterAll(async () => {
  await browser?.close()
  await place?.close()
})

const greeting = (page: Page) => page.getByText('Hello Alice')

/** A tab that nobody looks at. The driver tells every page that it is looked at, so the page is told otherwise. */
async function inBackground(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const shown = { hidden: true }
    Object.assign(window, {
      look() {
        shown.hidden = false
        document.dispatchEvent(new Event('visibilitychange'))
      },
    })
    Object.defineProperty(document, 'hidden', { get: () => shown.hidden })
    Object.defineProperty(document, 'visibilityState', { get: () => (shown.hidden ? 'hidden' : 'visible') })
  })
}

it('[C-27] fourteen tabs whose session has ended make one sign-in, and each shows its user when it is looked at', async () => {
  const [first, ...others] = await Promise.all(Array.from({ length: TABS }, () => context.newPage()))
  if (!first) throw new Error('no tab')
  await first.goto(`${place.url}/guarded`)
  await greeting(first).waitFor()
  await Promise.all(others.map(inBackground))
  const before = place.as.grants.authorization_code
  const asked: string[] = []
  context.on('request', (request) => {
    if (request.url().startsWith(`${place.issuer}/authorize`)) asked.push(request.url())
  })
  // The session is gone, and all of them are loaded anew, as after a restart of the browser.
  await context.clearCookies()
  await Promise.all([first.reload(), ...others.map((page) => page.goto(`${place.url}/guarded`))])
  await greeting(first).waitFor()
  for (const page of others) {
    await page.evaluate('look()')
    await greeting(page).waitFor()
    expect(page.url()).toBe(`${place.url}/guarded`)
  }
  expect(asked).toHaveLength(1)
  expect(place.as.grants.authorization_code - before).toBe(1)
})

import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { launchBrowser } from './browser.js'
import { nothingPlanted, plantsNothing } from './sibling.js'

let browser: Browser
beforeAll(async () => {
  browser = await launchBrowser()
})
afterAll(() => browser?.close())

it('[B-30] in Chromium, a sibling’s cookie that is almost ours signs nobody in, out or in as another', async () => {
  const page = await (await browser.newContext()).newPage()
  const visitor = {
    async open(url: string) {
      await page.goto(url)
    },
    ask: (path: string, form?: string) =>
      page.evaluate(
        async ([path, body]) => {
          const headers = { 'Sallyport-CSRF': '1', 'Content-Type': 'application/x-www-form-urlencoded' }
          return (await fetch(path, body === null ? { headers } : { method: 'POST', headers, body })).text()
        },
        [path, form ?? null] as [string, string | null],
      ),
  }
  expect(await plantsNothing(visitor)).toEqual(nothingPlanted)
})

import puppeteer, { type Browser } from 'puppeteer-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { nothingPlanted, plantsNothing } from '../e2e/sibling.js'
import { ensureProgram } from '../services/programs.js'

let browser: Browser
beforeAll(async () => {
  const executablePath = process.env['FIREFOX'] ?? ensureProgram('firefox-esr')
  browser = await puppeteer.launch({ browser: 'firefox', protocol: 'webDriverBiDi', executablePath, headless: true })
})
afterAll(() => browser?.close())

it('[B-30] in Firefox, a sibling’s cookie that is almost ours signs nobody in, out or in as another', async () => {
  const page = await browser.newPage()
  const visitor = {
    async open(url: string) {
      await page.goto(url)
    },
    ask: (path: string, form?: string) =>
      page.evaluate(
        async (path, body) => {
          const headers = { 'Sallyport-CSRF': '1', 'Content-Type': 'application/x-www-form-urlencoded' }
          return (await fetch(path, body === null ? { headers } : { method: 'POST', headers, body })).text()
        },
        path,
        form ?? null,
      ),
  }
  expect(await plantsNothing(visitor)).toEqual(nothingPlanted)
})

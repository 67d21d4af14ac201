import puppeteer, { type BrowserContext, type Page } from 'puppeteer-core'
import { ensureProgram } from '../services/programs.js'
import type { Engine, Tab } from './engine.js'

const tabOf = (page: Page): Tab => ({
  go: async (url) => void (await page.goto(url)),
  run: <Value>(body: string) => page.evaluate(`(async () => { ${body} })()`) as Promise<Value>,
  click: (selector) => page.click(selector),
  close: () => page.close(),
})

/** `preferences`: as in about:config. */
export async function launchFirefox(preferences: Record<string, string | number | boolean> = {}): Promise<Engine> {
  const browser = await puppeteer.launch({
    browser: 'firefox',
    protocol: 'webDriverBiDi',
    executablePath: process.env['FIREFOX'] ?? ensureProgram('firefox-esr'),
    headless: true,
    extraPrefsFirefox: preferences,
  })
  let context: BrowserContext | undefined
  return {
    name: 'Firefox',
    async fresh() {
      await context?.close()
      context = await browser.createBrowserContext()
      return tabOf(await context.newPage())
    },
    async popup() {
      for (let tries = 0; tries < 200; tries++) {
        const opened = (await context?.pages())?.[1]
        if (opened) return tabOf(opened)
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
      throw new Error('no window was opened')
    },
    windows: async () => (await context?.pages())?.length ?? 0,
    close: () => browser.close(),
  }
}

import type { BrowserContext, Page } from 'playwright-core'
import { launchBrowser } from '../e2e/browser.js'
import type { Engine, Tab } from './engine.js'

const tabOf = (page: Page): Tab => ({
  go: async (url) => void (await page.goto(url)),
  run: (body) => page.evaluate(`(async () => { ${body} })()`),
  click: (selector) => page.click(selector),
  close: () => page.close(),
})

export async function launchChromium(): Promise<Engine> {
  const browser = await launchBrowser()
  let context: BrowserContext | undefined
  return {
    name: 'Chromium',
    async fresh() {
      await context?.close()
      context = await browser.newContext()
      return tabOf(await context.newPage())
    },
    async popup() {
      const opened = context?.pages()[1] ?? (await context?.waitForEvent('page'))
      if (!opened) throw new Error('no window was opened')
      return tabOf(opened)
    },
    windows: async () => context?.pages().length ?? 0,
    close: () => browser.close(),
  }
}

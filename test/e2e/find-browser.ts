import { delimiter, join } from 'node:path'
import { type BrowserServer, chromium } from 'playwright-core'
import { ensure, runnable } from '../services/programs.js'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']
const places = [
  '/usr/bin/chromium',
  '/usr/bin/google-chrome',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

/** Chromium or Chrome: `CHROMIUM`, then the PATH, then the usual places. */
export function findBrowser(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (env['CHROMIUM']) return runnable(env['CHROMIUM']) ? env['CHROMIUM'] : undefined
  const onPath = (env['PATH'] ?? '').split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)))
  return [...onPath, ...places].find(runnable)
}

/** Finds a browser; as root on Debian installs one; elsewhere says what to do. */
export function ensureBrowser(): string {
  const { CHROMIUM } = process.env
  if (CHROMIUM && !runnable(CHROMIUM)) throw new Error(`CHROMIUM names no program that can be run: ${CHROMIUM}`)
  return ensure(
    findBrowser,
    'chromium',
    'The browser tests need Chromium or Chrome. Install it (Debian, Ubuntu: sudo apt-get install chromium), or set CHROMIUM to its path.',
  )
}

/** Starts it headless, with a fresh profile, quiet towards the network, and with its back-forward cache. */
export const startBrowser = (): Promise<BrowserServer> =>
  chromium.launchServer({
    executablePath: ensureBrowser(),
    headless: true,
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })

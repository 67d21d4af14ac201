import { delimiter, join } from 'node:path'
import { type BrowserServer, chromium } from 'playwright-core'
import { ensure, runnable } from '../services/programs.js'

/** Chromium without windows: the same engine for two thirds of the processor time. */
const shell = 'chromium-headless-shell'
const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']
const places = [
  '/usr/bin/chromium',
  '/usr/bin/google-chrome',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

const onPath = (wanted: readonly string[]) =>
  (process.env['PATH'] ?? '').split(delimiter).flatMap((folder) => wanted.map((name) => join(folder, name)))

/** Chromium or Chrome: `CHROMIUM`, else the PATH, else the usual places. `full`: not the one without windows. */
export function findBrowser(full: boolean): string | undefined {
  const { CHROMIUM } = process.env
  if (CHROMIUM) return runnable(CHROMIUM) ? CHROMIUM : undefined
  return [...onPath(full ? names : [shell, ...names]), ...places].find(runnable)
}

/** Finds a browser; as root on Debian installs one; elsewhere says what to do. */
function ensureBrowser(full: boolean): string {
  const { CHROMIUM } = process.env
  if (CHROMIUM && !runnable(CHROMIUM)) throw new Error(`CHROMIUM names no program that can be run: ${CHROMIUM}`)
  const name = full ? 'chromium' : shell
  return ensure(
    () => findBrowser(full),
    name,
    `The browser tests need Chromium or Chrome. Install it (Debian: sudo apt-get install ${name}; Ubuntu: chromium), or set CHROMIUM to its path.`,
  )
}

/** Starts it headless, with a fresh profile, quiet towards the network, and with its back-forward cache. */
export const startBrowser = (full: boolean): Promise<BrowserServer> =>
  chromium.launchServer({
    executablePath: ensureBrowser(full),
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

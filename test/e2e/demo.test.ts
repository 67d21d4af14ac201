import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Demo, startDemo } from '../../demo/server/index.js'
import { launchBrowser } from './browser.js'
import { hunt, overhear, plant } from './hunt.js'
import * as visitor from './visitor.js'
import { button } from './visitor.js'

let browser: Browser
let demo: Demo
let context: BrowserContext
const output: string[] = []
const problems: string[] = []
const bodies: string[] = []

beforeAll(async () => {
  for (const name of ['log', 'warn', 'error', 'info'] as const)
    vi.spyOn(console, name).mockImplementation((...words) => void output.push(words.map(String).join(' ')))
  browser = await launchBrowser()
})

beforeEach(async () => {
  demo = await startDemo({ port: 0, accessTokenLifetime: 6 })
  context = await browser.newContext()
  await context.addInitScript(overhear)
  problems.length = 0
  bodies.length = 0
})

afterEach(async () => {
  await context.close()
  await demo.close()
})

afterAll(async () => {
  await browser?.close()
  vi.restoreAllMocks()
})

async function open(path = '/'): Promise<Page> {
  const page = await context.newPage()
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('console', (message) => {
    // A refused or failed request is logged by the browser itself.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      problems.push(message.text())
  })
  page.on('response', async (response) => {
    if (response.url().startsWith(demo.url)) bodies.push(await response.text().catch(() => ''))
  })
  await page.goto(demo.url + path)
  return page
}

const toProvider = (page: Page) => visitor.toProvider(page, demo)
const authenticate = (page: Page) => visitor.authenticate(page, demo)
const signIn = (page: Page) => visitor.signIn(page, demo)

const at = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`

const notes = (page: Page) => page.locator('#notes li')

describe('a user at the demo', () => {
  it('signs in, works with notes, reloads, and signs out', async () => {
    const page = await open()
    await signIn(page)
    expect(page.url()).toBe(`${demo.url}/`)
    await page.getByText('Alice', { exact: false }).first().waitFor()
    await notes(page).first().waitFor()
    const before = await notes(page).count()
    await page.getByLabel('New note').fill('Buy a lantern')
    await button(page, 'Add note').click()
    await page.getByText('Buy a lantern').waitFor()
    expect(await notes(page).count()).toBe(before + 1)
    await page.getByRole('button', { name: /Delete note: Buy a lantern/ }).click()
    await page.getByText('Buy a lantern').waitFor({ state: 'detached' })

    const asked: string[] = []
    page.on('request', (request) => asked.push(new URL(request.url()).pathname))
    await page.reload()
    await button(page, 'Sign out').waitFor()
    await notes(page).first().waitFor()
    // A returning user's page load: one question to the backend, and nothing of what only signing in needs.
    expect(asked.filter((path) => path.startsWith('/bff'))).toEqual(['/bff/session'])
    expect(asked.filter((path) => path.includes('sign-in'))).toEqual([])

    await visitor.signOut(page, demo)
    await page.reload()
    await button(page, 'Sign in').waitFor()
    expect((await context.cookies(demo.url)).filter(({ name }) => name.startsWith('sallyport'))).toEqual([])
    expect(problems).toEqual([])
  })

  it('sees the second tab signed in, and a sign-out in one tab in the other within a second', async () => {
    const page = await open()
    await signIn(page)
    const second = await open()
    await button(second, 'Sign out').waitFor()
    await button(second, 'Sign out').click()
    await page.locator('#signed-out').waitFor({ timeout: 1000 })
    expect(problems).toEqual([])
  })

  it('has its token renewed when more validity is wanted than is left, a thousand times at once with one request', async () => {
    const page = await open()
    await signIn(page)
    await wait(3500)
    const requests = demo.requests.bff
    await button(page, 'Ask 1,000 times').click()
    await page.locator('#happened').getByText('1,000', { exact: false }).waitFor()
    await vi.waitFor(() => expect(demo.provider.grants.refresh_token).toBe(1))
    expect(demo.requests.bff - requests).toBe(1)
  })

  it('[S-45] makes one grant for ten tabs that want a token at once, and none of them fails', async () => {
    // Long enough that the ten of them are asked well within half of it, on a busy machine too.
    await demo.close()
    demo = await startDemo({ port: 0, accessTokenLifetime: 24 })
    const first = await open()
    await signIn(first)
    const tabs = [first, ...(await Promise.all(Array.from({ length: 9 }, () => open())))]
    await Promise.all(tabs.map((tab) => notes(tab).first().waitFor()))
    await wait(12_500)
    const before = demo.provider.grants.refresh_token
    await Promise.all(tabs.map((tab) => button(tab, 'Ask for a token').click()))
    await vi.waitFor(async () => {
      for (const tab of tabs) expect(await tab.locator('#renewals').textContent()).toMatch(/[1-9]/)
    }, 30_000)
    expect(demo.provider.grants.refresh_token - before).toBe(1)
    for (const tab of tabs) expect(await button(tab, 'Sign out').count()).toBe(1)
  })

  it('comes back by the back button, and the sign-in button works again', async () => {
    const page = await open()
    await toProvider(page)
    await page.evaluate(() => void setTimeout(() => history.back()))
    await page.waitForURL(`${demo.url}/`, { waitUntil: 'commit' })
    await button(page, 'Sign in').waitFor()
    await signIn(page)
    expect(problems).toEqual([])
  })

  it('is told of a refused consent in words, and can try again', async () => {
    const page = await open()
    await toProvider(page)
    await authenticate(page)
    await button(page, 'Deny').click()
    await page.waitForURL(`${demo.url}/**`)
    await page.locator('#notice').waitFor()
    expect(await page.locator('#notice').textContent()).toBeTruthy()
    expect(page.url()).not.toContain('error=')
    await page.reload()
    await button(page, 'Sign in').waitFor()
    expect(await page.locator('#notice').isVisible()).toBe(false)
    await button(page, 'Sign in').click()
    await button(page, 'Allow').click()
    await button(page, 'Sign out').waitFor()
  })

  it('is not signed in or out by a forged callback', async () => {
    const stranger = await open('/callback?code=stolen&state=forged')
    await button(stranger, 'Sign in').waitFor()
    expect(stranger.url()).toBe(`${demo.url}/`)
    await signIn(stranger)
    const page = await open('/callback?code=stolen&state=forged')
    await button(page, 'Sign out').waitFor()
    expect(page.url()).not.toContain('stolen')
    expect(demo.provider.grants.authorization_code).toBe(1)
  })

  it('stays signed in while the provider is down, and goes on when it is back', async () => {
    const page = await open()
    await signIn(page)
    await demo.provider.stop()
    await wait(6500)
    await page.reload()
    await button(page, 'Sign out').waitFor()
    await page.locator('#notes-error').waitFor()
    await demo.provider.start()
    await vi.waitFor(
      async () => {
        await button(page, 'Try again')
          .click({ timeout: 500 })
          .catch(() => {})
        expect(await notes(page).count()).toBeGreaterThan(0)
      },
      { timeout: 15_000, interval: 500 },
    )
    expect(await button(page, 'Sign out').count()).toBe(1)
  })

  it('can sign out while the provider is down, and stays in the app', async () => {
    const page = await open()
    await signIn(page)
    await demo.provider.stop()
    await button(page, 'Sign out').click()
    await page.locator('#signed-out').waitFor()
    await page.reload()
    await button(page, 'Sign in').waitFor()
    expect(page.url()).toBe(`${demo.url}/`)
    // And cannot begin to sign in there: it is said here, not by the browser's own error page.
    await button(page, 'Sign in').click()
    await page.locator('#notice').waitFor()
    expect(page.url()).toBe(`${demo.url}/`)
  })

  it('learns that the provider has revoked the session at the next renewal', async () => {
    const page = await open()
    await signIn(page)
    demo.provider.revoke()
    await wait(3500)
    await button(page, 'Ask for a token').click()
    await page.locator('#signed-out').waitFor()
  })

  it('can do it all with the keyboard', async () => {
    const page = await open()
    await button(page, 'Sign in').focus()
    await page.keyboard.press('Enter')
    await page.waitForURL(`${demo.issuer}/**`)
    await page.getByLabel('Password').focus()
    await page.keyboard.type(demo.person.password)
    await page.keyboard.press('Enter')
    await button(page, 'Allow').waitFor()
    await button(page, 'Allow').focus()
    await page.keyboard.press('Enter')
    await page.getByLabel('New note').waitFor()
    await page.getByLabel('New note').focus()
    await page.keyboard.type('By keyboard')
    await page.keyboard.press('Enter')
    await page.getByText('By keyboard').waitFor()
  })
})

describe('a script in the page', () => {
  it('[C-14][S-78][D-04] finds no token anywhere, after sign-in, renewal, reload and sign-out, and every one that is planted', async () => {
    const page = await open()
    const secrets = () => demo.provider.issued.map(({ value }) => value)
    const found = async () => hunt(page, secrets())
    await signIn(page)
    expect(await found()).toEqual([])
    await wait(3500)
    await button(page, 'Ask for a token').click()
    await vi.waitFor(() => expect(demo.provider.grants.refresh_token).toBe(1))
    expect(await found()).toEqual([])
    await page.reload()
    await button(page, 'Sign out').waitFor()
    expect(await found()).toEqual([])

    for (const kind of ['access_token', 'refresh_token', 'id_token'] as const) {
      const planted = demo.provider.issued.findLast((issued) => issued.kind === kind)?.value ?? ''
      expect(planted).not.toBe('')
      await plant(page, planted)
      const places = await hunt(page, [planted.slice(0, 2000)])
      expect(places.sort()).toEqual([
        'document.cookie',
        'history',
        'indexedDB',
        'localStorage',
        'messages',
        'sessionStorage',
        'window',
      ])
    }
    await page.evaluate(() => {
      localStorage.clear()
      sessionStorage.clear()
      indexedDB.deleteDatabase('planted')
    })
    await context.clearCookies({ name: 'planted' })
    await page.evaluate(() => history.replaceState(null, ''))
    await page.reload()
    await visitor.signOut(page, demo)
    expect(await found()).toEqual([])

    // Of what the provider gave out, only access tokens were ever in an answer to the page.
    const answered = bodies.join('\n')
    for (const { kind, value } of demo.provider.issued)
      if (kind === 'refresh_token' || kind === 'id_token') expect(answered).not.toContain(value)
    expect(demo.provider.issued.some(({ kind, value }) => kind === 'access_token' && answered.includes(value))).toBe(
      true,
    )
  })

  it('[D-04] cannot read the session cookie, and can ask for an access token as the page does: the documented residual', async () => {
    const page = await open()
    await signIn(page)
    const seen = await page.evaluate(async () => {
      const response = await fetch('/bff/session', { method: 'POST', headers: { 'Sallyport-CSRF': '1' } })
      return { cookie: document.cookie, answer: (await response.json()) as { token: Record<string, unknown> } }
    })
    expect(seen.cookie).not.toContain('sallyport')
    expect(Object.keys(seen.answer.token).sort()).toEqual(['access_token', 'expires_in', 'scope', 'token_type'])
  })

  it('[S-71] is right that a redirect to another origin loses the token: this browser does as the Fetch standard says', async () => {
    const seen: Array<string | undefined> = []
    const api = createServer((request, response) => {
      response.setHeader('Access-Control-Allow-Origin', '*').setHeader('Access-Control-Allow-Headers', '*')
      if (request.method === 'GET') seen.push(request.headers.authorization)
      response.end('there')
    })
    const app = createServer((request, response) => {
      if (request.url === '/away') response.writeHead(307, { Location: at(api) }).end()
      else response.setHeader('Content-Type', 'text/html').end('<!doctype html>')
    })
    for (const server of [api, app]) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const page = await context.newPage()
    await page.goto(at(app))
    const [direct, redirected] = await page.evaluate(async (url) => {
      const init = { headers: { Authorization: 'Bearer of-the-app' } }
      return [await fetch(url, init).then((r) => r.text()), await fetch('/away', init).then((r) => r.text())]
    }, at(api))
    expect([direct, redirected]).toEqual(['there', 'there'])
    expect(seen).toEqual(['Bearer of-the-app', undefined])
    api.close()
    app.close()
  })
})

describe('the demo', () => {
  it('[D-03] sends its security headers with every page', async () => {
    for (const [url, page] of [
      [demo.url, true],
      [`${demo.url}/callback`, true],
      [`${demo.url}/nothing`, true],
      [`${demo.url}/bff/session`, false],
      [`${demo.url}/api/notes`, false],
    ] as const) {
      const { headers } = await fetch(url)
      const policy = headers.get('content-security-policy') ?? ''
      expect(headers.get('x-content-type-options'), url).toBe('nosniff')
      expect(headers.get('referrer-policy'), url).toBe('no-referrer')
      expect(policy, url).toContain("frame-ancestors 'none'")
      expect(policy, url).not.toContain('unsafe')
      if (page) expect(policy).toMatch(/default-src '(none|self)'/)
      else expect(headers.get('cache-control'), url).toContain('no-store')
    }
  })

  it.each(['0.0.0.0', '::', '192.0.2.1', 'example.com'])('[D-01] refuses to start on %s', async (host) => {
    await expect(startDemo({ port: 0, host })).rejects.toThrow(/loopback/i)
  })

  it('[D-01 twin][D-02 twin] starts on loopback', async () => {
    const other = await startDemo({ port: 0, host: 'localhost', quiet: true })
    expect((await fetch(other.url)).status).toBe(200)
    await other.close()
  })

  it('[D-02] refuses to start in production', async () => {
    vi.stubEnv('NODE_ENV', 'production')
    await expect(startDemo({ port: 0 })).rejects.toThrow(/production/i)
    vi.unstubAllEnvs()
  })

  it('[D-08] writes no token, code, cookie or key to its output', async () => {
    const page = await open()
    await signIn(page)
    demo.provider.revoke()
    await wait(3500)
    await button(page, 'Ask for a token').click()
    await page.locator('#signed-out').waitFor()
    const said = output.join('\n')
    expect(said).toContain(demo.url)
    for (const { value } of demo.provider.issued) expect(said).not.toContain(value)
    for (const { value } of await context.cookies()) if (value.length > 16) expect(said).not.toContain(value)
  })
})

import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Demo, startDemo } from '../../demo/server/index.js'
import { launchBrowser } from './browser.js'
import { hunt, overhear } from './hunt.js'
import { button, signIn, signOut } from './visitor.js'

let browser: Browser
let demo: Demo
let context: BrowserContext

beforeAll(async () => {
  browser = await launchBrowser()
})
afterAll(() => browser?.close())

beforeEach(async () => {
  demo = await startDemo({ port: 0, quiet: true, accessTokenLifetime: 6 })
  context = await browser.newContext()
  await context.addInitScript(overhear)
})
afterEach(async () => {
  await context.close()
  await demo.close()
})

/** Everything that the demo's origin answered to this page. */
function listen(page: Page): string[] {
  const said: string[] = []
  page.on('response', async (response) => {
    if (!response.url().startsWith(demo.url)) return
    said.push(JSON.stringify(await response.allHeaders()), await response.text().catch(() => ''))
  })
  return said
}

async function openInProxyMode(): Promise<Page> {
  const page = await context.newPage()
  await page.goto(demo.url)
  await button(page, 'Switch to proxy mode').click()
  await button(page, 'Switch to token-mediating mode').waitFor()
  return page
}

const issued = () => demo.provider.issued.map(({ value }) => value)
const notes = (page: Page) => page.locator('#notes li')

/** What an injected script gets that calls the API through the backend. */
const call = (page: Page, path: string) =>
  page.evaluate(async (target) => {
    const response = await fetch(target, { headers: { 'Sallyport-CSRF': '1' } })
    const headers = [...response.headers].flat().join('\n')
    return { status: response.status, body: await response.text(), headers }
  }, path)

describe('a user at the demo in proxy mode', () => {
  it('signs in at a real provider, works with notes, reloads, and signs out: no token in the browser', async () => {
    const page = await openInProxyMode()
    const said = listen(page)
    await signIn(page, demo)
    expect(page.url()).toBe(`${demo.url}/`)
    await page.getByLabel('New note').fill('through the proxy')
    await button(page, 'Add note').click()
    await page.getByText('through the proxy').waitFor()
    await page.reload()
    await page.getByText('through the proxy').waitFor()

    expect(issued().length).toBeGreaterThanOrEqual(4)
    expect(await hunt(page, issued())).toEqual([])
    for (const text of said) for (const secret of issued()) expect(text).not.toContain(secret)

    await signOut(page, demo)
    expect(await call(page, '/proxy/api/notes')).toMatchObject({ status: 401 })
  })

  it('goes on when the token has run out: it is renewed behind its back', async () => {
    const page = await openInProxyMode()
    await signIn(page, demo)
    await notes(page).first().waitFor()
    await page.waitForTimeout(6500)
    await page.reload()
    await notes(page).first().waitFor()
    expect(demo.provider.grants.refresh_token).toBe(1)
  })

  it('goes on when the API refuses the token: the backend sends the call again with another one', async () => {
    // Longer than the backend waits before it replaces a young token.
    await demo.close()
    demo = await startDemo({ port: 0, quiet: true, accessTokenLifetime: 60 })
    const page = await openInProxyMode()
    await signIn(page, demo)
    await notes(page).first().waitFor()
    await button(page, 'Expire the token').click()
    await page.getByText('The API responded with 401. The backend requested').waitFor({ timeout: 20_000 })
    expect(await button(page, 'Sign out').count()).toBe(1)
  })

  it('stays signed in while the provider is down', async () => {
    const page = await openInProxyMode()
    await signIn(page, demo)
    await notes(page).first().waitFor()
    await button(page, 'Stop the provider').click()
    await page.getByText('The provider is stopped. You are still signed in').waitFor()
    await page.reload()
    await button(page, 'Sign out').waitFor()
  })

  it('has a session of its own in each mode, and devices in both', async () => {
    const page = await context.newPage()
    await page.goto(demo.url)
    await signIn(page, demo)
    await button(page, 'Switch to proxy mode').click()
    await button(page, 'Sign in').waitFor()
    await button(page, 'Sign in').click()
    await button(page, 'Allow').click()
    await button(page, 'Sign out').waitFor()
    await page.getByRole('link', { name: 'Your devices' }).click()
    await page.getByText('This device').waitFor()
    await page.goto(demo.url)
    await button(page, 'Switch to token-mediating mode').click()
    await button(page, 'Sign out').waitFor()
  })
})

describe('a script in the page, in proxy mode', () => {
  it('[D-05] finds no token anywhere and is answered none, and can only call through the page', async () => {
    const page = await openInProxyMode()
    const said = listen(page)
    await signIn(page, demo)
    await notes(page).first().waitFor()
    expect(await hunt(page, issued())).toEqual([])

    const { status, body, headers } = await call(page, '/proxy/api/notes')
    expect([status, JSON.parse(body)]).toEqual([200, expect.any(Array)])
    for (const secret of issued()) expect(body + headers).not.toContain(secret)
    for (const path of ['/proxy/session', '/proxy/session?touch=false', '/proxy/sessions', '/proxy/api/notes'])
      await call(page, path)
    const asked = await page.evaluate(async () => {
      const init = { method: 'POST', headers: { 'Sallyport-CSRF': '1' } }
      return JSON.parse(await (await fetch('/proxy/session', init)).text())
    })
    expect(asked).toMatchObject({ mode: 'proxy' })
    expect(asked).not.toHaveProperty('token')
    // And the token-mediating backend beside it knows nothing of this session.
    expect((await call(page, '/bff/session')).body).toContain('"user":null')
    // Without the page's cookie there is nothing: what the script saw cannot be taken away and used elsewhere.
    const elsewhere = await fetch(`${demo.url}/proxy/api/notes`, { headers: { 'Sallyport-CSRF': '1' } })
    expect(elsewhere.status).toBe(401)
    expect(await page.evaluate(() => document.cookie)).not.toContain('sallyport')

    await page.reload()
    await notes(page).first().waitFor()
    expect(await hunt(page, issued())).toEqual([])
    for (const text of said) for (const secret of issued()) expect(text).not.toContain(secret)
  })

  it('[D-05] is told apart from the other mode by the page itself, live', async () => {
    const page = await context.newPage()
    await page.goto(demo.url)
    await signIn(page, demo)
    const left = (mode: string) => page.locator(`#left-${mode} td`)
    await button(page, 'Hunt for tokens').click()
    await expect
      .poll(() => left('token-mediating').allTextContents())
      .toEqual(['nothing', expect.stringMatching(/^1 access token, valid for \d s/)])
    await button(page, 'Switch to proxy mode').click()
    await button(page, 'Sign in').click()
    await button(page, 'Allow').click()
    await notes(page).first().waitFor()
    await button(page, 'Hunt for tokens').click()
    await expect
      .poll(() => left('proxy').allTextContents(), { timeout: 10_000 })
      .toEqual(['nothing', 'no token; calls, while this page is open'])
    // Both lines stand beside each other, and the hunt does find what lies about.
    expect(await left('token-mediating').first().textContent()).toBe('nothing')
    // Seen in the storage itself, and on the way from `window`.
    await page.evaluate(() => sessionStorage.setItem('planted', `eyJhbGciOiJub25lIn0.${'e30'.repeat(9)}.`))
    await button(page, 'Hunt for tokens').click()
    await expect.poll(() => left('proxy').first().textContent()).toBe('2 places with tokens')
  })
})

import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { decodeJwt } from 'jose'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { toNodeListener } from 'sallyport/node'
import { type MockAuthorizationServer, mockAuthorizationServer } from 'sallyport/testing'
import { build, type Rolldown } from 'vite'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { alias } from '../../vite.config.js'
import { launchBrowser } from './browser.js'
import { hunt, overhear } from './hunt.js'
import { button } from './visitor.js'

let browser: Browser
let files: Map<string, string>
let context: BrowserContext
let as: MockAuthorizationServer
let app: string
const servers: Server[] = []

beforeAll(async () => {
  browser = await launchBrowser()
  const { NODE_ENV } = process.env
  const { output } = (await build({
    root: fileURLToPath(new URL('./browser-only', import.meta.url)),
    configFile: false,
    logLevel: 'error',
    resolve: { alias },
    build: { write: false, target: 'es2022' },
  })) as Rolldown.RolldownOutput
  process.env['NODE_ENV'] = NODE_ENV
  files = new Map(output.map((file) => [`/${file.fileName}`, file.type === 'chunk' ? file.code : `${file.source}`]))
})
afterAll(() => browser?.close())

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://localhost:${(server.address() as AddressInfo).port}`
}

beforeEach(async () => {
  // On the site of the app, so that its cookies would reach a frame; the kit needs none.
  const issuer = await listen((request, response) => answer(request, response))
  app = await listen(({ url }, response) => {
    const path = url?.replace(/[?#].*/, '') ?? '/'
    if (path === '/settings.json') return response.end(JSON.stringify({ issuer }))
    const file = files.get(path)
    response.setHeader('Content-Type', file && path.endsWith('.js') ? 'text/javascript' : 'text/html')
    response.setHeader(
      'Content-Security-Policy',
      "script-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'",
    )
    return response.end(file ?? files.get('/index.html'))
  })
  as = await mockAuthorizationServer({
    issuer,
    accessTokenLifetime: 4,
    clients: [{ client_id: 'spa', token_endpoint_auth_method: 'none', redirect_uris: [`${app}/callback`] }],
    users: [{ sub: 'alice', name: 'Alice' }],
  })
  as.signIn('alice')
  const answer = toNodeListener({ fetch: (request) => as.fetch(request) })
  context = await browser.newContext()
  await context.addInitScript(overhear)
})
afterEach(async () => {
  await context.close()
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function open(): Promise<Page> {
  const page = await context.newPage()
  await page.goto(app)
  return page
}

const hello = (page: Page) => page.getByText('Hello Alice').waitFor()
const token = (page: Page, minValidity = 0) =>
  page.evaluate((seconds) => window.auth.getToken({ minValidity: seconds }), minValidity)

it('signs in, reloads in a frame, renews by rotation, agrees with a second tab, and signs out', async () => {
  const page = await open()
  await page.getByText('signed-out').waitFor()
  await button(page, 'Sign in').click()
  await hello(page)
  expect(page.url()).toBe(`${app}/`)
  expect(decodeJwt(await token(page))['cnf']).toBeDefined()
  expect(await hunt(page, as.issued)).toEqual([])

  await page.reload()
  await hello(page)
  expect(as.grants.authorization_code).toBe(2)
  expect(await page.locator('iframe').count()).toBe(0)
  expect(await hunt(page, as.issued)).toEqual([])

  const first = await token(page)
  await page.waitForTimeout(4100)
  const tokens = await page.evaluate(() => Promise.all(Array.from({ length: 100 }, () => window.auth.getToken())))
  expect(new Set(tokens).size).toBe(1)
  expect(tokens[0]).not.toBe(first)
  expect(as.grants.refresh_token).toBe(1)

  const second = await open()
  await hello(second)
  await page.waitForTimeout(4100)
  await Promise.all([token(page, 3), token(second, 3)])
  await button(second, 'Sign out').click()
  await page.getByText('signed-out').waitFor({ timeout: 1000 })
  await page.reload()
  await page.getByText('signed-out').waitFor()
  expect(await hunt(page, as.issued)).toEqual([])
})

it('signs in by popup', async () => {
  const page = await open()
  await page.getByText('signed-out').waitFor()
  await button(page, 'Sign in by popup').click()
  await hello(page)
  expect(page.url()).toBe(`${app}/`)
  expect(context.pages()).toHaveLength(1)
})

it('is signed out after a reload where the provider forbids to be framed, and can sign in again', async () => {
  const page = await open()
  await button(page, 'Sign in').click()
  await hello(page)
  await page.route(`${as.issuer}/authorize**`, async (route) => {
    if (!route.request().frame().parentFrame()) return route.continue()
    await route.fulfill({ status: 200, headers: { 'x-frame-options': 'DENY' }, body: 'no' })
  })
  await page.reload()
  await page.getByText('signed-out').waitFor({ timeout: 10_000 })
  await button(page, 'Sign in').click()
  await hello(page)
})

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Demo, startDemo } from '../../demo/server/index.js'
import { launchBrowser } from './browser.js'
import { authenticate, button, signIn, signOut } from './visitor.js'

let browser: Browser
let folder: string

beforeAll(async () => {
  browser = await launchBrowser()
  folder = mkdtempSync(join(tmpdir(), 'sallyport-react-'))
  writeFileSync(join(folder, 'package.json'), '{"private":true}')
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', 'react@18', 'react-dom@18'], {
    cwd: folder,
    stdio: 'ignore',
  })
})
afterAll(async () => {
  await browser?.close()
  rmSync(folder, { recursive: true, force: true })
})

const inFolder = (name: string): string => join(folder, 'node_modules', name)

describe.each(['19', '18'])('the example in React %s', (version) => {
  let demo: Demo
  beforeAll(async () => {
    const react = version === '18' && { react: inFolder('react'), 'react-dom': inFolder('react-dom') }
    demo = await startDemo({ port: 0, quiet: true, ...(react && { react }) })
  })
  afterAll(() => demo?.close())

  async function open(path = ''): Promise<{ page: Page; problems: string[]; asked: string[] }> {
    const context = await browser.newContext()
    const page = await context.newPage()
    const problems: string[] = []
    const asked: string[] = []
    page.on('pageerror', (error) => problems.push(error.message))
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()))
    page.on('request', (request) => {
      const { pathname } = new URL(request.url())
      if (pathname.startsWith('/bff')) asked.push(pathname)
    })
    await page.goto(`${demo.url}/react/${path}`)
    return { page, problems, asked }
  }

  it('signs in, works with notes, reloads with one question to the backend, and signs out', async () => {
    const { page, problems, asked } = await open()
    await button(page, 'Sign in').waitFor()
    await signIn(page, demo)
    expect(page.url()).toBe(`${demo.url}/react/`)
    await page.getByText('Alice Liddell').waitFor()
    await page.getByLabel('New note').fill(`from React ${version}`)
    await button(page, 'Add note').click()
    await page.locator('.notes').getByText(`from React ${version}`).waitFor()
    asked.length = 0
    await page.reload()
    await page.locator('.notes').getByText(`from React ${version}`).waitFor()
    expect(asked).toEqual(['/bff/session'])
    // The other page knows the same session, and this one learns of a sign-out there.
    const other = await page.context().newPage()
    await other.goto(demo.url)
    await button(other, 'Sign out').click()
    await button(page, 'Sign in').waitFor({ timeout: 1000 })
    expect(problems).toEqual([])
  })

  it('leads from a route that needs a user to the provider and back, with titles, and out to the page that was chosen', async () => {
    const { page, problems } = await open('account')
    await page.waitForURL(`${demo.issuer}/**`)
    await authenticate(page, demo)
    await button(page, 'Allow').click()
    await page.getByRole('heading', { name: 'Your account' }).waitFor()
    expect(page.url()).toBe(`${demo.url}/react/account`)
    await page.waitForFunction(() => document.title === 'Your account · Fieldnotes in React')
    await page.getByText('alice@').waitFor()
    await page.getByRole('link', { name: 'Fieldnotes in React' }).click()
    await page.waitForFunction(() => document.title === 'Your notes · Fieldnotes in React')
    await page.goBack()
    await page.getByRole('heading', { name: 'Your account' }).waitFor()
    const out = page.waitForURL(`${demo.url}/react/goodbye`)
    await button(page, 'Sign out').click()
    await out
    await page.getByRole('heading', { name: 'You are signed out' }).waitFor()
    expect([page.url(), await page.title()]).toEqual([`${demo.url}/react/goodbye`, 'Signed out · Fieldnotes in React'])
    expect(problems).toEqual([])
  })

  it('says what happened and what to do: signed out elsewhere, refused at the provider, a backend out of reach', async () => {
    const { page } = await open()
    await signIn(page, demo)
    await page.getByRole('link', { name: 'Alice Liddell' }).click()
    await page.getByRole('heading', { name: 'Your account' }).waitFor()
    const other = await page.context().newPage()
    await other.goto(demo.url)
    await signOut(other, demo)
    await page.getByRole('heading', { name: 'You have signed out' }).waitFor()
    expect(page.url()).toBe(`${demo.url}/react/account`)
    await other.close()
    await button(page, 'Sign in again').click()
    await page.waitForURL(`${demo.issuer}/**`)
    await button(page, 'Cancel and go back').click()
    await page.getByRole('heading', { name: 'You did not finish signing in' }).waitFor()
    expect(page.url()).toBe(`${demo.url}/react/account`)
    await page.route('**/bff/**', (route) => route.abort())
    await page.goto(`${demo.url}/react/account`)
    await page.getByRole('heading', { name: 'We cannot reach the server' }).waitFor()
    await page.unroute('**/bff/**')
    await page.waitForTimeout(1100)
    await button(page, 'Try again').click()
    await page.waitForURL(`${demo.issuer}/**`)
  })

  it('shows a sign-in that came to nothing, and tries no other one by itself', async () => {
    const { page } = await open()
    await page.goto(`${demo.url}/react/callback?code=x&state=forged`)
    await page.getByText('Sign-in failed: state_mismatch').waitFor()
    expect(page.url()).toContain('/react/')
  })
})

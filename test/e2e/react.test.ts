import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Demo, startDemo } from '../../demo/server/index.js'
import { launchBrowser } from './browser.js'
import { button, signIn } from './visitor.js'

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

  async function open(): Promise<{ page: Page; problems: string[]; asked: string[] }> {
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
    await page.goto(`${demo.url}/react/`)
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

  it('shows a sign-in that came to nothing, and tries no other one by itself', async () => {
    const { page } = await open()
    await page.goto(`${demo.url}/react/callback?code=x&state=forged`)
    await page.getByText('Sign-in failed: state_mismatch').waitFor()
    expect(page.url()).toContain('/react/')
  })
})

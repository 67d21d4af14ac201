import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createLoopbackServer } from '../../demo/server/loopback.js'
import { createProvider, type DemoProvider } from '../../demo/server/provider/index.js'
import { alice } from '../../demo/server/provider/people.js'
import { launchBrowser } from './browser.js'

/** What README's last chapter says, done with the packed package: `npm create vite`, install, two pieces of code. */

let folder: string
let browser: Browser
let provider: DemoProvider
let pagePort: number
const providerServer = createLoopbackServer('127.0.0.1', 0)
const children: ChildProcess[] = []

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

/** The code block of README that holds these words. */
function block(words: string): string {
  const blocks = [...readFileSync('README.md', 'utf8').matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(
    ([, code = '']) => code,
  )
  const found = blocks.filter((code) => code.includes(words)).at(-1)
  if (!found) throw new Error(`README has no code with ${words}`)
  return found
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-fresh-'))
  const run = (cwd: string, ...args: string[]) =>
    execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const [{ filename }] = JSON.parse(run('.', 'pack', '--ignore-scripts', '--json', '--pack-destination', folder))
  run(folder, 'create', '--yes', 'vite@latest', 'notes', '--', '--template', 'vanilla-ts', '--no-interactive')
  const app = join(folder, 'notes')
  run(app, 'install', '--no-audit', '--no-fund', join('..', filename))
  pagePort = await freePort()
  const backendPort = await freePort()
  await providerServer.open()
  const client_secret = randomBytes(24).toString('hex')
  const origin = `http://localhost:${pagePort}`
  provider = await createProvider(providerServer, {
    appName: 'Fresh',
    appUrl: origin,
    client_id: 'notes',
    client_secret,
    resource: `${origin}/api`,
    resourceScopes: [],
    accessTokenLifetime: 60,
  })
  writeFileSync(join(app, 'src/main.ts'), block('auth.subscribe'))
  writeFileSync(
    join(app, 'vite.config.ts'),
    block('server: { port: 5173')
      .replace('port: 5173', `port: ${pagePort}`)
      .replaceAll('localhost:3000', `127.0.0.1:${backendPort}`),
  )
  // The backend of the chapter before, with what a person fills in.
  const server = `
    import { createServer } from 'node:http'
    import { toNodeListener } from 'sallyport/node'
    ${block('loopbackCookies: true').replace("'https://login.example.com'", JSON.stringify(provider.issuer)).replace('http://localhost:5173', origin)}
    createServer(toNodeListener(bff)).listen(${backendPort}, '127.0.0.1')`
  writeFileSync(join(app, 'server.mjs'), server)
  const env = {
    ...process.env,
    NODE_ENV: '',
    CLIENT_SECRET: client_secret,
    COOKIE_KEY: randomBytes(32).toString('hex'),
  }
  children.push(spawn(process.execPath, ['server.mjs'], { cwd: app, env, stdio: 'ignore' }))
  children.push(
    spawn(process.execPath, ['node_modules/vite/bin/vite.js', '--strictPort', '--host', 'localhost'], {
      cwd: app,
      env,
      stdio: 'ignore',
    }),
  )
  for (let tries = 0; tries < 100; tries++) {
    const up = await fetch(`${origin}/bff/health`).then(
      ({ ok }) => ok,
      () => false,
    )
    if (up) break
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  browser = await launchBrowser()
}, 180_000)

afterAll(async () => {
  await browser?.close()
  for (const child of children) child.kill()
  await providerServer.close()
  rmSync(folder, { recursive: true, force: true })
})

it('a fresh Vite app signs in, reloads with one request, and signs out', async () => {
  const page = await browser.newPage()
  const problems: string[] = []
  page.on('pageerror', (error) => problems.push(error.message))
  await page.goto(`http://localhost:${pagePort}/`)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByLabel('Password').fill(alice.password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.getByRole('button', { name: 'Allow' }).click()
  await page.getByRole('button', { name: /^Sign out/ }).waitFor()

  const asked: string[] = []
  page.on('request', (request) => asked.push(new URL(request.url()).pathname))
  await page.reload()
  await page.getByRole('button', { name: 'Sign out Alice', exact: false }).waitFor()
  expect(asked.filter((path) => path.startsWith('/bff'))).toEqual(['/bff/session'])
  expect(asked.filter((path) => /sign-in|oidc/.test(path))).toEqual([])

  await page.getByRole('button', { name: /^Sign out/ }).click()
  await page.getByRole('button', { name: 'Sign in' }).waitFor()
  expect(problems).toEqual([])
  expect(provider.grants.authorization_code).toBe(1)
})

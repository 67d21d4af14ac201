import { spawn } from 'node:child_process'
import pg from 'pg'
import type { Browser, Page } from 'playwright-core'
import { createClient } from 'redis'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Demo, type DemoOptions, startDemo } from '../../demo/server/index.js'
import { postgresUrl, startPostgres } from '../services/postgres.js'
import { ensureProgram, freePort } from '../services/programs.js'
import { startRedis } from '../services/redis.js'
import { launchBrowser } from './browser.js'
import { button, type Place, signIn } from './visitor.js'

let browser: Browser
beforeAll(async () => {
  browser = await launchBrowser()
})
afterAll(() => browser?.close())

const phone =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1'

/** Somebody who has signed in, with a browser of their own. */
async function visit(place: Place, userAgent?: string): Promise<Page> {
  const context = await browser.newContext(userAgent ? { userAgent } : {})
  const page = await context.newPage()
  await page.goto(place.url)
  await signIn(page, place)
  return page
}

async function withDemo(options: DemoOptions, work: (demo: Demo) => Promise<void>) {
  const demo = await startDemo({ port: 0, quiet: true, ...options })
  try {
    await work(demo)
  } finally {
    await Promise.all(browser.contexts().map((context) => context.close()))
    await demo.close()
  }
}

const devices = (page: Page) => page.locator('#device-list li')
const toDevices = (page: Page) => page.getByRole('link', { name: 'Your devices' }).click()
const heading = (page: Page, name: string) => page.getByRole('heading', { name }).waitFor()

describe('the devices page', () => {
  it('lists the browsers that are signed in, and signs one of them out', () =>
    withDemo({}, async (demo) => {
      const [desk, mobile] = [await visit(demo), await visit(demo, phone)]
      await toDevices(desk)
      await expect.poll(() => devices(desk).count()).toBe(2)
      const own = devices(desk).filter({ hasText: 'This device' })
      expect(await own.textContent()).toMatch(/Chrome on Linux.*Last used just now/)
      expect(await own.getByRole('button').count()).toBe(0)
      await devices(desk).filter({ hasText: 'Safari on iPhone' }).getByRole('button', { name: 'Sign out' }).click()
      await desk.getByText('Safari on iPhone is signed out.').waitFor()
      expect(await devices(desk).count()).toBe(1)
      // Whoever uses a keyboard is where the answer is.
      expect(await desk.evaluate(() => document.activeElement?.id)).toBe('devices-title')

      // The other one did not ask yet, and does when somebody looks at it.
      await button(mobile, 'Sign out').waitFor()
      await mobile.evaluate(() => document.dispatchEvent(new Event('visibilitychange', { bubbles: true })))
      await heading(mobile, 'Notes that stay yours')
      await mobile.getByText('Your session was ended').waitFor()
      await desk.reload()
      await expect.poll(() => devices(desk).count()).toBe(1)
    }))

  it('signs out everywhere', () =>
    withDemo({}, async (demo) => {
      const [desk, mobile] = [await visit(demo), await visit(demo, phone)]
      await toDevices(desk)
      await button(desk, 'Sign out everywhere').click()
      await heading(desk, 'Notes that stay yours')
      expect(new URL(desk.url()).pathname).toBe('/')
      await mobile.reload()
      await heading(mobile, 'Notes that stay yours')
    }))
})

describe('the store of the demo', () => {
  it('can be Redis, in which the sessions then are', async () => {
    const server = await startRedis()
    const client = createClient({ url: `redis://127.0.0.1:${server.port}` })
    try {
      await withDemo({ store: { redisUrl: `redis://127.0.0.1:${server.port}` } }, async (demo) => {
        expect(demo.backend.store).toBe('Redis')
        await visit(demo)
        await client.connect()
        const keys = await client.keys('fieldnotes:*')
        expect(keys.filter((key) => /\bsession\b/.test(key)).length).toBeGreaterThan(0)
      })
    } finally {
      client.destroy()
      await server.remove()
    }
  })

  it('can be PostgreSQL, whose tables it makes', async () => {
    const server = await startPostgres()
    const client = new pg.Client({ connectionString: postgresUrl(server.port) })
    try {
      await withDemo({ store: { databaseUrl: postgresUrl(server.port) } }, async (demo) => {
        expect(demo.backend.store).toBe('PostgreSQL')
        await visit(demo)
        await client.connect()
        const { rows } = await client.query("select id from fieldnotes_records where kind like 'session.%'")
        expect(rows).toHaveLength(1)
      })
    } finally {
      await client.end()
      await server.remove()
    }
  })

  it('is one: both settings are refused, and one that does not answer is named without its password', async () => {
    const port = await freePort()
    const open = (store: NonNullable<DemoOptions['store']>) => startDemo({ port: 0, quiet: true, store })
    await expect(open({ redisUrl: 'redis://a', databaseUrl: 'postgres://b' })).rejects.toThrow('Remove one of them')
    const redis = open({ redisUrl: `redis://user:hush-hush@127.0.0.1:${port}` })
    await expect(redis).rejects.toThrow(`127.0.0.1:${port} (ECONNREFUSED). Start it, or remove REDIS_URL`)
    await expect(redis).rejects.not.toThrow('hush')
    const postgres = open({ databaseUrl: `postgres://user:hush-hush@127.0.0.1:${port}/x` })
    await expect(postgres).rejects.toThrow('remove DATABASE_URL')
    await expect(postgres).rejects.not.toThrow('hush')
    await expect(open({ redisUrl: 'nonsense' })).rejects.toThrow('REDIS_URL is not a URL')
  })
})

describe('npm run demo -- --instances 2', () => {
  it('is one backend in two processes: one is killed, and nobody is signed out', async () => {
    ensureProgram('redis-server')
    const args = ['demo/start.js', '--instances', '2']
    const child = spawn(process.execPath, args, {
      env: { ...process.env, PORT: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const gone = new Promise<number | null>((resolve) => child.once('exit', resolve))
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data) => {
        output += data
      })
    try {
      await vi.waitFor(() => expect(output).toContain('Ctrl-C'), { timeout: 30_000 })
      expect(output).toContain('Redis, shared by 2 backend processes')
      const [, url = ''] = /open at\s+(\S+)/.exec(output) ?? []
      const [, issuer = ''] = /provider is at\s+(\S+)/.exec(output) ?? []
      const [, password = ''] = /Sign in as\s+\S+ \/ (\S+)/.exec(output) ?? []
      const page = await visit({ url, issuer, person: { password } })
      await expect.poll(() => page.locator('#count-instances').textContent()).toMatch(/^[1-9]\d* \+ [1-9]\d*$/)
      await button(page, 'Kill a backend').click()
      await page.getByText('A backend process was killed. You are still signed in').waitFor()
      expect(await page.locator('#count-instances').textContent()).toContain('†')
      for (let times = 0; times < 4; times++) {
        await page.reload()
        await button(page, 'Sign out').waitFor()
      }
      await toDevices(page)
      await expect.poll(() => devices(page).count()).toBe(1)
    } finally {
      child.kill('SIGTERM')
      expect(await gone).toBe(0)
    }
  })
})

import pg from 'pg'
import { createClient } from 'redis'
import { redisStore } from 'sallyport/store/redis'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { postgresUrl, startPostgres } from '../services/postgres.js'
import { startRedis } from '../services/redis.js'
import type { TestServer } from '../services/server.js'
import { type OpenStore, openPostgres, openRedis } from '../services/stores.js'
import { APP, begin, bodyOf, call, follow, look, redeem, refresh, signIn, type World, world } from '../world.js'

let server: TestServer
let opened: OpenStore
let prefix: string

beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server?.remove())
beforeEach(async () => {
  // A test that failed may have left it paused: the others must not wait for it.
  server.resume()
  await server.start().catch(() => {})
  // Worlds share a clock that stands still: each has names of its own.
  prefix = `${crypto.randomUUID()}:`
  opened = await openRedis(server.port, prefix)
  return async () => {
    await opened.close()
  }
})

const session = async (here: World) => call(here.tab, '/session')

/** Everything that asks about a session, and what a browser then holds. */
async function expectKept(here: World) {
  const before = here.browser.jar.header(`${APP}/`)
  for (const ask of [
    () => session(here),
    () => look(here.tab, '/session'),
    () => refresh(here.tab),
    () => look(here.tab, '/sessions'),
  ]) {
    const answer = await ask()
    expect(answer.status).toBe(503)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await bodyOf(answer)).toMatchObject({
      error: 'temporarily_unavailable',
      error_description: expect.stringContaining('store'),
    })
    expect(answer.headers.get('set-cookie')).toBeNull()
  }
  expect(here.browser.jar.header(`${APP}/`)).toBe(before)
}

describe('a store that is out of reach', () => {
  it('[F-95][F-95 twin] is a 503 with the cookie untouched, and the session goes on when it is back', async () => {
    const here = await world({ store: opened.store })
    await signIn(here.tab)
    await server.stop('SIGKILL')
    await expectKept(here)
    expect((await here.bff.fetch(new Request(`${APP}/bff/health`))).status).toBe(503)
    expect(here.eventTypes()).toContain('store_unavailable')
    await server.start()
    await vi.waitFor(async () => expect((await session(here)).status).toBe(200), 5000)
    expect((await bodyOf(await session(here))).user.sub).toBe('alice')
    expect((await here.bff.fetch(new Request(`${APP}/bff/health`))).status).toBe(200)
  })

  it('[F-95] is given up on when it hangs, and left alone after three tries', async () => {
    const here = await world({ store: opened.store })
    await signIn(here.tab)
    server.pause()
    const begun = performance.now()
    await expectKept(here)
    // Three calls of two seconds; the fourth is refused at once, and so are the next hundred: not 200 seconds.
    for (let at = 0; at < 100; at++) expect((await session(here)).status).toBe(503)
    expect(performance.now() - begun).toBeLessThan(20_000)
    server.resume()
    await vi.waitFor(async () => expect((await session(here)).status).toBe(200), 5000)
  })

  it('[F-95] that holds garbage means “nobody”, with an alarm', async () => {
    const here = await world({ store: opened.store })
    await signIn(here.tab)
    const client = createClient({ socket: { host: '127.0.0.1', port: server.port } })
    await client.connect()
    const garbage = ['garbage', '12 {"not":"a session"}', '12 {', '12 null', '12 7']
    for (const value of garbage) {
      await signIn(here.tab)
      const keys = await client.keys(`${prefix}*:session*:*`)
      for (const key of keys) await client.set(key, value)
      const answer = await session(here)
      expect(answer.status, value).toBe(200)
      expect((await bodyOf(answer)).user, value).toBeNull()
    }
    client.destroy()
    expect(here.eventTypes().filter((type) => type === 'operator_error').length).toBeGreaterThanOrEqual(garbage.length)
  })

  it('[F-73] makes the provider send its logout token again', async () => {
    const here = await world({ store: opened.store })
    await signIn(here.tab)
    const token = await here.as.logoutToken('notes', { sub: 'alice' })
    const send = () =>
      here.bff.fetch(
        new Request(`${APP}/bff/backchannel-logout`, {
          method: 'POST',
          headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
          body: `logout_token=${token}`,
        }),
      )
    await server.stop('SIGKILL')
    expect((await send()).status).toBe(503)
    await server.start()
    await vi.waitFor(async () => expect((await send()).status).toBe(200), 5000)
    expect(await bodyOf(await session(here))).toMatchObject({ user: null, reason: 'revoked' })
  })

  it('while a code is to be redeemed costs neither the code nor the sign-in', async () => {
    const here = await world({ store: opened.store })
    const begun = await begin(here.tab)
    const callback = await follow(here.tab, begun)
    await server.stop('SIGKILL')
    const answer = await redeem(here.tab, begun, callback)
    expect(answer.status).toBe(503)
    expect(here.as.requests.token).toBe(0)
    await server.start()
    await vi.waitFor(async () => expect((await redeem(here.tab, begun, callback)).status).toBe(200), 5000)
  })

  it('at the moment of a sign-in signs nobody in, and revokes nothing: the store does not say who shares the grant', async () => {
    const here = await world({ store: opened.store })
    const begun = await begin(here.tab)
    const callback = await follow(here.tab, begun)
    const gate = here.as.delay('token')
    const redeeming = redeem(here.tab, begun, callback)
    await vi.waitFor(() => expect(here.as.requests.token).toBe(1))
    await server.stop('SIGKILL')
    gate.release()
    const answer = await redeeming
    expect(answer.status).toBe(503)
    expect(here.browser.jar.all().filter(({ name }) => !name.includes('.tx.'))).toEqual([])
    await here.bff.close()
    expect(here.as.requests.revocation ?? 0).toBe(0)
    await server.start()
  })

  it('keeps sessions through its restart, those that were ended included', async () => {
    const here = await world({ store: opened.store })
    await signIn(here.tab)
    const other = here.device()
    await signIn(other)
    await call(other, '/logout')
    await server.stop('SIGKILL')
    await server.start()
    await vi.waitFor(async () => expect((await session(here)).status).toBe(200), 5000)
    expect((await bodyOf(await session(here))).user.sub).toBe('alice')
    expect((await bodyOf(await call(other, '/session'))).user).toBeNull()
  })
})

describe('a cluster client that does not find its node', () => {
  it('gives StoreError, not “not there”', async () => {
    const store = redisStore({ send: async () => Promise.reject(new Error('CLUSTERDOWN')) })
    const id = { kind: 'k', partition: 'p', id: 'i' }
    for (const ask of [
      () => store.get(id),
      () => store.write([{ type: 'put', id, value: '', ifVersion: 'any' }]),
      () => store.list('i', 'v'),
      () => store.consume(id, 1),
    ])
      await expect(ask()).rejects.toMatchObject({ code: 'store_unavailable', retryable: true })
  })
})

describe('a key that is no record’s', () => {
  it('[B-33] is an error for who meets it, and no outage for the others (WRONGTYPE)', async () => {
    const here = await world({ store: opened.store })
    await signIn(here.tab)
    const client = createClient({ socket: { host: '127.0.0.1', port: server.port } })
    await client.connect()
    const [index = ''] = (await client.keys(`${prefix}*:index`)).sort()
    expect(index).not.toBe('')
    for (const key of await client.keys(`${prefix}*:index`)) {
      await client.del(key)
      await client.set(key, 'no sorted set')
    }
    client.destroy()
    for (let at = 0; at < 10; at++) {
      expect((await look(here.tab, '/sessions')).status).toBe(503)
      expect((await session(here)).status).toBe(200)
    }
    expect(here.eventTypes()).not.toContain('store_unavailable')
    expect(JSON.stringify(here.events)).toMatch(/operator_error.*(WRONGTYPE|ERR)/)
  })
})

describe('PostgreSQL', () => {
  it('[B-33][B-33 twin] is asked nothing by a cursor that it has not given, and goes on for everybody', async () => {
    const postgres = await startPostgres()
    const { store, close } = await openPostgres(postgresUrl(postgres.port))
    try {
      await store.migrate()
      const here = await world({ store })
      await signIn(here.tab)
      for (const cursor of ['["a"]', '["a","b","\\u0000"]', '[', 'null', '["a","b","c","d"]'])
        for (let at = 0; at < 9; at++) {
          expect((await look(here.tab, `/sessions?cursor=${encodeURIComponent(cursor)}`)).status).toBe(400)
          expect((await session(here)).status).toBe(200)
          await expect(store.list('session-sub', 'x', { cursor })).rejects.toThrow(TypeError)
        }
      expect((await here.bff.fetch(new Request(`${APP}/bff/health`))).status).toBe(200)
      expect(new Set(here.eventTypes())).toEqual(new Set(['address_limit_off', 'signed_in', 'request_refused']))
      // What only the server itself can refuse: a rule of the operator's own.
      const beside = new pg.Client({ connectionString: postgresUrl(postgres.port) })
      await beside.connect()
      await beside.query(`alter table sallyport_records add check (value <> 'refused')`)
      await beside.end()
      const id = { kind: 'k', partition: 'p', id: 'i' }
      const put = { type: 'put', id, value: 'refused', ifVersion: 'any' } as const
      await expect(store.write([put])).rejects.toMatchObject({ code: 'store_refused', retryable: false })
      expect(await store.get(id)).toBeUndefined()
    } finally {
      await close()
      await postgres.remove()
    }
  })

  it('says what to do when the tables are missing, and migrates twice at once without harm', async () => {
    const postgres = await startPostgres()
    const { store, close } = await openPostgres(postgresUrl(postgres.port))
    const id = { kind: 'k', partition: 'p', id: 'i' }
    await expect(store.get(id)).rejects.toMatchObject({
      code: 'store_not_migrated',
      message: expect.stringContaining('migrate()'),
    })
    await Promise.all([store.migrate(), store.migrate(), store.migrate()])
    expect(await store.get(id)).toBeUndefined()
    await store.write([{ type: 'put', id, value: 'kept', ifVersion: 'absent' }])
    await store.migrate()
    expect((await store.get(id))?.value).toBe('kept')
    await postgres.stop('SIGKILL')
    await expect(store.get(id)).rejects.toMatchObject({ code: 'store_unavailable' })
    await postgres.start()
    await vi.waitFor(async () => expect((await store.get(id))?.value).toBe('kept'), 5000)
    await close()
    await postgres.remove()
  })
})

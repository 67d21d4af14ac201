import { createClient } from 'redis'
import { type AgentEvent, createAudit, verifyAudit } from 'sallyport/agents'
import { createBff } from 'sallyport/bff'
import { createApiKeys } from 'sallyport/keys'
import { StoreError } from 'sallyport/store'
import { redisStore } from 'sallyport/store/redis'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { randomKey } from '../keys.js'
import { startRedis } from '../services/redis.js'
import type { TestServer } from '../services/server.js'

const tenant = 'acme'
const entry = { tenant, agent: 'bot', action: 'tool:x', decision: 'allowed' } as const

async function connected(port: number) {
  const client = createClient({ socket: { host: '127.0.0.1', port, reconnectStrategy: false } })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** A primary and its replica, which can be cut off and promoted; the store goes to whichever is the primary. */
async function pair(servers: TestServer[], more: string[] = []) {
  const primary = await startRedis(more)
  servers.push(primary)
  const replica = await startRedis(['--replicaof', '127.0.0.1', `${primary.port}`])
  servers.push(replica)
  let [first, second] = [await connected(primary.port), await connected(replica.port)]
  await vi.waitFor(async () => expect(await second.info('replication')).toContain('master_link_status:up'), 10_000)
  return {
    open: () => redisStore({ send: (args) => first.sendCommand(args) }),
    /** From here on the replica hears nothing; what was written before it has. */
    async cutOff() {
      await first.sendCommand(['WAIT', '1', '5000'])
      await second.sendCommand(['REPLICAOF', '127.0.0.1', '1'])
    },
    /** The primary is lost, with its disk. */
    async promote() {
      await primary.stop('SIGKILL')
      await second.sendCommand(['REPLICAOF', 'NO', 'ONE'])
      first.destroy()
      first = second
    },
    close: () => {
      for (const client of new Set([first, second])) client.destroy()
    },
  }
}

describe('a Redis whose replica takes over without the last writes', () => {
  const servers: TestServer[] = []
  afterEach(() => Promise.all(servers.splice(0).map((server) => server.remove())))

  it('[G-20] loses rows of the trail, which says so and goes on in every process', async () => {
    const redis = await pair(servers)
    const events: AgentEvent[] = []
    const sides = [1, 2, 3].map(() => createAudit({ store: redis.open(), onEvent: (event) => void events.push(event) }))
    const append = (at: number) => sides[at % 3]?.append({ ...entry, correlation: `${at}` }) ?? Promise.reject()
    for (let at = 0; at < 6; at++) await append(at)
    await redis.cutOff()
    for (let at = 6; at < 12; at++) await append(at)
    await redis.promote()
    await Promise.all(Array.from({ length: 30 }, (_, at) => append(100 + at)))
    const { items: rows } = await (sides[0] as ReturnType<typeof createAudit>).read({ tenant, limit: 1000 })
    expect(rows.filter(({ correlation }) => Number(correlation) >= 100)).toHaveLength(30)
    expect(rows.filter(({ action }) => action === 'audit.resumed')).toHaveLength(3)
    expect(events.map(({ type }) => type)).toEqual(Array(3).fill('audit_head_unexpected'))
    expect(await verifyAudit(rows)).toMatchObject({ ok: true, head: { seq: 39 }, resumed: expect.any(Array) })
    redis.close()
  })

  it('[K-17] loses what was acknowledged, and acknowledges nothing alone where it has to have a replica', async () => {
    for (const careful of [false, true]) {
      const redis = await pair(servers, careful ? ['--min-replicas-to-write', '1', '--min-replicas-max-lag', '1'] : [])
      // The lag is looked at once a second.
      const keys = createApiKeys({ store: redis.open(), prefix: 'sp_test', scopes: ['data:read'] })
      const create = () => keys.create({ tenant, owner: 'alice', name: 'a key', scopes: ['data:read'] })
      const { key, record } = await vi.waitFor(create, 10_000)
      await redis.cutOff()
      const revoked = await vi.waitFor(async () => {
        const outcome = await keys.revoke(record.id, { tenant }).catch((error) => error)
        if (careful) expect(outcome).toBeInstanceOf(StoreError)
        return outcome
      })
      if (careful) expect(revoked).toMatchObject({ code: 'store_refused', retryable: true })
      expect(await keys.verify(key)).toMatchObject({ ok: careful })
      await redis.promote()
      // As docs/sessions.md says: what was answered is undone. With a replica it was never answered.
      expect(await keys.verify(key)).toMatchObject({ ok: true })
      await keys.revoke(record.id, { tenant })
      expect(await keys.verify(key)).toMatchObject({ ok: false })
      redis.close()
    }
  })
})

describe('a Redis that removes what it has no room for', () => {
  it('[K-17] is told of once by each that has events, and by describe(), where one may ask', async () => {
    const server = await startRedis()
    const client = await connected(server.port)
    const policy = (name: string) => client.sendCommand(['CONFIG', 'SET', 'maxmemory-policy', name])
    const send = (args: string[]) => client.sendCommand(args)
    try {
      const store = redisStore({ send })
      // Twin: as it is out of the box.
      expect(await store.warnings?.()).toEqual([])
      for (const name of ['allkeys-lru', 'volatile-ttl', 'volatile-lfu', 'allkeys-random']) {
        await policy(name)
        expect(await store.warnings?.()).toEqual([expect.stringContaining(name)])
        // Where INFO is refused, and where everything is.
        const deny = (words: RegExp) =>
          redisStore({
            send: (args) =>
              words.test(args[0] ?? '') ? Promise.reject(new Error('NOPERM this user has no permissions')) : send(args),
          })
        expect(await deny(/^INFO$/).warnings?.()).toEqual([expect.stringContaining(name)])
        expect(await deny(/^(INFO|CONFIG)$/).warnings?.()).toEqual([])
      }
      const down = redisStore({ send: () => Promise.reject(new Error('connection lost')) })
      await expect(down.warnings?.()).rejects.toMatchObject({ code: 'store_unavailable' })

      const told: { type: string }[] = []
      const onEvent = (event: { type: string }) => void told.push(event)
      const keys = createApiKeys({ store, prefix: 'sp_test', scopes: ['data:read'], onEvent })
      const audit = createAudit({ store, onEvent })
      const bff = createBff({
        issuer: 'https://login.example.net',
        client_id: 'notes',
        client_secret: randomKey(),
        baseUrl: 'https://app.example.com',
        cookieKeys: [randomKey()],
        store,
        onEvent,
      })
      expect(told).toEqual([])
      for (let at = 0; at < 3; at++) {
        await keys.create({ tenant, owner: 'alice', name: 'a key', scopes: ['data:read'] })
        await audit.append(entry)
        await bff.fetch(
          new Request('https://app.example.com/bff/session', {
            headers: {
              Cookie: `__Host-sallyport=${'x'.repeat(43)}`,
              'X-Sallyport': '1',
              'Sec-Fetch-Site': 'same-origin',
            },
          }),
        )
      }
      expect((await bff.describe()).limits).toContainEqual(expect.stringContaining('allkeys-random'))
      await vi.waitFor(() => expect(told.filter(({ type }) => type === 'store_warning')).toHaveLength(3))
      await policy('noeviction')
      expect((await bff.describe()).limits).not.toContainEqual(expect.stringContaining('noeviction'))
      expect(told.filter(({ type }) => type === 'store_warning')).toHaveLength(3)
    } finally {
      client.destroy()
      await server.remove()
    }
  })
})

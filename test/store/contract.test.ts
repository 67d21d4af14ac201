import { memoryLedger, memoryStore } from 'sallyport/store'
import { ledgerContract, recordStoreContract } from 'sallyport/testing'
import { afterAll, describe, expect, inject, test } from 'vitest'
import { postgresUrl } from '../services/postgres.js'
import {
  type OpenStore,
  openIoRedis,
  openIoRedisCluster,
  openPostgres,
  openRedis,
  openRedisCluster,
} from '../services/stores.js'

async function migrated(): Promise<OpenStore> {
  const opened = await openPostgres(postgresUrl(inject('postgres')))
  await opened.store.migrate()
  await opened.ledger.migrate()
  return opened
}

let time = 1_790_000_000
const now = () => time
const memory = { store: memoryStore({ now }), ledger: memoryLedger({ now }) }

const engines: Record<string, () => Promise<OpenStore>> = {
  memory: async () => ({ ...memory, close: async () => {} }),
  'Redis, through redis': () => openRedis(inject('redis')),
  'Redis, through ioredis': () => openIoRedis(inject('redis')),
  'Redis Cluster, through redis': () => openRedisCluster(inject('cluster')),
  'Redis Cluster, through ioredis': () => openIoRedisCluster(inject('cluster')),
  'PostgreSQL, through pg': migrated,
}

for (const [engine, open] of Object.entries(engines))
  describe(`the contract, kept by ${engine}`, () => {
    let opening: Promise<OpenStore> | undefined
    const opened = () => {
      opening ??= open()
      return opening
    }
    afterAll(async () => (await opening)?.close())
    const wait = (seconds: number) => {
      time += seconds
    }
    const options = engine === 'memory' ? { wait } : {}
    // What they wait for is the clock, which the memory's cases share.
    const check = engine === 'memory' ? test : test.concurrent
    for (const { name, run } of recordStoreContract(async () => (await opened()).store, options)) check(name, run)
    for (const { name, run } of ledgerContract(async () => (await opened()).ledger, options))
      check(`ledger: ${name}`, run)

    check('[K-14][K-14 twin] names that are none are refused, and two names are never one', async () => {
      const { ledger, store } = await opened()
      const salt = crypto.randomUUID().slice(0, 8)
      const lines = [{ subject: 'agent:a', window: 'total' }] as const
      for (const bad of ['', 'a\nb', 'x'.repeat(300), `${salt}\ud800`, `${salt}\udbff`, `\udfff${salt}`]) {
        await expect(ledger.spend({ tenant: bad, lines, amount: 1 })).rejects.toThrow(TypeError)
        const id = { kind: 'odd', partition: 'odd', id: bad }
        await expect(store.get(id)).rejects.toThrow(TypeError)
        await expect(store.consume(id, 60)).rejects.toThrow(TypeError)
        await expect(store.list('odd', bad)).rejects.toThrow(TypeError)
      }
      const good = [' ', '%20', '+', 'é', 'e\u0301', '\ufffd', '😀', 'A', 'a', 'x'.repeat(190)].map(
        (name) => salt + name,
      )
      for (const tenant of good) await ledger.spend({ tenant, lines, amount: 1 })
      for (const tenant of good) expect((await ledger.read(lines[0], { tenant })).committed).toBe(1)
      for (const id of good) expect(await store.consume({ kind: 'odd', partition: 'odd', id }, 60)).toBe(true)
    })

    check('[G-19][G-19 twin] a reservation again with an open id is the same one, or refused', async () => {
      const { ledger } = await opened()
      const lines = [{ subject: 'agent:a', window: 'total', limit: 10 }] as const
      const input = { tenant: crypto.randomUUID(), id: 'one', lines, amount: 4, ttl: 60 }
      expect((await ledger.reserve(input)).ok).toBe(true)
      expect((await ledger.reserve(input)).ok).toBe(true)
      await expect(ledger.reserve({ ...input, amount: 5 })).rejects.toMatchObject({ code: 'hold_conflict' })
      expect(await ledger.read(lines[0], { tenant: input.tenant })).toEqual({ committed: 0, held: 4 })
    })
  })

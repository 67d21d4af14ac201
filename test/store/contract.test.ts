import { memoryLedger, memoryStore } from 'sallyport/store'
import { ledgerContract, recordStoreContract } from 'sallyport/testing'
import { afterAll, describe, inject, test } from 'vitest'
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
  })

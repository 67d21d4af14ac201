import { memoryStore, type RecordStore } from 'sallyport/store'
import { recordStoreContract } from 'sallyport/testing'
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
  return opened
}

let time = 1_790_000_000
const memory = memoryStore({ now: () => time })

const engines: Record<string, () => Promise<OpenStore>> = {
  memory: async () => ({ store: memory, close: async () => {} }),
  'Redis, through redis': () => openRedis(inject('redis')),
  'Redis, through ioredis': () => openIoRedis(inject('redis')),
  'Redis Cluster, through redis': () => openRedisCluster(inject('cluster')),
  'Redis Cluster, through ioredis': () => openIoRedisCluster(inject('cluster')),
  'PostgreSQL, through pg': migrated,
}

for (const [engine, open] of Object.entries(engines))
  describe(`the contract, kept by ${engine}`, () => {
    let opened: Promise<OpenStore> | undefined
    const store = async (): Promise<RecordStore> => {
      opened ??= open()
      return (await opened).store
    }
    afterAll(async () => (await opened)?.close())
    const wait = (seconds: number) => {
      time += seconds
    }
    const cases = recordStoreContract(store, engine === 'memory' ? { wait } : {})
    for (const { name, run } of cases) test.concurrent(name, run)
  })

import type { RequestListener } from 'node:http'
import { type BffOptions, createBff } from 'sallyport/bff'
import { toNodeListener } from 'sallyport/node'
import type { Ledger, RecordStore } from 'sallyport/store'
import { type Instances, startInstances } from './instances.js'
import { startRedis } from './redis.js'
import { type DemoStore, openStore, type StoreOptions } from './store.js'

/** The backend behind `/bff`: in this process, or in several separate processes. */
export interface DemoBackend {
  readonly listener: RequestListener
  /** The name of the session store. */
  readonly store: string
  /** The store, for other data of the demo. */
  readonly records: RecordStore
  /** The ledger that counts. */
  readonly ledger: Ledger
  /** The separate processes; empty if the backend is in this process. */
  instances(): ReturnType<Instances['state']>
  /** Ends one of several processes as a crash would. */
  kill(): Promise<void>
  close(): Promise<void>
}

export async function startBackend(instances: number, where: StoreOptions, options: BffOptions): Promise<DemoBackend> {
  if (!Number.isInteger(instances) || instances < 1 || instances > 8)
    throw new Error('--instances must be an integer from 1 to 8.')
  return instances === 1 ? here(where, options) : several(instances, where, options)
}

async function here(where: StoreOptions, options: BffOptions): Promise<DemoBackend> {
  const { name, store, ledger, close } = await openStore(where)
  const bff = createBff({ store, ...options })
  return {
    listener: toNodeListener(bff),
    store: name,
    records: store,
    ledger,
    instances: () => [],
    async kill() {},
    async close() {
      await bff.close()
      await close()
    },
  }
}

async function several(count: number, where: StoreOptions, options: BffOptions): Promise<DemoBackend> {
  const own = where.redisUrl || where.databaseUrl ? undefined : await startRedis()
  const store = own ? { redisUrl: own.url } : where
  let opened: DemoStore | undefined
  const close = async () => {
    await opened?.close()
    await own?.close()
  }
  try {
    // Checks the store here, so that there is one clear message instead of one from each process.
    opened = await openStore(store)
    const processes = await startInstances(count, { bff: options, store })
    return {
      listener: processes.listener,
      store: opened.name,
      records: opened.store,
      ledger: opened.ledger,
      instances: processes.state,
      kill: processes.kill,
      async close() {
        await processes.close()
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

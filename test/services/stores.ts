import type { Ledger, RecordStore } from 'sallyport/store'
import {
  type PostgresLedger,
  type PostgresStore,
  type PostgresStoreOptions,
  postgresLedger,
  postgresStore,
} from 'sallyport/store/postgres'
import { type RedisStoreOptions, redisLedger, redisStore } from 'sallyport/store/redis'

/**
 * A store over a client that is the caller's own, as an app would make it. A client library is loaded where it is used:
 * the processes that tests start by the dozen need one of them.
 */
export interface OpenStore<Store extends RecordStore = RecordStore, Budgets extends Ledger = Ledger> {
  store: Store
  ledger: Budgets
  close(): Promise<unknown>
}

/** With the official client. */
export async function openRedis(
  port: number,
  prefix = 'sallyport:',
  through = (options: RedisStoreOptions) => options,
): Promise<OpenStore> {
  const { createClient } = await import('redis')
  // What cannot be sent now must not be sent later, when nobody waits for it any more.
  const client = createClient({
    disableOfflineQueue: true,
    commandOptions: { timeout: 0 },
    socket: { host: '127.0.0.1', port, reconnectStrategy: 50 },
  })
  // Without a listener its connection errors end the process.
  client.on('error', () => {})
  await client.connect()
  return {
    ...onRedis(through({ prefix, send: (args) => client.sendCommand(args) })),
    close: async () => client.destroy(),
  }
}

export async function openIoRedis(port: number): Promise<OpenStore> {
  const { Redis } = await import('ioredis')
  const client = new Redis({ host: '127.0.0.1', port })
  client.on('error', () => {})
  return {
    ...onRedis({ send: ([name = '', ...args]) => client.call(name, args) }),
    close: async () => client.disconnect(),
  }
}

export async function openRedisCluster(
  ports: readonly number[],
  through = (options: RedisStoreOptions) => options,
): Promise<OpenStore> {
  const { createCluster } = await import('redis')
  const cluster = createCluster({ rootNodes: ports.map((port) => ({ url: `redis://127.0.0.1:${port}` })) })
  cluster.on('error', () => {})
  await cluster.connect()
  return {
    ...onRedis(through({ send: (args, key) => cluster.sendCommand(key, false, args) })),
    close: async () => cluster.destroy(),
  }
}

export async function openIoRedisCluster(ports: readonly number[]): Promise<OpenStore> {
  const { Cluster } = await import('ioredis')
  const cluster = new Cluster(ports.map((port) => ({ host: '127.0.0.1', port })))
  cluster.on('error', () => {})
  return {
    ...onRedis({ send: ([name = '', ...args]) => cluster.call(name, args) }),
    close: async () => cluster.disconnect(),
  }
}

export async function openPostgres(
  connectionString: string,
  through = (options: PostgresStoreOptions) => options,
): Promise<OpenStore<PostgresStore, PostgresLedger>> {
  const { default: pg } = await import('pg')
  const pool = new pg.Pool({ connectionString, max: 5, connectionTimeoutMillis: 10_000 })
  // Without a listener a connection that breaks ends the process: the pool hears the idle ones, each client its own.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  const options = through({
    query: (text, parameters) => pool.query(text, parameters),
    async transaction(work) {
      const client = await pool.connect()
      try {
        await client.query('begin')
        const result = await work((text, parameters) => client.query(text, parameters))
        await client.query('commit')
        client.release()
        return result
      } catch (error) {
        client.release(true)
        throw error
      }
    },
  })
  return { store: postgresStore(options), ledger: postgresLedger(options), close: () => pool.end() }
}

const onRedis = (options: RedisStoreOptions) => ({ store: redisStore(options), ledger: redisLedger(options) })

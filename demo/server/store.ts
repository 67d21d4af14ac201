import pg from 'pg'
import { createClient } from 'redis'
import { type Ledger, memoryLedger, memoryStore, type RecordStore } from 'sallyport/store'
import { type PostgresStoreOptions, postgresLedger, postgresStore } from 'sallyport/store/postgres'
import { type RedisStoreOptions, redisLedger, redisStore } from 'sallyport/store/redis'

/** The store of sessions and keys, and the ledger that counts calls. */
export interface DemoStore {
  readonly name: 'memory' | 'Redis' | 'PostgreSQL'
  readonly store: RecordStore
  readonly ledger: Ledger
  close(): Promise<unknown>
}

export interface StoreOptions {
  redisUrl?: string | undefined
  databaseUrl?: string | undefined
}

/** Seconds until a connection attempt times out. */
const patience = 5

/** Opens the configured store, by default memory. Rejects with a message that may be shown. */
export async function openStore({ redisUrl, databaseUrl }: StoreOptions): Promise<DemoStore> {
  if (redisUrl && databaseUrl)
    throw new Error('REDIS_URL and DATABASE_URL are both set: the demo uses only one store. Remove one of them.')
  if (redisUrl) return named('REDIS_URL', redisUrl, openRedis)
  if (databaseUrl) return named('DATABASE_URL', databaseUrl, openPostgres)
  return { name: 'memory', store: memoryStore(), ledger: memoryLedger(), close: async () => {} }
}

/** Names the wrong setting, and of its value only host and port, because the rest may be a password. */
async function named(setting: string, url: string, open: (url: string) => Promise<DemoStore>): Promise<DemoStore> {
  if (!URL.canParse(url)) throw new Error(`${setting} is not a URL.`)
  try {
    return await open(url)
  } catch (error) {
    const { code } = error as { code?: string }
    throw new Error(
      `The demo cannot use the store at ${new URL(url).host} (${code ?? 'no response'}). Start it, or remove ${setting} to keep sessions in memory.`,
    )
  }
}

async function openRedis(url: string): Promise<DemoStore> {
  // No retries before the first connection.
  let open = false
  const client = createClient({
    url,
    disableOfflineQueue: true,
    commandOptions: { timeout: 0 },
    socket: { connectTimeout: patience * 1000, reconnectStrategy: () => (open ? 200 : false) },
  })
  client.on('error', () => {})
  await client.connect()
  open = true
  const options: RedisStoreOptions = { prefix: 'fieldnotes:', send: (args) => client.sendCommand(args) }
  return {
    name: 'Redis',
    store: redisStore(options),
    ledger: redisLedger(options),
    close: async () => client.destroy(),
  }
}

async function openPostgres(url: string): Promise<DemoStore> {
  const pool = new pg.Pool({ connectionString: url, connectionTimeoutMillis: patience * 1000 })
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  const options: PostgresStoreOptions = {
    prefix: 'fieldnotes',
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
  }
  const store = postgresStore(options)
  const ledger = postgresLedger(options)
  try {
    await pool.query('select 1')
    await store.migrate()
    await ledger.migrate()
  } catch (error) {
    await pool.end()
    throw error
  }
  return { name: 'PostgreSQL', store, ledger, close: () => pool.end() }
}

// The three engines, each over one connection, so that what one call costs is not spread over several.
import pg from 'pg'
import { createClient } from 'redis'
import { memoryLedger, memoryStore } from 'sallyport/store'
import { postgresLedger, postgresStore } from 'sallyport/store/postgres'
import { redisLedger, redisStore } from 'sallyport/store/redis'
import { startRedis } from '../process.js'
import { startPostgres } from './servers.js'

/** What an engine needs beside the process that calls it. */
export const servers = {
  memory: async () => ({ url: '', stop() {} }),
  async redis() {
    const { port, stop } = await startRedis()
    return { url: `redis://127.0.0.1:${port}`, stop }
  },
  postgres: startPostgres,
}

/**
 * `calls`: in a block; `width`: of them at once, so that what is measured on Redis is work and not the way there; `blocks`: in
 * one round.
 */
export const engines = {
  memory: { calls: 500, width: 1, blocks: 10, open: openMemory },
  redis: { calls: 320, width: 16, blocks: 1, open: openRedis },
  postgres: { calls: 50, width: 1, blocks: 1, open: openPostgres },
}

async function openMemory() {
  const clock = { now: 1_790_000_000 }
  const now = () => clock.now
  return { clock, store: memoryStore({ now }), newLedger: () => memoryLedger({ now }) }
}

async function openRedis(url, prefix) {
  const client = await createClient({ url, commandOptions: { timeout: 0 } }).connect()
  const send = (args) => client.sendCommand(args)
  const options = { prefix: `${prefix}:`, send }
  return { prefix: `${prefix}:`, send, store: redisStore(options), newLedger: () => redisLedger(options) }
}

async function openPostgres(url, prefix) {
  const pool = new pg.Pool({ connectionString: url, max: 1 })
  const options = {
    prefix,
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
  const [store, ledger] = [postgresStore(options), postgresLedger(options)]
  await store.migrate()
  await ledger.migrate()
  return { prefix, query: options.query, store, newLedger: () => ledger }
}

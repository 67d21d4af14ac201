import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { createClient } from 'redis'
import type { Ledger } from 'sallyport/store'
import { postgresLedger, postgresStore } from 'sallyport/store/postgres'
import { redisLedger } from 'sallyport/store/redis'
import { afterAll, describe, expect, inject, it } from 'vitest'
import { postgresUrl } from '../services/postgres.js'

const name = () => `f${randomBytes(6).toString('hex')}`
const unknown = { code: 'store_format_unknown', retryable: false }

describe('budgets in Redis', async () => {
  const client = createClient({ socket: { host: '127.0.0.1', port: inject('redis') } })
  client.on('error', () => {})
  await client.connect()
  afterAll(() => client.destroy())

  const line = { subject: 'agent:a', window: 'day', limit: 100 } as const
  const spending = { tenant: 'acme', lines: [line], amount: 10 }

  async function begun() {
    const prefix = `${name()}:`
    const ledger = redisLedger({ prefix, send: (args) => client.sendCommand(args) })
    const reserved = await ledger.reserve({ ...spending, id: 'h1', ttl: 60 })
    if (!reserved.ok) throw new Error('there is no room')
    const counts = `${prefix}{acme}::budget:${encodeURIComponent('agent:a')}`
    const hold = `${prefix}{acme}::hold:h1`
    return { ledger, hold: reserved.hold, keys: { counts, hold } }
  }

  /** Everything that can be asked about what is there. */
  const questions = (
    hold: Awaited<ReturnType<typeof begun>>['hold'],
  ): [string, (ledger: Ledger) => Promise<unknown>][] => [
    ['reserve', (ledger) => ledger.reserve({ ...spending, id: 'h1', ttl: 60 })],
    ['spend', (ledger) => ledger.spend(spending)],
    ['start', (ledger) => ledger.start(hold)],
    ['read', (ledger) => ledger.read(line, { tenant: 'acme' })],
    ['holds', (ledger) => ledger.holds('agent:a', { tenant: 'acme' })],
    ['settle', (ledger) => ledger.settle(hold, 5)],
    ['release', (ledger) => ledger.release(hold)],
  ]

  it('say their format, and those of 0.1.0, which say none, are read', async () => {
    const { ledger, hold, keys } = await begun()
    for (const key of Object.values(keys)) {
      expect(await client.hGet(key, 'v')).toBe('1')
      await client.hDel(key, 'v')
    }
    expect(await ledger.read(line, { tenant: 'acme' })).toMatchObject({ committed: 0, held: 10 })
    expect(await ledger.holds('agent:a', { tenant: 'acme' })).toEqual([hold])
    expect(await ledger.start(hold)).toBe(true)
    expect(await ledger.settle(hold, 7)).toEqual({ overrun: 0 })
    expect(await ledger.read(line, { tenant: 'acme' })).toMatchObject({ committed: 7, held: 0 })
  })

  it('of a later release are neither read nor changed', async () => {
    for (const which of ['counts', 'hold'] as const) {
      const { ledger, hold, keys } = await begun()
      await client.hSet(keys[which], 'v', '2')
      const before = await Promise.all(Object.values(keys).map((key) => client.hGetAll(key)))
      for (const [operation, ask] of questions(hold)) {
        // These look at no hold.
        if (which === 'hold' && (operation === 'spend' || operation === 'read')) continue
        await expect(ask(ledger), `${which} ${operation}`).rejects.toMatchObject(unknown)
      }
      expect(await Promise.all(Object.values(keys).map((key) => client.hGetAll(key)))).toEqual(before)
    }
  })
})

describe('tables in PostgreSQL', async () => {
  const pool = new pg.Pool({ connectionString: postgresUrl(inject('postgres')), max: 2 })
  afterAll(() => pool.end())

  const options = (prefix: string) => ({
    prefix,
    query: (text: string, parameters: unknown[]) => pool.query(text, parameters),
    async transaction<Result>(
      work: (query: (text: string, parameters: unknown[]) => Promise<{ rows: unknown[] }>) => Promise<Result>,
    ) {
      const client = await pool.connect()
      try {
        await client.query('begin')
        const result = await work((text, parameters) => client.query(text, parameters))
        await client.query('commit')
        return result
      } catch (error) {
        await client.query('rollback')
        throw error
      } finally {
        client.release()
      }
    },
  })

  it('say their format, and those of 0.1.0, which said none, are brought up', async () => {
    const prefix = name()
    const both = [postgresStore(options(prefix)), postgresLedger(options(prefix))]
    for (let time = 0; time < 2; time++) {
      for (const engine of both) await engine.migrate()
      const { rows } = await pool.query(`select part, format from "${prefix}_formats" order by part`)
      expect(rows).toEqual([
        { part: 'ledger', format: 1 },
        { part: 'records', format: 1 },
      ])
      await pool.query(`drop table "${prefix}_formats"`)
    }
  })

  it('of a later release are not made older: an old process that starts changes no function', async () => {
    const prefix = name()
    const both = [postgresStore(options(prefix)), postgresLedger(options(prefix))]
    for (const engine of both) await engine.migrate()
    await pool.query(`update "${prefix}_formats" set format = 2`)
    await pool.query(`drop function "${prefix}_budget_window"(text)`)
    for (const engine of both) await expect(engine.migrate()).rejects.toMatchObject(unknown)
    const { rows } = await pool.query('select 1 from pg_proc where proname = $1', [`${prefix}_budget_window`])
    expect(rows).toEqual([])
  })
})

import { createApiKeys } from 'sallyport/keys'
import { memoryLedger, memoryStore } from 'sallyport/store'
import { ledgerContract } from 'sallyport/testing'
import { afterAll, describe, expect, inject, test } from 'vitest'
import { postgresUrl } from '../services/postgres.js'
import { type OpenStore, openPostgres, openRedis } from '../services/stores.js'
import { type Shift, shiftedPostgres, shiftedRedis } from './shifted.js'

const DAY = 86_400
const shifts: Record<string, Shift> = { memory: { seconds: 0 }, Redis: { seconds: 0 }, PostgreSQL: { seconds: 0 } }
const shiftOf = (engine: string) => shifts[engine] as Shift

const engines: Record<string, () => Promise<OpenStore>> = {
  memory: async () => {
    const now = () => 1_790_000_000 + shiftOf('memory').seconds
    return { store: memoryStore({ now }), ledger: memoryLedger({ now }), close: async () => {} }
  },
  Redis: () => openRedis(inject('redis'), 'shifted:', (options) => shiftedRedis(options, shiftOf('Redis'))),
  PostgreSQL: async () => {
    const opened = await openPostgres(postgresUrl(inject('postgres')), (options) =>
      shiftedPostgres(options, shiftOf('PostgreSQL')),
    )
    await opened.ledger.migrate()
    return opened
  },
}

for (const [engine, open] of Object.entries(engines))
  describe(`a clock that goes wrong, of ${engine}`, () => {
    let opening: Promise<OpenStore> | undefined
    const opened = () => {
      opening ??= open()
      return opening
    }
    afterAll(async () => (await opening)?.close())
    const move = async (seconds: number) => {
      shiftOf(engine).seconds += seconds
      const { ledger } = await opened()
      if ('migrate' in ledger) await (ledger as { migrate(): Promise<void> }).migrate()
    }
    const options = { wait: move, turnBack: (seconds: number) => move(-seconds) }
    for (const { name, run } of ledgerContract(async () => (await opened()).ledger, options))
      if (/clock/.test(name)) test(name, run)

    test('a process whose clock is days behind says how long to wait by that of the ledger', async () => {
      const { ledger } = await opened()
      const wrong = 1_790_000_000 - 40 * DAY
      const keys = createApiKeys({ store: memoryStore(), ledger, prefix: 'test', scopes: ['a'], now: () => wrong })
      const { record } = await keys.create({
        tenant: crypto.randomUUID(),
        owner: 'alice',
        name: 'x',
        scopes: ['a'],
        quota: { minute: 0, day: 1 },
      })
      expect(await keys.spend(record)).toMatchObject({ ok: false, window: 'minute', retryAfter: expect.any(Number) })
      const refused = (await keys.spend(record)) as { retryAfter: number }
      expect(refused.retryAfter).toBeLessThanOrEqual(60)
    })
  })

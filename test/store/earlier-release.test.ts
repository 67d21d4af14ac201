import type { Ledger, RecordStore } from 'sallyport/store'
import { type PostgresStoreOptions, postgresLedger, postgresStore } from 'sallyport/store/postgres'
import { type RedisStoreOptions, redisLedger, redisStore } from 'sallyport/store/redis'
import { ledgerContract, recordStoreContract } from 'sallyport/testing'
import { afterAll, beforeAll, describe, inject, it } from 'vitest'
import { type LedgerErrorCode, ledgerError, ledgerErrors } from '../../src/store/ledger.js'
import { fileOf, unpack } from '../releases/release.js'
import { postgresUrl } from '../services/postgres.js'
import { openPostgres, openRedis } from '../services/stores.js'

/** What 0.2.0 cannot do: neither can both together. */
const later = ['names of the maximum length, in any script, are accepted']

const earlier = unpack('0.2.0')
const of = async <Of>(subpath: string): Promise<Of> => import(/* @vite-ignore */ fileOf(earlier, subpath))

/** Each call goes to the other one than the call before. */
function inTurn<Engine extends object>(...engines: readonly Engine[]): Engine {
  let calls = 0
  return new Proxy(engines[0] as Engine, {
    get: (first, name) => {
      if (typeof Reflect.get(first, name) !== 'function') return undefined
      return async (...args: unknown[]) => {
        const engine = engines[calls++ % engines.length] as Engine
        try {
          return await (Reflect.get(engine, name) as (...args: unknown[]) => unknown)(...args)
        } catch (error) {
          // Errors of the other release are of another class.
          const { code = '' } = error as { code?: string }
          throw code in ledgerErrors ? ledgerError(code as LedgerErrorCode) : error
        }
      }
    },
  })
}

/** The ledger of 0.2.0, called as that of this release: it took the tenant first. */
function inGrammarOfNow(earlier: Ledger): Ledger {
  const { read, holds } = earlier as unknown as {
    read(tenant: string, line: Parameters<Ledger['read']>[0], at?: number): ReturnType<Ledger['read']>
    holds(tenant: string, subject: string): ReturnType<Ledger['holds']>
  }
  return {
    ...earlier,
    read: (line, { tenant, at }) => (at === undefined ? read(tenant, line) : read(tenant, line, at)),
    holds: (subject, { tenant }) => holds(tenant, subject),
  }
}

interface Both {
  store: RecordStore
  ledger: Ledger
}
const closing: (() => Promise<unknown>)[] = []
afterAll(() => Promise.all(closing.map((close) => close())))

const engines: Record<string, () => Promise<Both>> = {
  async Redis() {
    const then = await of<{ redisStore: typeof redisStore; redisLedger: typeof redisLedger }>('sallyport/store/redis')
    let options: RedisStoreOptions | undefined
    const { close } = await openRedis(inject('redis'), 'both:', (given) => {
      options = given
      return given
    })
    closing.push(close)
    const given = options as unknown as RedisStoreOptions
    return {
      store: inTurn(then.redisStore(given), redisStore(given)),
      ledger: inTurn(inGrammarOfNow(then.redisLedger(given)), redisLedger(given)),
    }
  },
  'PostgreSQL, which this release has migrated last': () => postgres((then, now) => [then, now]),
  'PostgreSQL, which 0.2.0 has migrated last': () => postgres((then, now) => [now, then]),
}

interface Migrated {
  migrate(): Promise<void>
}

async function postgres(order: (then: Migrated[], now: Migrated[]) => readonly Migrated[][]): Promise<Both> {
  const then = await of<{ postgresStore: typeof postgresStore; postgresLedger: typeof postgresLedger }>(
    'sallyport/store/postgres',
  )
  let options: PostgresStoreOptions | undefined
  const { close } = await openPostgres(postgresUrl(inject('postgres')), (given) => {
    options = { ...given, prefix: `b${crypto.randomUUID().replaceAll('-', '').slice(0, 12)}` }
    return given
  })
  closing.push(close)
  const given = options as unknown as PostgresStoreOptions
  const old = [then.postgresStore(given), then.postgresLedger(given)] as const
  const own = [postgresStore(given), postgresLedger(given)] as const
  for (const parts of order([...old], [...own])) for (const part of parts) await part.migrate()
  return { store: inTurn(old[0], own[0]) as RecordStore, ledger: inTurn(inGrammarOfNow(old[1]), own[1]) }
}

describe.each(Object.entries(engines))('0.2.0 and this release in turn, on one %s', (_, open) => {
  let both: Both
  beforeAll(async () => {
    both = await open()
  })
  const cases = [
    ...recordStoreContract(() => both.store),
    ...ledgerContract(() => both.ledger).map((one) => ({ ...one, name: `ledger: ${one.name}` })),
  ].filter(({ name }) => !later.some((one) => name.endsWith(one)))
  it.concurrent.each(cases.map((one) => [one.name, one.run] as const))('%s', (_, run) => run())
})

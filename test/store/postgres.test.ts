import pg from 'pg'
import { ledgerContract, recordStoreContract } from 'sallyport/testing'
import { afterAll, describe, expect, inject, test } from 'vitest'
import { postgresUrl } from '../services/postgres.js'
import { openPostgres } from '../services/stores.js'

const url = () => postgresUrl(inject('postgres'))
const prefix = () => `t${crypto.randomUUID().replaceAll('-', '').slice(0, 12)}`

/** A store and ledger with tables of their own, and a connection beside them. */
async function fresh(address = url()) {
  const name = prefix()
  const opened = await openPostgres(address, (options) => ({ ...options, prefix: name }))
  const beside = new pg.Client({ connectionString: url() })
  await beside.connect()
  closing.push(opened.close, () => beside.end())
  await opened.store.migrate()
  await opened.ledger.migrate()
  const rows = async (table: string, where = 'true') =>
    Number((await beside.query(`select count(*) as n from "${name}_${table}" where ${where}`)).rows[0].n)
  return { ...opened, name, beside, rows }
}
const closing: (() => Promise<unknown>)[] = []
afterAll(() => Promise.all(closing.map((close) => close())))

const until = async (holds: () => Promise<boolean>) => {
  for (let tries = 0; !(await holds()); tries++) {
    if (tries > 200) throw new Error('it never came')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

describe('connections that begin with another isolation level', () => {
  for (const level of ['repeatable read', 'serializable']) {
    const options = encodeURIComponent(`-c default_transaction_isolation=${level.replace(' ', '\\ ')}`)
    let opening: ReturnType<typeof fresh> | undefined
    const opened = () => {
      opening ??= fresh(`${url()}?options=${options}`)
      return opening
    }
    const races = ({ name }: { name: string }) => /at once|once,|twenty|while another/.test(name)
    for (const { name, run } of recordStoreContract(async () => (await opened()).store).filter(races))
      test.concurrent(`${level}: ${name}`, run)
    for (const { name, run } of ledgerContract(async () => (await opened()).ledger).filter(races))
      test.concurrent(`${level}: ledger: ${name}`, run)

    test(`${level}: no check passes beside a tombstone that is there`, async () => {
      const { store } = await opened()
      const partition = crypto.randomUUID()
      const id = (name: string) => ({ kind: 'test', partition, id: name })
      for (let at = 0; at < 50; at++) {
        const ending = store.write([{ type: 'put', id: id(`end ${at}`), value: 'x', ifVersion: 'any' }])
        let over = false
        const ended = ending.then(() => {
          over = true
        })
        const passed = await store.write([
          { type: 'check', id: id(`end ${at}`), ifVersion: 'absent' },
          { type: 'put', id: id(`done ${at}`), value: `${over}`, ifVersion: 'any' },
        ])
        await ended
        const [end, done] = await Promise.all([store.get(id(`end ${at}`)), store.get(id(`done ${at}`))])
        if (passed) expect(end?.version ?? 0).toBeGreaterThan(done?.version ?? 0)
      }
    })
  }
})

describe('a migration beside others who write', () => {
  test('waits for no writer where there is nothing to make', async () => {
    const { store, ledger, beside, name } = await fresh()
    await beside.query('begin')
    await beside.query(`lock table "${name}_records", "${name}_index", "${name}_budgets", "${name}_holds"
      in row exclusive mode`)
    await store.migrate()
    await ledger.migrate()
    await beside.query('commit')
  })

  // It waits for three seconds.
  test.runIf(process.env['FULL'])(
    'gives up soon where an index is to be made and a writer does not end, and can be called again',
    async () => {
      const { store, beside, name } = await fresh()
      await beside.query(`drop index "${name}_index_record"`)
      await beside.query('begin')
      await beside.query(`lock table "${name}_index" in row exclusive mode`)
      await expect(store.migrate()).rejects.toMatchObject({ code: 'store_refused', retryable: true })
      await beside.query('commit')
      await store.migrate()
      expect(
        (await beside.query('select to_regclass($1) as oid', [`"${name}_index_record"`])).rows[0].oid,
      ).not.toBeNull()
    },
  )
})

describe('what has ended', () => {
  const record = (id: string) => ({ kind: 'test', partition: id, id })

  test('goes though nobody calls sweep(), a few at a time', async () => {
    const { store, rows } = await fresh()
    for (let at = 0; at < 400; at += 10)
      await Promise.all(Array.from({ length: 10 }, (_, one) => store.consume(record(`${at + one}`), 0.001)))
    await until(async () => (await rows('records')) < 200)
  })

  test('takes its index entries along, also those that were written without an end', async () => {
    const { store, rows } = await fresh()
    const index = [{ index: 'color', value: 'red' }]
    const put = (id: string, ttl?: number) =>
      store.write([
        { type: 'put', id: record(id), value: '1', ifVersion: 'any', index, ...(ttl !== undefined && { ttl }) },
      ])
    for (const id of ['deleted', 'ended', 'kept']) await put(id)
    await store.write([{ type: 'delete', id: record('deleted'), ifVersion: 'any' }])
    await put('ended', 0.001)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(await store.sweep(10)).toBe(1)
    expect(await rows('index')).toBe(1)
    expect((await store.list('color', 'red')).ids).toEqual([record('kept')])
  })
})

describe('a ledger that is full of what is over', () => {
  const MANY = 20_000
  const lines = [{ subject: 'agent:a', window: 'minute', limit: 1e9 }] as const

  async function full() {
    const opened = await fresh()
    const { beside, name } = opened
    await beside.query(`insert into "${name}_holds" (tenant, id, amount, until, state, subjects, windows, lines)
      select 'acme', 'old ' || n, 1, now() - interval '1 hour', 'settled', '{agent:a}', '{t}', '[]'
      from generate_series(1, ${MANY}) n`)
    await beside.query(`insert into "${name}_budgets" (tenant, subject, name, committed, held)
      select 'acme', 'user:' || n, 'd' || floor(extract(epoch from now()) / 86400), 1, 0
      from generate_series(1, ${MANY}) n`)
    await beside.query(`analyze "${name}_holds", "${name}_budgets"`)
    /** Pages of tables and indexes that a call looks at. */
    const pages = async (call: string) => {
      const { rows } = await beside.query(`explain (analyze, buffers, format json) select * from ${call}`)
      const [{ Plan: plan }] = rows[0]['QUERY PLAN']
      return plan['Shared Hit Blocks'] + plan['Shared Read Blocks']
    }
    return { ...opened, pages }
  }

  test('looks at what is asked for, and at no more', async () => {
    const { name, pages } = await full()
    const line = `array['agent:a'], array['minute'], array[1000000::bigint]`
    const calls = {
      read: `"${name}_budget_read"('acme', 'agent:a', 'minute', null)`,
      spend: `"${name}_budget_spend"('acme', 1, ${line})`,
      reserve: `"${name}_budget_reserve"('acme', 'one', 1, 60, '[]', ${line})`,
      start: `"${name}_budget_start"('acme', 'one')`,
      settle: `"${name}_budget_settle"('acme', 'one', 1, array[1000::bigint])`,
    }
    // The first call of a connection reads catalogs.
    for (const call of Object.values(calls)) await pages(call.replace("'one'", "'first'"))
    for (const [operation, call] of Object.entries(calls))
      expect(`${operation} ${(await pages(call)) < 100}`).toBe(`${operation} true`)
  })

  test('finds the holds of one subject among all that are open, with and without statistics', async () => {
    const { beside, name, pages, ledger } = await full()
    await beside.query(`update "${name}_holds" set state = 'open', until = now() + interval '1 hour',
      subjects = array['agent:' || id, 'user:u', 'tenant:acme'], windows = '{t,t,t}'`)
    const call = `"${name}_budget_open"('acme', 'agent:old 77')`
    await pages(call)
    expect((await pages(call)) < 100).toBe(true)
    expect((await ledger.holds('agent:old 77', { tenant: 'acme' })).map(({ id }) => id)).toEqual(['old 77'])
    expect(await ledger.holds('user:u', { tenant: 'acme' })).toHaveLength(MANY)
    expect(await ledger.holds('user:u', { tenant: 'other' })).toEqual([])
    await beside.query(`vacuum analyze "${name}_holds"`)
    expect((await pages(call)) < 100).toBe(true)
  })

  test('lets go of old windows and holds of every tenant, some with each new one', async () => {
    const { ledger, beside, name, rows } = await full()
    await beside.query(`update "${name}_holds" set until = until - interval '2 days' where id like 'old 1__'`)
    await beside.query(`insert into "${name}_budgets" (tenant, subject, name, committed, held)
      select 'gone', 'user:' || n, 'm' || n, 1, 0 from generate_series(1, 60) n`)
    for (let at = 0; at < 50; at++)
      await ledger.reserve({
        tenant: 'new',
        id: `${at}`,
        lines: [{ ...lines[0], subject: `user:${at}` }],
        amount: 1,
        ttl: 60,
      })
    expect(await rows('budgets', "tenant = 'gone'")).toBe(0)
    expect(await rows('holds', "tenant = 'acme'")).toBe(MANY - 100)
  })

  test('knows for a day what was settled, however late that was', async () => {
    const { ledger, beside, name } = await fresh()
    const hold = {
      tenant: 'acme',
      id: 'late',
      lines: [{ subject: 'agent:a', window: 'total', limit: 10 }],
      amount: 10,
    } as const
    await ledger.reserve({ ...hold, ttl: 60 })
    const pass = (time: string) => beside.query(`update "${name}_holds" set until = until - interval '${time}'`)
    await pass('5 days')
    expect(await ledger.settle(hold, 25)).toEqual({ overrun: 15 })
    await pass('23 hours')
    expect(await ledger.settle(hold, 25)).toEqual({ overrun: 15 })
    expect(await ledger.read(hold.lines[0], { tenant: 'acme' })).toMatchObject({ committed: 25, held: 0 })
    await pass('1 hour')
    await expect(ledger.settle(hold, 25)).rejects.toMatchObject({ code: 'hold_unknown' })
  })

  test('has forgotten a hold in time, though its row is still there', async () => {
    const { ledger, beside, name } = await full()
    await beside.query(`update "${name}_holds" set until = until - interval '2 days' where id = 'old 1'`)
    const hold = { tenant: 'acme', id: 'old 1', lines, amount: 1 }
    await expect(ledger.settle(hold, 1)).rejects.toMatchObject({ code: 'hold_unknown' })
    expect(await ledger.reserve({ ...hold, ttl: 60 })).toMatchObject({ ok: true })
  })
})

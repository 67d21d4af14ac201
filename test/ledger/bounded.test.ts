import { memoryLedger, memoryStore, type Put } from 'sallyport/store'
import { describe, expect, it } from 'vitest'
import { type Work, workOf } from './work.js'

const START = 1_790_000_000
const record = (id: string) => ({ kind: 'test', partition: id, id })
const put = (id: string, more: Partial<Put> = {}): Put => ({
  type: 'put',
  id: record(id),
  value: '1',
  ifVersion: 'any',
  ...more,
})

/** A store or ledger whose clock goes on by a second with each call. */
async function ticking(calls: number, make: (now: () => number) => (at: number) => Promise<unknown>): Promise<Work> {
  let time = START
  const call = make(() => time)
  return workOf(async () => {
    for (let at = 0; at < calls; at++) {
      time++
      await call(at)
    }
  })
}

const store = (calls: number, call: (store: ReturnType<typeof memoryStore>, at: number) => Promise<unknown>) =>
  ticking(calls, (now) => {
    const made = memoryStore({ now })
    return (at) => call(made, at)
  })

const ledger = (calls: number, call: (ledger: ReturnType<typeof memoryLedger>, at: number) => Promise<unknown>) =>
  ticking(calls, (now) => {
    const made = memoryLedger({ now })
    return (at) => call(made, at)
  })

const CALLS = 4000

describe('the store in memory', () => {
  it('lets go of what was consumed, without any other write', async () => {
    const { kept, looked } = await store(CALLS, (store, at) => store.consume(record(`${at}`), 60))
    expect(kept).toBeLessThan(200)
    expect(looked).toBeLessThan(4 * CALLS)
  })

  it('lets go of what was written two at once, and by writes that change one record', async () => {
    const two = await store(CALLS, (store, at) =>
      Promise.all([1, 2].map((half) => store.write([put(`${at}-${half}`, { ttl: 60 })]))),
    )
    expect(two.kept).toBeLessThan(400)
    const same = await store(CALLS, (store, at) =>
      store.write([put(at < CALLS / 2 ? `${at}` : 'the same', { ttl: 60 })]),
    )
    expect(same.kept).toBeLessThan(10)
  })

  it('looks at as many records per write whatever it holds, and keeps those that are alive', async () => {
    const written = memoryStore({ now: () => START })
    const { looked, kept } = await workOf(async () => {
      for (let at = 0; at < CALLS; at++) await written.write([put(`${at}`)])
    })
    expect(looked).toBeLessThan(4 * CALLS)
    expect(kept).toBe(CALLS)
    for (const at of [0, 1, CALLS / 2, CALLS - 1]) expect((await written.get(record(`${at}`)))?.value).toBe('1')
  })

  it('keeps no entry of an index longer than its record, also of one without an end', async () => {
    const index = [{ index: 'color', value: 'red' }]
    const { kept } = await store(CALLS, async (store, at) => {
      await store.write([put(`${at}`, { index })])
      await store.write([{ type: 'delete', id: record(`${at}`), ifVersion: 'any' }])
    })
    expect(kept).toBeLessThan(10)
    const moved = memoryStore()
    await moved.write([put('a', { index })])
    await moved.write([put('a')])
    expect((await moved.list('color', 'red')).ids).toEqual([record('a')])
  })

  it('looks at a page of an index and not at all that is under it, also between writes', async () => {
    const index = [{ index: 'color', value: 'red' }]
    const store = memoryStore()
    for (let at = 0; at < CALLS; at++) await store.write([put(`${at}`, { index })])
    const { looked, moved } = await workOf(async () => {
      for (let at = 0; at < CALLS; at++) {
        await store.write([put(`new ${at}`, { index })])
        await store.list('color', 'red', { limit: 10 })
        await store.write([{ type: 'delete', id: record(`${at}`), ifVersion: 'any' }])
      }
    })
    expect(looked / CALLS).toBeLessThan(20)
    // Within a block of an index.
    expect(moved / CALLS).toBeLessThan(1000)
    const seen: string[] = []
    let cursor: string | undefined
    const paged = await workOf(async () => {
      do {
        const page = await store.list('color', 'red', { limit: 10, ...(cursor && { cursor }) })
        seen.push(...page.ids.map(({ id }) => id))
        cursor = page.cursor
      } while (cursor)
    })
    expect(seen.sort()).toEqual(Array.from({ length: CALLS }, (_, at) => `new ${at}`).sort())
    expect(paged.looked + paged.moved).toBeLessThan(40 * CALLS)
  })
})

describe('the ledger in memory', () => {
  const lines = (subject: number | string, window: 'day' | 'minute' = 'minute') =>
    [{ subject: `user:${subject}`, window, limit: 10 } as const] as const

  it('looks at as many windows per spending whatever it holds', async () => {
    const time = START
    const all = memoryLedger({ now: () => time })
    const { looked } = await workOf(async () => {
      for (let at = 0; at < CALLS; at++) await all.spend({ tenant: 'acme', lines: lines(at, 'day'), amount: 1 })
    })
    expect(looked).toBeLessThan(4 * CALLS)
    expect(await all.read(lines(0, 'day')[0], { tenant: 'acme' })).toMatchObject({ committed: 1 })
  })

  it('lets go of windows that nobody reads any more, two at once or one', async () => {
    let time = START
    const minutes = memoryLedger({ now: () => time })
    const { kept } = await workOf(async () => {
      for (let at = 0; at < CALLS; at++) {
        time += 60
        await Promise.all(
          [1, 2].map((half) => minutes.spend({ tenant: 'acme', lines: lines(`${at}-${half}`), amount: 1 })),
        )
      }
    })
    // Two hours of them are read.
    expect(kept).toBeGreaterThanOrEqual(240)
    expect(kept).toBeLessThan(600)
  })

  it('looks at the holds that end and at no other, and finds those of a subject without looking at all', async () => {
    const { looked, kept } = await ledger(CALLS, async (ledger, at) => {
      await ledger.reserve({ tenant: 'acme', id: `${at}`, lines: lines(at), amount: 1, ttl: 1000 })
      expect(await ledger.holds(`user:${at}`, { tenant: 'acme' })).toHaveLength(1)
    })
    expect(looked).toBeLessThan(12 * CALLS)
    // What is over is remembered for a week.
    expect(kept).toBeLessThan(6 * CALLS)
  })

  it('keeps no end of a hold that was settled long before it', async () => {
    const time = START
    const settled = memoryLedger({ now: () => time })
    for (let at = 0; at < CALLS; at++) {
      const hold = { tenant: 'acme', id: `${at}`, lines: lines('one'), amount: 1 }
      await settled.reserve({ ...hold, ttl: 1e9 - at })
      await settled.settle(hold, 0)
    }
    expect(await settled.holds('user:one', { tenant: 'acme' })).toEqual([])
    expect(await settled.read(lines('one')[0], { tenant: 'acme' })).toMatchObject({ committed: 0, held: 0 })
  })

  it('gives back in whatever order holds end', async () => {
    let time = START
    const mixed = memoryLedger({ now: () => time })
    const day = lines('one', 'day').map((line) => ({ ...line, limit: 1e6 }))
    const ttls = Array.from({ length: 500 }, (_, at) => ((at * 7919) % 500) + 1)
    for (const [at, ttl] of ttls.entries())
      await mixed.reserve({ tenant: 'acme', id: `${at}`, lines: day, amount: 1, ttl })
    for (let passed = 1; passed <= 500; passed++) {
      time++
      expect((await mixed.read({ subject: 'user:one', window: 'day' }, { tenant: 'acme' })).held).toBe(500 - passed)
    }
  })
})

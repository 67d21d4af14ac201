import { createGuard, type Requirements } from 'sallyport/guard'
import { apiKey, createApiKeys, type KeyEvent, type Quota } from 'sallyport/keys'
import { type Ledger, memoryLedger, memoryStore, StoreError } from 'sallyport/store'
import { describe, expect, it } from 'vitest'

const scopes = ['data:read', 'data:write'] as const
/** 23:59:30 UTC, so that a minute and a day end in 30 seconds. */
const evening = Date.UTC(2026, 8, 21, 23, 59, 30) / 1000

function world(more: Partial<Ledger> = {}) {
  let time = evening
  const now = () => time
  const events: KeyEvent[] = []
  const ledger = { ...memoryLedger({ now }), ...more }
  const keys = createApiKeys({
    store: memoryStore({ now }),
    ledger,
    prefix: 'sp_live',
    scopes,
    now,
    onEvent: (event) => events.push(event),
  })
  const protect = createGuard({ resource: 'https://api.example.com', accept: [apiKey(keys)], now })
  return {
    keys,
    events,
    advance: (seconds: number) => {
      time += seconds
    },
    create: (quota?: Quota) =>
      keys.create({ tenant: 'acme', owner: 'alice', name: 'export', scopes: ['data:read'], ...(quota && { quota }) }),
    /** What the API answers: `ok`, or the refusal. */
    async call(key: string, requirements: Requirements = { scopes: ['data:read'] }) {
      const outcome = await protect(
        new Request('https://api.example.com/data', { headers: { 'X-API-Key': key } }),
        requirements,
      )
      if (outcome.ok) return 'ok'
      const { status, headers } = outcome.response
      return { status, error: (await outcome.response.json()).error, retryAfter: headers.get('retry-after') }
    },
  }
}

describe('a key with a quota', () => {
  it('[A-71] is refused with the time to wait when it is used up', async () => {
    const { create, call, events } = world()
    const { key, record } = await create({ minute: 2, day: 100 })
    expect(await call(key)).toBe('ok')
    expect(await call(key)).toBe('ok')
    expect(await call(key)).toEqual({ status: 429, error: 'quota_exceeded', retryAfter: '30' })
    expect(events.at(-1)).toEqual({ type: 'key_over_quota', id: record.id, tenant: 'acme', window: 'minute' })
  })

  it('[A-71 twin] serves again when the window begins again', async () => {
    const { create, call, advance } = world()
    const { key } = await create({ minute: 1, day: 1 })
    expect(await call(key)).toBe('ok')
    expect(await call(key)).toMatchObject({ status: 429 })
    advance(30)
    expect(await call(key)).toBe('ok')
  })

  it('says nothing of waiting where that does not help', async () => {
    const { create, call } = world()
    const { key } = await create({ total: 1 })
    expect(await call(key)).toBe('ok')
    expect(await call(key)).toEqual({ status: 429, error: 'quota_exceeded', retryAfter: null })
  })

  it('[A-7] shares it with its successors: rotation brings no new budget', async () => {
    const { keys, create, call } = world()
    const { key, record } = await create({ day: 1000 })
    for (let turn = 0; turn < 10; turn++) await call(key)
    const { key: next = '', record: successor } = await keys.rotate(record.id, { tenant: 'acme' })
    const answers = await Promise.all(Array.from({ length: 1200 }, (_, at) => call(at % 2 ? key : next)))
    expect(answers.filter((answer) => answer === 'ok')).toHaveLength(990)
    for (const { id } of [record, successor])
      expect(await keys.quotaUse(id, { tenant: 'acme' })).toMatchObject({ day: { used: 1000, limit: 1000 } })
  })

  it('[A-20] pays for no call that is refused, whatever refused it', async () => {
    const { keys, create, call } = world()
    const { key, record } = await create({ minute: 3, day: 100 })
    const used = async () => (await keys.quotaUse(record.id, { tenant: 'acme' }))?.day?.used
    await call(key, { scopes: ['data:write'] })
    await call(key, { tenant: 'another' })
    expect(await used()).toBe(0)
    for (let turn = 0; turn < 3; turn++) await call(key)
    for (let turn = 0; turn < 10; turn++) expect(await call(key)).toMatchObject({ status: 429 })
    expect(await used()).toBe(3)
  })

  it('[A-27] admits exactly so many of those that come at once', async () => {
    const { create, call } = world()
    const { key } = await create({ day: 100 })
    const answers = await Promise.all(Array.from({ length: 50 }, () => call(key, { cost: 10 })))
    expect(answers.filter((answer) => answer === 'ok')).toHaveLength(10)
  })

  it('[A-26] may nothing with a quota of 0, and everything without one', async () => {
    const { create, call } = world()
    const { key: none } = await create({ day: 0 })
    expect(await call(none)).toMatchObject({ status: 429 })
    const { key: all } = await create()
    for (let turn = 0; turn < 20; turn++) expect(await call(all)).toBe('ok')
  })

  it('tells what earlier windows came to', async () => {
    const { keys, create, call, advance } = world()
    const { key, record } = await create({ day: 5 })
    await call(key)
    advance(3600)
    for (let turn = 0; turn < 3; turn++) await call(key)
    const day = async (at: number) => (await keys.quotaUse(record.id, { tenant: 'acme', at }))?.day?.used
    expect(await day(evening)).toBe(1)
    expect(await day(evening + 3600)).toBe(3)
    expect(await keys.quotaUse(record.id, { tenant: 'another' })).toBeUndefined()
  })

  it('[A-35] is refused while nobody can count', async () => {
    const { create, call } = world({ spend: () => Promise.reject(new StoreError()) })
    const { key: counted } = await create({ day: 5 })
    expect(await call(counted)).toEqual({ status: 503, error: 'keys_unavailable', retryAfter: '5' })
    const { key: uncounted } = await create()
    expect(await call(uncounted)).toBe('ok')
  })

  it('[A-25] takes whole numbers only, and needs a ledger', async () => {
    const { create } = world()
    for (const day of [Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY, 2 ** 53, '5' as unknown as number])
      await expect(create({ day })).rejects.toThrow('keys.create: "quota.day" must be a whole number of calls')
    await expect(create({ week: 5 } as Quota)).rejects.toThrow('"quota.week" is not known here')
    const keys = createApiKeys({ store: memoryStore(), prefix: 'sp_live', scopes })
    const input = { tenant: 'acme', owner: 'alice', name: 'export', scopes: ['data:read'] as const, quota: { day: 5 } }
    await expect(keys.create(input)).rejects.toThrow('"quota" needs createApiKeys({ ledger })')
  })
})

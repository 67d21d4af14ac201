import type { CreatedApiKey, KeyRecord, NewApiKey } from 'sallyport/keys'
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { postgresUrl } from '../services/postgres.js'
import { type Remote, startRemote } from '../services/script.js'
import { openPostgres } from '../services/stores.js'
import type { KeysProcessOptions } from './keys-process.js'

const engines = [
  ['Redis', 'redis'],
  ['PostgreSQL', 'postgres'],
] as const

/** Three processes of one API: what one of them has seen, the others have not. */
describe.each(engines)('API keys in %s, in three processes', (name, engine) => {
  let all: Remote[] = []
  const tenant = `acme ${name}`

  beforeAll(async () => {
    const port = inject(engine)
    if (engine === 'postgres') {
      const { store, ledger, close } = await openPostgres(postgresUrl(port))
      await store.migrate()
      await ledger.migrate()
      await close()
    }
    const options: KeysProcessOptions = { engine, port }
    all = await Promise.all([1, 2, 3].map(() => startRemote('test/store/keys-process.ts', options)))
  })
  afterAll(() => Promise.all(all.map((one) => one.kill())))

  const one = (at: number) => all[at % all.length] as Remote
  const everywhere = (key: string) => Promise.all(all.map((side) => side.ask<number>('call', key)))
  const create = (more: Partial<NewApiKey<'data:read'>> = {}) =>
    one(0).ask<CreatedApiKey>('create', { tenant, owner: 'alice', name: 'a key', scopes: ['data:read'], ...more })

  it('[A-8] leave one successor, whoever rotates at once', async () => {
    for (let turn = 0; turn < 10; turn++) {
      const { record } = await create()
      const outcomes = await Promise.allSettled(
        Array.from({ length: 30 }, (_, at) => one(at).ask<CreatedApiKey>('rotate', record.id, { tenant })),
      )
      const done = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
      expect(done).toHaveLength(1)
      expect(await everywhere(done[0]?.key ?? '')).toEqual([200, 200, 200])
      const { items } = await one(1).ask<{ items: KeyRecord[] }>('list', { tenant, limit: 1000 })
      expect(items.filter(({ lineage }) => lineage === record.lineage)).toHaveLength(2)
    }
  })

  it('[K-04][A-9] refuse a revoked key on the next request, in every process', async () => {
    for (let turn = 0; turn < 20; turn++) {
      const { key, record } = await create()
      expect(await everywhere(key)).toEqual([200, 200, 200])
      await one(turn).ask('revoke', record.id, { tenant })
      expect(await everywhere(key)).toEqual([403, 403, 403])
    }
  })

  it('[A-11][A-12] keep a key ended that is ended in the middle of its verification', async () => {
    const { key, record } = await create({ owner: 'slow' })
    const under = [one(0).ask<number>('call', key), one(2).ask<number>('call', key)]
    await vi.waitFor(async () => expect([await one(0).ask('stopped'), await one(2).ask('stopped')]).toEqual([1, 1]))
    await one(1).ask('revoke', record.id, { tenant })
    for (const side of all) await side.ask('go')
    // Those had begun before; what they wrote afterwards has not brought the key back.
    expect(await Promise.all(under)).toEqual([200, 200])
    expect(await everywhere(key)).toEqual([403, 403, 403])
  })

  it('[A-11] keep a key ended that is ended while it is verified and rotated', async () => {
    for (let turn = 0; turn < 20; turn++) {
      const { key, record } = await create()
      await Promise.allSettled([
        ...Array.from({ length: 30 }, (_, at) => one(at).ask('call', key)),
        one(1).ask('revoke', record.id, { tenant }),
        one(2).ask('rotate', record.id, { tenant, grace: 0 }),
      ])
      expect(await everywhere(key)).toEqual([403, 403, 403])
    }
  })

  it('[A-7][A-27] never exceed a quota, whoever calls at once with which of its keys', async () => {
    const { key, record } = await create({ quota: { day: 100, total: 1000 } })
    const { key: next } = await one(1).ask<CreatedApiKey>('rotate', record.id, { tenant })
    const answers = await Promise.all(all.map((side, at) => side.ask<number[]>('calls', at % 2 ? next : key, 100)))
    expect(answers.flat().filter((status) => status === 200)).toHaveLength(100)
    expect(answers.flat().filter((status) => status === 429)).toHaveLength(200)
    const use = await one(2).ask<{ day: { used: number } }>('quotaUse', record.id, { tenant })
    expect(use).toMatchObject({ day: { used: 100 }, total: { used: 100 } })
  })
})

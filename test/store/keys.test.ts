import { createApiKeys } from 'sallyport/keys'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { postgresUrl } from '../services/postgres.js'
import { type OpenStore, openPostgres, openRedis } from '../services/stores.js'

const scopes = ['data:read'] as const
const engines: Record<string, () => Promise<OpenStore>> = {
  Redis: () => openRedis(inject('redis')),
  PostgreSQL: () => openPostgres(postgresUrl(inject('postgres'))),
}

/** Three of everything, each with connections of its own: what one of them has seen, the others have not. */
describe.each(Object.entries(engines))('API keys in %s, from three sides', (engine, open) => {
  let opened: OpenStore[] = []
  let sides: Array<ReturnType<typeof createApiKeys<'data:read'>>> = []
  const tenant = `acme ${engine}`

  beforeAll(async () => {
    opened = await Promise.all([open(), open(), open()])
    for (const { store } of opened) if ('migrate' in store) await (store as { migrate(): Promise<void> }).migrate()
    sides = opened.map(({ store }) => createApiKeys({ store, prefix: 'sp_test', scopes }))
  })
  afterAll(() => Promise.all(opened.map(({ close }) => close())))

  const side = (at: number) => sides[at % sides.length] as (typeof sides)[number]
  const create = () => side(0).create({ tenant, owner: 'alice', name: 'a key', scopes: ['data:read'] })

  it('[A-8] leaves one successor, whoever rotates at once', async () => {
    for (let turn = 0; turn < 10; turn++) {
      const { record } = await create()
      const outcomes = await Promise.allSettled(
        Array.from({ length: 30 }, (_, at) => side(at).rotate(record.id, { tenant })),
      )
      const done = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
      expect(done).toHaveLength(1)
      const [{ key = '' } = { key: '' }] = done
      for (const one of sides) expect((await one.verify(key)).ok).toBe(true)
      const { lineage } = record
      const all = await side(1).list({ tenant, limit: 1000 })
      expect(all.keys.filter((one) => one.lineage === lineage)).toHaveLength(2)
    }
  })

  it('[K-04][A-9] refuses a revoked key on the next request, on every side', async () => {
    for (let turn = 0; turn < 20; turn++) {
      const { key, record } = await create()
      for (const one of sides) expect((await one.verify(key)).ok).toBe(true)
      await side(turn).revoke(record.id, { tenant })
      for (const one of sides) expect(await one.verify(key)).toMatchObject({ ok: false, detail: 'revoked' })
    }
  })

  it('[A-11] keeps a key ended that is ended while it is verified and rotated', async () => {
    for (let turn = 0; turn < 20; turn++) {
      const { key, record } = await create()
      await Promise.allSettled([
        ...Array.from({ length: 30 }, (_, at) => side(at).verify(key)),
        side(1).revoke(record.id, { tenant }),
        side(2).rotate(record.id, { tenant, grace: 0 }),
      ])
      for (const one of sides) expect((await one.verify(key)).ok).toBe(false)
    }
  })
})

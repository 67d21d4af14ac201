import { createApprovals, createAudit, verifyAudit } from 'sallyport/agents'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { postgresUrl } from '../services/postgres.js'
import { type OpenStore, openPostgres, openRedis } from '../services/stores.js'

const engines: Record<string, () => Promise<OpenStore>> = {
  Redis: () => openRedis(inject('redis')),
  PostgreSQL: () => openPostgres(postgresUrl(inject('postgres'))),
}
const by = (tenant: string) =>
  ({
    method: 'session_cookie',
    iss: 'https://login.example.com',
    sub: 'alice',
    tenant,
    scopes: [],
    claims: {},
  }) as const
const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => 'done',
    (error) => error.code ?? error,
  )

/** Three of everything, each with connections of its own: what one of them has seen, the others have not. */
describe.each(Object.entries(engines))('agents in %s, from three sides', (engine, open) => {
  let opened: OpenStore[] = []
  const tenant = `agents/${engine}`
  const call = { tenant, agent: 'bot', iss: 'https://login.example.com', sub: 'alice', tool: 'transfer' }

  beforeAll(async () => {
    opened = await Promise.all([open(), open(), open()])
    for (const { store } of opened) if ('migrate' in store) await (store as { migrate(): Promise<void> }).migrate()
  })
  afterAll(() => Promise.all(opened.map(({ close }) => close())))

  const all = <Part>(make: (side: OpenStore) => Part) => {
    const parts = opened.map(make)
    return (at: number) => parts[at % parts.length] as Part
  }

  it('[A-57] run an approved call once of a thousand times at once', async () => {
    const side = all(({ store }) => createApprovals({ store }))
    const { id } = await side(0).request({ ...call, args: { amount: 82 }, kind: 'user' })
    await side(1).decide(id, { by: by(tenant), approve: true })
    const outcomes = await Promise.all(
      Array.from({ length: 1000 }, (_, at) => refusal(side(at).consume(id, { ...call, args: { amount: 82 } }))),
    )
    expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(1)
    // Who waits too long for one of fifteen connections has not got it either.
    const others = outcomes.filter((outcome) => outcome !== 'done')
    expect(new Set(others)).toContain('approval_used')
    for (const other of others) expect(['approval_used', 'store_unavailable']).toContain(other)
    for (let at = 0; at < 3; at++)
      expect(await refusal(side(at).consume(id, { ...call, args: { amount: 82 } }))).toBe('approval_used')
  })

  it('[G-05] spoil an approval, or use it, but not both, when another call comes with it at the same time', async () => {
    const side = all(({ store }) => createApprovals({ store }))
    for (let turn = 0; turn < 10; turn++) {
      const { id } = await side(0).request({ ...call, args: turn, kind: 'user' })
      await side(1).decide(id, { by: by(tenant), approve: true })
      const [right, wrong] = await Promise.all([
        refusal(side(0).consume(id, { ...call, args: turn })),
        refusal(side(1).consume(id, { ...call, args: -1 })),
      ])
      expect(wrong).toBe('approval_mismatch')
      expect((await side(2).get(id, { tenant }))?.status).toBe(right === 'done' ? 'consumed' : 'void')
    }
  })

  it('leave twenty calls waiting, whoever asks at once', async () => {
    const side = all(({ store }) => createApprovals({ store }))
    const asked = { ...call, agent: `flood ${crypto.randomUUID()}`, kind: 'user' } as const
    const outcomes = await Promise.all(
      Array.from({ length: 60 }, (_, args) => refusal(side(args).request({ ...asked, args }))),
    )
    expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(20)
    expect(new Set(outcomes)).toEqual(new Set(['done', 'approvals_exceeded']))
    expect((await side(1).pending({ tenant, agent: asked.agent })).items).toHaveLength(20)
  })

  it('leave nothing open when all is taken back while it is decided and used', async () => {
    const side = all(({ store }) => createApprovals({ store, maxPending: 60 }))
    const agent = 'stopped'
    const made = await Promise.all(
      Array.from({ length: 60 }, (_, args) => side(args).request({ ...call, agent, args, kind: 'user' })),
    )
    const racing = made.flatMap(({ id }, args) => [
      refusal(
        side(args)
          .decide(id, { by: by(tenant), approve: true })
          .then(() => side(args + 1).consume(id, { ...call, agent, args })),
      ),
    ])
    const ended = await side(2).voidAll({ tenant, agent })
    const outcomes = await Promise.all(racing)
    expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(60 - ended)
    for (const [args, { id }] of made.entries())
      expect(await refusal(side(args).consume(id, { ...call, agent, args }))).toMatch(/^approval_(void|used)$/)
    expect((await side(0).pending({ tenant, agent })).items).toEqual([])
  })

  it('[A-68] make one audit chain of 200 appends at once', async () => {
    const side = all(({ store }) => createAudit({ store }))
    const heads = await Promise.all(
      Array.from({ length: 200 }, (_, at) =>
        side(at).append({ tenant, action: 'tool:transfer', decision: 'allowed', correlation: `${at}` }),
      ),
    )
    const newest = heads.find(({ seq }) => seq === 200)
    expect(await verifyAudit(side(0).exportLines({ tenant }), { head: newest })).toEqual({
      ok: true,
      head: newest,
      covered: 200,
    })
    const rows = (await side(1).read({ tenant, limit: 1000 })).items
    expect(new Set(rows.map(({ correlation }) => correlation)).size).toBe(200)
  })

  it('[A-68] make one chain of appends that come one after the other, each from another side', async () => {
    const side = all(({ store }) => createAudit({ store }))
    for (let at = 0; at < 30; at++) await side(at).append({ tenant, action: 'tool:transfer', decision: 'allowed' })
    expect(await verifyAudit(side(0).exportLines({ tenant }))).toMatchObject({ ok: true, head: { seq: 230 } })
  })
})

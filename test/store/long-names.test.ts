import { createAudit } from 'sallyport/agents'
import { createKeyRing } from 'sallyport/key-ring'
import { createApiKeys } from 'sallyport/keys'
import { memoryLedger, memoryStore, type RecordStore } from 'sallyport/store'
import { afterAll, describe, expect, inject, it } from 'vitest'
import { LOGIN, scene } from '../agents/identity.js'
import { memoryVault } from '../key-ring/ring-world.js'
import { postgresUrl } from '../services/postgres.js'
import { type OpenStore, openPostgres, openRedis } from '../services/stores.js'
import { ISSUER, refresh, signIn, world } from '../world.js'

const now = () => Date.now() / 1000
const engines: Record<string, () => Promise<OpenStore>> = {
  memory: async () => ({ store: memoryStore({ now }), ledger: memoryLedger({ now }), close: async () => {} }),
  Redis: () => openRedis(inject('redis')),
  async PostgreSQL() {
    const opened = await openPostgres(postgresUrl(inject('postgres')))
    await Promise.all([opened.store.migrate(), opened.ledger.migrate()])
    return opened
  },
}

/** As long as it may be, another one each time, of letters that UTF-8 and JSON make longer. */
const scripts = { letters: 'x', 'three bytes': '語', quotes: '"', 'four bytes': '😀' }
const long = (letter: string, most: number): string =>
  `${crypto.randomUUID().slice(0, 8)}${letter.repeat(most)}`.slice(0, most).replace(/[\ud800-\udbff]$/, 'x')

const listedBy: Record<string, true> = {}
/** Notes the names of all indexes that are written to. */
const noting = (store: RecordStore): RecordStore => ({
  ...store,
  write(changes) {
    for (const change of changes)
      if (change.type === 'put') for (const { index } of change.index ?? []) listedBy[index.replace(/\..*/, '')] = true
    return store.write(changes)
  },
})

describe.each(Object.entries(engines))('names as long as they may be, in %s', (_, open) => {
  let opening: Promise<OpenStore> | undefined
  afterAll(async () => (await opening)?.close())
  async function opened() {
    opening ??= open()
    const { store, ledger } = await opening
    return { store: noting(store), ledger }
  }

  describe.each(Object.entries(scripts))('of %s', (_, letter) => {
    it('[K-18] find the keys of a tenant, of an owner, and those that end soon', async () => {
      const { store } = await opened()
      const keys = createApiKeys({ store, prefix: 'sp_test', scopes: ['read'], now })
      for (const [tenant, owner] of [
        [long(letter, 100), long(letter, 100)],
        [long(letter, 200), long(letter, 255)],
        [long(letter, 20), long(letter, 20)],
      ] as const) {
        const input = { tenant, owner, name: long(letter, 200), scopes: ['read'] as const, expiresIn: 60 }
        const { record } = await keys.create(input)
        await keys.create({ ...input, owner: long(letter, owner.length) })
        expect((await keys.list({ tenant })).items).toHaveLength(2)
        expect((await keys.list({ tenant, owner })).items.map(({ id }) => id)).toEqual([record.id])
        const due: string[] = []
        for await (const { id } of keys.due({ within: 120 })) due.push(id)
        expect(due).toContain(record.id)
        const { record: successor } = await keys.rotate(record.id, { tenant })
        expect(await keys.revokeOwner(owner, { tenant })).toBeGreaterThan(0)
        expect((await keys.get(successor.id, { tenant }))?.revokedAt).toBeDefined()
      }
    })

    it('[K-18] find agents of a tenant and below another, consents and approvals of a person, budgets', async () => {
      const { store, ledger } = await opened()
      const { agents, approvals, register, person } = scene({ store: () => store, ledger, now })
      const [tenant, sub, owner] = [long(letter, 200), long(letter, 255), long(letter, 255)]
      const agent = await register({ tenant, owner, id: `agent_${crypto.randomUUID()}${'a'.repeat(64)}` })
      const child = await register({ tenant, owner, parent: agent.id })
      expect((await agents.list({ tenant })).items).toHaveLength(2)
      const { principal } = await person({ tenant, sub })
      await agents.consent(agent.id, { subject: principal, scopes: ['data:read'] })
      expect((await agents.consents({ iss: LOGIN, sub }, { tenant })).items).toHaveLength(1)
      const call = { tenant, agent: agent.id, iss: LOGIN, sub, tool: 'notes.replace', args: {} }
      const { id } = await approvals.request({ ...call, kind: 'user' })
      for (const whose of [{ tenant }, { tenant, agent: agent.id }, { tenant, iss: LOGIN, sub }])
        expect((await approvals.pending(whose)).items.map((one) => one.id)).toEqual([id])
      const lines = [
        { subject: `user:${sub}`, window: 'day' } as const,
        { subject: `tenant:${tenant}`, window: 'total' } as const,
      ]
      const reserved = await ledger.reserve({ tenant, id: long(letter, 200), lines, amount: 3, ttl: 60 })
      expect(await ledger.holds(`user:${sub}`, { tenant })).toEqual([reserved.ok && reserved.hold])
      await agents.decommission(agent.id, { tenant, reason: 'done' })
      expect((await agents.get(child.id, { tenant }))?.decommissionedAt).toBeDefined()
      const audit = createAudit({ store, now })
      await audit.append({ tenant, agent: agent.id, iss: LOGIN, sub, action: 'tool:look', decision: 'allowed' })
      expect(await audit.read({ tenant })).toMatchObject({ items: [{ sub }] })
    })

    it('[K-18] find the rings of all tenants', async () => {
      const { store } = await opened()
      const [name, tenant] = [`r${crypto.randomUUID()}`, long(letter, 200)]
      let made = 0
      const provider = {
        create: async () => ({ id: `${++made}`, secret: `secret ${made}` }),
        test: async () => true,
        revoke: async () => {},
      }
      const ring = createKeyRing({ name, provider, vault: memoryVault().vault, store, now, tenants: 'separate' })
      await ring.rotate({ tenant })
      expect((await ring.status({ tenant })).keys).toHaveLength(1)
    })
  })

  it('[K-18] find the sessions of a user, and end those of a provider’s', async () => {
    const { store } = await opened()
    const sub = long('x', 255)
    const issuer = `${ISSUER}/${'i'.repeat(200)}`
    const { as, tab, bff, device } = await world(
      { store, issuer, now },
      { issuer, now, users: [{ sub: 'alice' }, { sub }] },
    )
    as.signIn(sub)
    for (const each of [tab, device()]) expect((await signIn(each)).status).toBe(200)
    expect(await bff.endSessions({ sub })).toBe(2)
    expect((await refresh(tab)).status).toBe(400)
  })
})

it('[K-18] are hashed alone: what 0.2.0 has written under shorter ones is found', async () => {
  const store = memoryStore({ now })
  const keys = createApiKeys({ store, prefix: 'sp_test', scopes: ['read'], now })
  const { record } = await keys.create({ tenant: 'a"', owner: 'ü', name: 'key', scopes: ['read'] })
  expect((await store.list('api-key-owner', '["a\\"","ü"]')).ids.map(({ id }) => id)).toEqual([record.id])
})

it('[K-18] are tried with every index that there is', () => {
  expect(Object.keys(listedBy).sort()).toEqual([
    'agent-above',
    'agent-consent',
    'agent-tenant',
    'api-key-expiry',
    'api-key-owner',
    'api-key-tenant',
    'approval',
    'key-ring',
    'session-sid',
    'session-sub',
  ])
})

import { createPeerCheck, signRequest } from 'sallyport/agents'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { API, agentKey, LOGIN, scene } from '../agents/identity.js'
import { postgresUrl } from '../services/postgres.js'
import { type OpenStore, openPostgres, openRedis } from '../services/stores.js'

const engines: Record<string, () => Promise<OpenStore>> = {
  Redis: () => openRedis(inject('redis')),
  PostgreSQL: () => openPostgres(postgresUrl(inject('postgres'))),
}
const key = await agentKey()
const now = () => Date.now() / 1000
const taken = ['ok', 'ok', 'ok']
const refused = Array.from({ length: 3 }, () => [401, 'invalid_token'])

/** A whole API with connections of its own: what one of them has seen, the others have not. */
const sideOf = ({ store, ledger }: OpenStore) => ({
  ...scene({ store: () => store, ledger, now }),
  verifyPeer: createPeerCheck({ audience: API, store }),
})

describe.each(Object.entries(engines))('agents in %s, from three sides', (engine, open) => {
  let opened: OpenStore[] = []
  let sides: Array<ReturnType<typeof sideOf>> = []
  const tenant = `acme ${engine} ${crypto.randomUUID()}`

  beforeAll(async () => {
    opened = await Promise.all([open(), open(), open()])
    for (const part of opened.flatMap(({ store, ledger }) => [store, ledger]))
      if ('migrate' in part) await (part as { migrate(): Promise<void> }).migrate()
    sides = opened.map(sideOf)
  })
  afterAll(() => Promise.all(opened.map(({ close }) => close())))

  const side = (at: number) => sides[at % sides.length] as (typeof sides)[number]
  const register = (more: object = {}) => side(0).register({ tenant, key, ...more })
  const everywhere = (token: string) => Promise.all(sides.map(({ call }) => call(token)))

  it('[A-55] refuses a decommissioned agent, and those under it, on the next request on every side', async () => {
    for (let turn = 0; turn < 10; turn++) {
      const agent = await register()
      const child = await register({ parent: agent.id })
      const tokens = await Promise.all(
        [agent, child].map(async ({ id }) => (await side(turn + 1).agents.issue(id, { tenant })).access_token),
      )
      for (const token of tokens) expect(await everywhere(token)).toEqual(taken)
      const lines = [{ subject: `agent:${child.id}` as const, window: 'day' as const }]
      await side(1).ledger.reserve({ tenant, id: crypto.randomUUID(), lines, amount: 5, ttl: 600 })
      await side(turn).agents.decommission(agent.id, { tenant, reason: 'done' })
      for (const token of tokens) expect(await everywhere(token)).toEqual(refused)
      expect((await side(2).ledger.read({ subject: `agent:${child.id}`, window: 'day' }, { tenant })).held).toBe(0)
    }
  })

  it('[A-55] leaves none under a decommissioned agent, also of those that are registered at that moment', async () => {
    for (let turn = 0; turn < 20; turn++) {
      const { id: parent } = await register()
      await Promise.allSettled([
        ...Array.from({ length: 6 }, async (_, at) => side(at).register({ tenant, key, parent })),
        side(turn).agents.decommission(parent, { tenant, reason: 'done' }),
      ])
      const { ids } = await (opened[0] as OpenStore).store.list('agent-above', parent)
      for (const { id } of ids)
        expect((await side(1).agents.get(id, { tenant }))?.decommissionedAt).toEqual(expect.any(Number))
    }
  })

  it('leaves one agent of an id, whoever registers it at once', async () => {
    const id = `agent_${crypto.randomUUID()}`
    const input = { id, tenant, owner: 'ops', role: 'reader', publicKey: key.publicKey } as const
    const outcomes = await Promise.allSettled(Array.from({ length: 30 }, (_, at) => side(at).agents.register(input)))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  it('[G-14] stops a tenant on every side, and lets new tokens in afterwards', async () => {
    const { id } = await register()
    const issue = async () => (await side(1).agents.issue(id, { tenant })).access_token
    const before = await issue()
    await side(2).agents.stop({ tenant })
    expect(await everywhere(before)).toEqual(refused)
    await side(0).agents.resume({ tenant })
    expect(await everywhere(before)).toEqual(refused)
    expect(await everywhere(await issue())).toEqual(taken)
  })

  it('[G-10] ends what agents do for a person on every side', async () => {
    const { id } = await register()
    const { principal: subject } = await side(2).person({ tenant, scopes: ['data:read'] })
    await side(0).agents.consent(id, { subject, scopes: ['data:read'] })
    expect((await side(1).agents.consents({ iss: LOGIN, sub: 'alice' }, { tenant })).items).toHaveLength(1)
    const exchange = async () => (await side(1).agents.exchange(id, { subject })).access_token
    const first = await exchange()
    expect(await everywhere(first)).toEqual(taken)
    await side(2).agents.endDelegations({ iss: LOGIN, sub: 'alice' }, { tenant })
    expect(await everywhere(first)).toEqual(refused)
    // The same sign-in gets no other one, on any side; who has signed in since does.
    await expect(exchange()).rejects.toMatchObject({ code: 'delegation_refused' })
    const since = { ...subject, claims: { ...subject.claims, auth_time: Math.ceil(Date.now() / 1000) } }
    const second = (await side(1).agents.exchange(id, { subject: since })).access_token
    expect(await everywhere(second)).toEqual(taken)
    await side(0).agents.withdraw(id, { tenant, iss: LOGIN, sub: 'alice' })
    expect(await everywhere(second)).toEqual(refused)
  })

  it('[A-67] takes a signed request once, whichever side it comes to', async () => {
    const { id } = await register()
    for (let turn = 0; turn < 10; turn++) {
      const request = await signRequest(new Request(API), { agent: id, key: key.key, audience: API })
      const outcomes = await Promise.all(sides.map(({ verifyPeer }) => verifyPeer(request.clone())))
      expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1)
    }
  })
})

import { StoreError } from 'sallyport/store'
import { describe, expect, it, vi } from 'vitest'
import { scene } from './identity.js'

const gone = [401, 'invalid_token']

describe('decommissioning an agent', () => {
  it('[A-55] refuses it and all that comes from it on the next request, in every process', async () => {
    const { agents, open, register, who, call, person } = scene()
    const { id } = await register()
    const child = await register({ parent: id })
    const grandchild = await register({ parent: child.id })
    const helper = await register({ role: 'reader' })
    const { principal: subject } = await person()
    await agents.consent(id, { subject, scopes: ['data:read'] })
    const issue = async (agent: string) => (await agents.issue(agent, { tenant: 'acme' })).access_token
    const delegated = (await agents.exchange(id, { subject })).access_token
    const handedOn = (await agents.exchange(helper.id, { subject: await who(delegated) })).access_token
    const tokens = [await issue(id), delegated, handedOn, await issue(child.id), await issue(grandchild.id)]
    const helpers = await issue(helper.id)
    for (const token of tokens) expect(await call(token)).toBe('ok')
    await open().decommission(id, { tenant: 'acme', reason: 'project over' })
    for (const token of tokens) expect(await call(token)).toEqual(gone)
    // What the helper has of its own is untouched.
    expect(await call(helpers)).toBe('ok')
    for (const agent of [id, child.id, grandchild.id])
      await expect(agents.issue(agent, { tenant: 'acme' })).rejects.toMatchObject({ code: 'agent_ended' })
    await expect(register({ parent: id })).rejects.toMatchObject({ code: 'agent_ended' })
    await expect(agents.consent(id, { subject, scopes: ['data:read'] })).rejects.toMatchObject({
      code: 'agent_ended',
    })
    expect(await agents.get(id, { tenant: 'acme' })).toMatchObject({
      reason: 'project over',
      decommissionedAt: expect.any(Number),
    })
    expect(await agents.get(grandchild.id, { tenant: 'acme' })).toMatchObject({ reason: `with ${id}` })
  })

  it('[A-55] reaches those that are registered under it at that moment, in every process', async () => {
    for (let turn = 0; turn < 30; turn++) {
      const it = scene()
      const { agents, open, register, store } = it
      const { id } = await register()
      const { list, write } = store
      // Between the look at the parent and the child, or the list and its end.
      if (turn % 2)
        store.write = async (changes) => {
          store.write = write
          await open().decommission(id, { tenant: 'acme', reason: 'over' })
          return write.call(store, changes)
        }
      else
        store.list = async (...of) => {
          store.list = list
          const page = await store.list(...of)
          await register({ id: 'agent_late', parent: id }).catch(() => {})
          return page
        }
      await Promise.allSettled([
        register({ id: 'agent_child', parent: id }),
        ...(turn % 2 ? [] : [open().decommission(id, { tenant: 'acme', reason: 'over' })]),
      ])
      const { items: all } = await agents.list({ tenant: 'acme' })
      expect(all.filter(({ decommissionedAt }) => decommissionedAt === undefined)).toEqual([])
    }
  })

  it('[A-55 twin] leaves the others alone', async () => {
    const { agents, register, call } = scene()
    const [one, other] = [await register(), await register()]
    const { access_token } = await agents.issue(other.id, { tenant: 'acme' })
    await agents.decommission(one.id, { tenant: 'acme', reason: 'done' })
    expect(await call(access_token)).toBe('ok')
  })

  it('[A-55] gives back what it holds, and makes void what it waits for', async () => {
    const { agents, register, ledger, waiting, statuses } = scene()
    const { id } = await register()
    const child = await register({ parent: id })
    const other = await register()
    const reserve = (agent: string) =>
      ledger.reserve({
        tenant: 'acme',
        id: crypto.randomUUID(),
        lines: [{ subject: `agent:${agent}`, window: 'day', limit: 100 }],
        amount: 10,
        ttl: 600,
      })
    for (const agent of [id, id, child.id, other.id]) await reserve(agent)
    const asked = await Promise.all([id, child.id, other.id].map((agent) => waiting({ agent })))
    await agents.decommission(id, { tenant: 'acme', reason: 'done' })
    const held = async (agent: string) =>
      (await ledger.read({ subject: `agent:${agent}`, window: 'day' }, { tenant: 'acme' })).held
    expect([await held(id), await held(child.id), await held(other.id)]).toEqual([0, 0, 10])
    expect(await statuses(asked)).toEqual(['void', 'void', 'pending'])
  })

  it('[A-55] holds from its first write on, and goes on where it was cut short', async () => {
    const { agents, register, call, store, ledger } = scene()
    const { id } = await register()
    const child = await register({ parent: id })
    const { access_token } = await agents.issue(child.id, { tenant: 'acme' })
    const lines = [{ subject: `agent:${child.id}` as const, window: 'day' as const }]
    await ledger.reserve({ tenant: 'acme', id: 'h', lines, amount: 10, ttl: 600 })
    // The process dies after the first write: as if everything afterwards did not answer.
    const list = vi.spyOn(store, 'list').mockRejectedValue(new StoreError())
    const ending = () => agents.decommission(id, { tenant: 'acme', reason: 'done' })
    await expect(ending()).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(await call(access_token)).toEqual(gone)
    expect((await agents.get(child.id, { tenant: 'acme' }))?.decommissionedAt).toBeUndefined()
    list.mockRestore()
    await ending()
    expect(await agents.get(child.id, { tenant: 'acme' })).toMatchObject({ reason: `with ${id}` })
    expect((await ledger.read({ subject: `agent:${child.id}`, window: 'day' }, { tenant: 'acme' })).held).toBe(0)
    // And once more does no harm.
    const before = await agents.get(id, { tenant: 'acme' })
    await ending()
    expect(await agents.get(id, { tenant: 'acme' })).toEqual(before)
  })

  it('wins over whoever changes the agent at the same time', async () => {
    const { agents, open, register } = scene()
    const { id } = await register()
    const change = () => open().update(id, { tenant: 'acme', budget: { day: 1 } })
    const outcomes = await Promise.allSettled([
      change(),
      agents.decommission(id, { tenant: 'acme', reason: 'done' }),
      change(),
      open().decommission(id, { tenant: 'acme', reason: 'done' }),
      change(),
    ])
    expect([outcomes[1]?.status, outcomes[3]?.status]).toEqual(['fulfilled', 'fulfilled'])
    expect((await agents.get(id, { tenant: 'acme' }))?.decommissionedAt).toBeDefined()
  })
})

describe('stopping the agents of a tenant', () => {
  it('[G-14] refuses their next calls and new tokens, and makes void what waits for approval', async () => {
    const { agents, open, register, who, call, events, waiting, statuses } = scene()
    const { id } = await register()
    const asked = await waiting({ agent: id })
    const { access_token } = await agents.issue(id, { tenant: 'acme' })
    const principal = await who(access_token)
    expect((await agents.status(principal)).ok).toBe(true)
    await open().stop({ tenant: 'acme', reason: 'odd behaviour' })
    expect(await call(access_token)).toEqual(gone)
    // What asks once more directly before a write does not write.
    expect(await agents.status(principal)).toEqual({ ok: false, detail: 'stopped' })
    expect(await statuses([asked])).toEqual(['void'])
    await expect(agents.issue(id, { tenant: 'acme' })).rejects.toMatchObject({ code: 'agents_stopped' })
    expect(await agents.stopped({ tenant: 'acme' })).toMatchObject({ reason: 'odd behaviour' })
    expect(events.filter(({ type }) => type === 'agents_stopped')).toHaveLength(1)
  })

  it('[G-14 twin] leaves other tenants alone, and new tokens serve after it is over; those of before never do', async () => {
    const { agents, register, call } = scene()
    const { id } = await register()
    const other = await register({ tenant: 'globex' })
    const before = await agents.issue(id, { tenant: 'acme' })
    const foreign = await agents.issue(other.id, { tenant: 'globex' })
    await agents.stop({ tenant: 'acme' })
    expect(await call(foreign.access_token)).toBe('ok')
    await agents.resume({ tenant: 'acme' })
    expect(await agents.stopped({ tenant: 'acme' })).toBeUndefined()
    const after = await agents.issue(id, { tenant: 'acme' })
    expect([await call(before.access_token), await call(after.access_token)]).toEqual([gone, 'ok'])
    // Where nothing is stopped nothing is ended.
    await agents.resume({ tenant: 'acme' })
    expect(await call(after.access_token)).toBe('ok')
  })

  it('[G-14] ends also a token that was being signed at that moment', async () => {
    const { agents, open, register, call, tokens } = scene()
    const { id } = await register()
    const issue = tokens.issue
    tokens.issue = async (input) => {
      await open().stop({ tenant: 'acme' })
      await open().resume({ tenant: 'acme' })
      return issue(input)
    }
    const { access_token } = await agents.issue(id, { tenant: 'acme' })
    expect(await call(access_token)).toEqual(gone)
  })

  it('does not keep a principal alive that is held for longer than its token lives', async () => {
    const { agents, register, who, advance } = scene()
    const { id } = await register()
    const principal = await who((await agents.issue(id, { tenant: 'acme' })).access_token)
    advance(930)
    expect(await agents.status(principal)).toEqual({ ok: false, detail: 'expired' })
  })
})

import { budgetLines, type Metered, type ToolCall, withBudget } from 'sallyport/agents'
import type { Principal } from 'sallyport/guard'
import { type Ledger, memoryLedger, StoreError } from 'sallyport/store'
import { describe, expect, it, vi } from 'vitest'
import { DAY, NOON } from './identity.js'
import { world } from './world.js'

const read = (estimate: number): ToolCall => ({ tool: 'data.read', estimate })
const nothings = [Number.NaN, Number.POSITIVE_INFINITY, -1, 1.5, 2 ** 53, '5' as unknown as number]

describe('the budget of an agent', () => {
  it('[G-01] that is used up refuses: 429, when it begins again, nothing done and nothing taken', async () => {
    const { api, call, requestOf, executed, balance } = await world()
    expect(await call({ ...read(9000), units: 9000 })).toBe('ok')
    executed.length = 0
    const response = await api(await requestOf({}, read(1001)))
    expect(response.status).toBe(429)
    expect((await response.json()).error).toBe('budget_exceeded')
    expect(response.headers.get('Retry-After')).toBe(`${DAY / 2}`)
    expect(executed).toEqual([])
    expect(await balance()).toEqual([9000, 0])
  })
  it('[G-01 twin] that has enough left admits, and begins again at midnight', async () => {
    const { call, advance, balance } = await world()
    expect(await call({ ...read(9000), units: 9000 })).toBe('ok')
    expect(await call(read(1000))).toBe('ok')
    expect(await call(read(1))).toEqual([429, 'budget_exceeded'])
    advance(DAY / 2)
    expect(await balance()).toEqual([0, 0])
    expect(await call(read(10_000))).toBe('ok')
  })

  it('[G-02] for 5 admits 5 of 20 at once', async () => {
    const { agents, principalOf, run, executed } = await world()
    await agents.update('agent_a', { tenant: 'acme', budget: { day: 50 } })
    const principal = await principalOf({})
    const answers = await Promise.all(Array.from({ length: 20 }, () => run(principal, read(10))))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(5)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(15)
    expect(executed).toHaveLength(5)
  })

  it('[A-25][A-35] refuses an estimate that is no amount, and a call that has none', async () => {
    const { code, balance, ledger } = await world()
    const reserve = vi.spyOn(ledger, 'reserve')
    for (const estimate of nothings) expect(await code(read(estimate))).toBe('cost_unknown')
    expect(await code({ tool: 'data.read' })).toBe('cost_unknown')
    expect(reserve).not.toHaveBeenCalled()
    expect(await balance()).toEqual([0, 0])
  })
  it('[A-25] knows no settlement that is no amount: what has begun counts in full', async () => {
    const { grant, balance } = await world()
    for (const units of nothings) {
      await using held = await grant(read(10))
      await held.started()
      await expect(held.settle({ units })).rejects.toThrow(TypeError)
    }
    expect(await balance()).toEqual([10 * nothings.length, 0])
  })
  it('[A-25 twin][A-35 twin] takes whole numbers, 0 among them', async () => {
    const { code, grant, balance } = await world()
    expect(await code(read(0))).toBe('ok')
    await (await grant(read(10))).settle({ units: 0 })
    expect(await balance()).toEqual([0, 0])
  })

  it('[A-26] of 0 is nothing', async () => {
    const { agents, code } = await world()
    await agents.update('agent_a', { tenant: 'acme', budget: { day: 0 } })
    expect(await code(read(1))).toBe('budget_exceeded')
    await agents.update('agent_a', { tenant: 'acme', budget: { request: 0 } })
    expect(await code(read(1))).toBe('budget_exceeded')
  })
  it('[A-26 twin] that is not there has no limit; of agents it is the default', async () => {
    const { code } = await world({ budgets: { agent: { day: 1e9 } } })
    expect(await code(read(1e9))).toBe('ok')
  })

  it.each([
    ['nothing', {}],
    ['another limit', { request: 20_000 }],
    ['undefined', { day: undefined } as object],
  ])('[G-16] that names %s has the default for what it leaves out', async (_, budget) => {
    const { agents, code } = await world()
    await agents.update('agent_a', { tenant: 'acme', budget })
    expect(await code(read(10_001))).toBe('budget_exceeded')
    expect(await code({ tool: 'data.read' })).toBe('cost_unknown')
    expect(await code(read(10_000))).toBe('ok')
    expect(await code(read(1))).toBe('budget_exceeded')
  })

  it('[G-16 twin] that names all has that, also above the default', async () => {
    const { agents, code } = await world()
    await agents.update('agent_a', { tenant: 'acme', budget: { day: 50_000 } })
    expect(await code(read(50_000))).toBe('ok')
    expect(await code(read(1))).toBe('budget_exceeded')
  })

  it('[G-16][G-16 twin] of a child is spent of all above it, and is never more than the least that one of them has left', async () => {
    const { agents, code, grant, ledger, register, balance } = await world()
    await agents.update('agent_a', { tenant: 'acme', budget: { day: 100 } })
    await register('agent_b', 'acme', 'reader', { parent: 'agent_a', budget: { day: 90 } })
    await register('agent_c', 'acme', 'reader', { parent: 'agent_b' })
    const of = (agent: string) => ({ agent, role: 'reader' })
    const held = await grant(read(60), of('agent_c'))
    const spent = async (agent: string) => {
      const found = await ledger.read({ subject: `agent:${agent}`, window: 'day' }, { tenant: 'acme' })
      return found.committed + found.held
    }
    for (const agent of ['agent_a', 'agent_b', 'agent_c']) expect(await spent(agent)).toBe(60)
    // What the parent itself spends is the child's no more.
    await (await grant(read(30))).settle({ units: 30 })
    expect(await code(read(11), of('agent_c'))).toBe('budget_exceeded')
    expect(await code(read(10), of('agent_b'))).toBe('ok')
    expect(await spent('agent_c')).toBe(60)
    await held.settle({ units: 5 })
    for (const [agent, all] of [
      ['agent_a', 45],
      ['agent_b', 15],
      ['agent_c', 5],
    ] as const)
      expect(await spent(agent)).toBe(all)
    // Lowered above, it is lowered below.
    await agents.update('agent_a', { tenant: 'acme', budget: { day: 46 } })
    expect(await code(read(2), of('agent_c'))).toBe('budget_exceeded')
    await (await grant(read(1), of('agent_c'))).release()
    await agents.update('agent_a', { tenant: 'acme', budget: { day: 1000, request: 3 } })
    expect(await code(read(4), of('agent_c'))).toBe('budget_exceeded')
    expect(await balance()).toEqual([35, 10])
  })

  it('[G-16] of a parent without one is the default, for all below it together', async () => {
    const { code, register } = await world()
    for (const id of ['agent_b', 'agent_c'])
      await register(id, 'acme', 'reader', { parent: 'agent_a', budget: { day: 8000 } })
    expect(await code(read(8000), { agent: 'agent_b', role: 'reader' })).toBe('ok')
    expect(await code(read(2001), { agent: 'agent_c', role: 'reader' })).toBe('budget_exceeded')
    expect(await code(read(2000), { agent: 'agent_c', role: 'reader' })).toBe('ok')
  })

  it('[A-28] is left alone by what another budget refuses', async () => {
    const { code, balance } = await world({ budgets: { agent: { day: 100 }, tenant: { day: 50 }, user: { day: 100 } } })
    expect(await code(read(60), { sub: 'alice' })).toBe('budget_exceeded')
    for (const subject of ['agent:agent_a', 'tenant:acme', 'user:alice'] as const)
      expect(await balance(subject)).toEqual([0, 0])
  })
  it('[A-28 twin] is spent together with the others', async () => {
    const { call, balance } = await world({ budgets: { agent: { day: 100 }, tenant: { day: 50 }, user: { day: 100 } } })
    expect(await call({ ...read(50), units: 45 }, { sub: 'alice' })).toBe('ok')
    for (const subject of ['agent:agent_a', 'tenant:acme', 'user:alice'] as const)
      expect(await balance(subject)).toEqual([45, 0])
  })

  it('is the usual one for an agent under one that has no other', async () => {
    const { register, code } = await world()
    await register('agent_below', 'acme', 'reader', { parent: 'agent_a' })
    const below = { agent: 'agent_below', role: 'reader' }
    expect(await code(read(10_001), below)).toBe('budget_exceeded')
    expect(await code(read(10_000), below)).toBe('ok')
  })

  it('[A-36] is what the policy says, where a token says more', async () => {
    const { agents, code, principalOf } = await world()
    // From before the policy was what it is; now no such token is issued.
    const limits = { budget: { day: 1e9, request: 1e9, month: 1e9 } }
    const boast = await principalOf({ limits })
    await agents.update('agent_a', { tenant: 'acme', budget: { day: 1000, request: 800 } })
    await expect(principalOf({ limits })).rejects.toMatchObject({ code: 'agent_limit_refused' })
    expect(await code(read(1001), boast)).toBe('budget_exceeded')
    expect(await code(read(801), boast)).toBe('budget_exceeded')
    expect(await code(read(800), boast)).toBe('ok')
    expect(await code(read(201), boast)).toBe('budget_exceeded')
  })
  it('[A-36 twin] is what the token says, where that is less', async () => {
    const { code } = await world()
    expect(await code(read(101), { limits: { budget: { request: 100 } } })).toBe('budget_exceeded')
    expect(await code(read(101), { limits: { budget: { total: 100 } } })).toBe('budget_exceeded')
    expect(await code(read(100), { limits: { budget: { request: 100, total: 100 } } })).toBe('ok')
    expect(await code(read(1), { limits: { budget: { total: 100 } } })).toBe('budget_exceeded')
    expect(await code(read(1))).toBe('ok')
  })

  it('[A-35] that cannot be asked refuses: 503', async () => {
    const down = () => Promise.reject(new StoreError())
    const { api, requestOf, executed } = await world({ ledger: { ...memoryLedger(), reserve: down } })
    const response = await api(await requestOf({}, read(10)))
    expect(response.status).toBe(503)
    expect(response.headers.get('Retry-After')).toBe('5')
    expect(executed).toEqual([])
  })

  it('[A-30] counts a cost once, however often it is settled and beside whatever', async () => {
    const { grant, balance } = await world()
    {
      await using held = await grant(read(100))
      await held.started()
      await Promise.all([
        held.settle({ units: 40 }),
        held.release(),
        held.settle({ units: 90 }),
        held.settle({ units: 40 }),
      ])
    }
    expect(await balance()).toEqual([40, 0])
  })
  it('[A-32] is spent in the day in which it was reserved', async () => {
    const { grant, advance, ledger, now } = await world()
    advance(DAY / 2 - 0.1)
    const evening = now()
    const held = await grant(read(100))
    await held.started()
    advance(0.2)
    await held.settle({ units: 70 })
    const line = { subject: 'agent:agent_a', window: 'day' } as const
    expect((await ledger.read(line, { tenant: 'acme' })).committed).toBe(0)
    expect((await ledger.read(line, { tenant: 'acme', at: evening })).committed).toBe(70)
  })
  it('counts a cost above the estimate, and says so', async () => {
    const { grant, events, code } = await world()
    const held = await grant(read(9000))
    expect(await held.settle({ units: 10_500 })).toEqual({ overrun: 500 })
    expect(events.at(-1)).toEqual({
      type: 'tool_overrun',
      tenant: 'acme',
      agent: 'agent_a',
      tool: 'data.read',
      overrun: 500,
    })
    expect(await code(read(0))).toBe('budget_exceeded')
  })
  it('is given back at the end of the scope by what has not begun, and taken by what has', async () => {
    const { grant, balance } = await world()
    {
      await using _ = await grant(read(100))
    }
    expect(await balance()).toEqual([0, 0])
    await expect(
      (async () => {
        await using held = await grant(read(100))
        await held.started()
        throw new Error('aborted')
      })(),
    ).rejects.toThrow('aborted')
    expect(await balance()).toEqual([100, 0])
  })
  it('is taken in full where the settlement was lost, or as it was said', async () => {
    const inner = memoryLedger({ now: () => NOON })
    const settle = vi.fn<Ledger['settle']>(inner.settle)
    const { grant, ledger } = await world({ ledger: { ...inner, settle } })
    {
      await using held = await grant(read(100))
      settle.mockRejectedValueOnce(new StoreError())
      await expect(held.settle({ units: 30 })).rejects.toThrow(StoreError)
    }
    expect(settle).toHaveBeenCalledTimes(2)
    const day = { subject: 'agent:agent_a', window: 'day' } as const
    expect(await ledger.read(day, { tenant: 'acme' })).toMatchObject({ committed: 30, held: 0 })
  })
  it('can come from a function, for each tenant its own', async () => {
    const { code } = await world({
      budgets: async ({ tenant }) => ({ tenant: { month: tenant === 'acme' ? 10 : 1000 } }),
    })
    expect(await code(read(11))).toBe('budget_exceeded')
    expect(await code(read(11), { agent: 'agent_b', tenant: 'globex' })).toBe('ok')
  })
})

describe('the lines of a caller', () => {
  const caller: Principal = { method: 'access_token', sub: 'alice', scopes: [], tenant: 'acme', claims: {} }
  const policy = {
    tenant: { month: 1000, request: 70 },
    agent: { day: 100 },
    key: { day: 10 },
    user: { total: 500, request: 90 },
  }

  it('are those of the tenant and of who it is', () => {
    expect(budgetLines(caller, policy)).toEqual({
      tenant: 'acme',
      lines: [
        { subject: 'tenant:acme', window: 'month', limit: 1000 },
        { subject: 'user:alice', window: 'total', limit: 500 },
      ],
      request: 70,
    })
    const key = { ...caller, method: 'api_key' as const, claims: { key_id: 'k2', lineage: 'k1' } }
    expect(budgetLines(key, policy).lines).toContainEqual({ subject: 'key:k1', window: 'day', limit: 10 })
    const agent = { ...caller, method: 'agent_token' as const, sub: 'agent_a', client_id: 'agent_a' }
    expect(budgetLines(agent, policy)).toEqual({
      tenant: 'acme',
      lines: [
        { subject: 'tenant:acme', window: 'month', limit: 1000 },
        { subject: 'agent:agent_a', window: 'day', limit: 100 },
      ],
      request: 70,
    })
    expect(budgetLines({ ...agent, sub: 'alice' }, {}).lines).toEqual([
      { subject: 'agent:agent_a', window: 'day', limit: 10_000 },
    ])
  })
  it('are not to be had without a tenant', () => {
    const { tenant: _, ...nobody } = caller
    expect(() => budgetLines(nobody, policy)).toThrow(expect.objectContaining({ code: 'tenant_missing' }))
  })
})

describe('work within a budget', () => {
  const lines = [{ subject: 'agent:a', window: 'day', limit: 10_000 }] as const
  function meter() {
    let time = NOON
    const ledger = memoryLedger({ now: () => time })
    return {
      ledger,
      advance: (seconds: number) => {
        time += seconds
      },
      run: (more: Partial<Metered>, work: Parameters<typeof withBudget>[2]) =>
        withBudget(ledger, { tenant: 'acme', lines, estimate: 4000, ...more }, work),
      balance: async () => {
        const { committed, held } = await ledger.read({ subject: 'agent:a', window: 'day' }, { tenant: 'acme' })
        return [committed, held]
      },
    }
  }
  const aborted = async () => Promise.reject(new Error('aborted'))

  it('costs what was used, the input included', async () => {
    const { run, balance } = meter()
    const result = await run({ input: 120 }, async ({ used }) => {
      expect(await balance()).toEqual([0, 4000])
      for (let token = 0; token < 40; token++) used(1)
      return 'text'
    })
    expect(result).toBe('text')
    expect(await balance()).toEqual([160, 0])
  })
  it('[A-31] costs what had come, when it is aborted after 40 of 4,000; never nothing', async () => {
    const { run, balance } = meter()
    const stream = new AbortController()
    await expect(
      run({ input: 120 }, async ({ used }) => {
        for (let token = 0; ; token++) {
          if (token === 40) stream.abort(new Error('aborted'))
          stream.signal.throwIfAborted()
          used(1)
        }
      }),
    ).rejects.toThrow('aborted')
    expect(await balance()).toEqual([160, 0])
    await expect(run({ input: 120 }, aborted)).rejects.toThrow('aborted')
    expect(await balance()).toEqual([280, 0])
    await expect(run({}, aborted)).rejects.toThrow('aborted')
    expect(await balance()).toEqual([4280, 0])
    await expect(run({}, async ({ used }) => aborted().finally(() => used(0)))).rejects.toThrow('aborted')
    expect(await balance()).toEqual([8280, 0])
  })
  it('[A-31] costs the whole estimate where nobody has counted, and what is counted above it', async () => {
    const { run, balance } = meter()
    await run({ estimate: 300, input: 120 }, async () => {})
    expect(await balance()).toEqual([300, 0])
    await run({ estimate: 300 }, async ({ used }) => used(500))
    expect(await balance()).toEqual([800, 0])
    await run({ estimate: 300 }, async ({ used }) => used(0))
    expect(await balance()).toEqual([800, 0])
  })
  it('[A-29] of a process that has died leaves the hold to its time: free if it had not begun', async () => {
    const { ledger, balance, advance } = meter()
    await ledger.reserve({ tenant: 'acme', id: 'one', lines, amount: 4000, ttl: 300 })
    const answer = await ledger.reserve({ tenant: 'acme', id: 'two', lines, amount: 1000, ttl: 300 })
    if (answer.ok) await ledger.start(answer.hold)
    advance(299)
    expect(await balance()).toEqual([0, 5000])
    advance(1)
    expect(await balance()).toEqual([1000, 0])
  })

  it('is not begun without room, without an estimate, or without the ledger', async () => {
    const { run, ledger, balance } = meter()
    const work = vi.fn(async () => {})
    await expect(run({ estimate: 10_001 }, work)).rejects.toMatchObject({ code: 'budget_exceeded' })
    await expect(run({ estimate: 100, request: 99 }, work)).rejects.toMatchObject({ code: 'budget_exceeded' })
    for (const amount of nothings) {
      await expect(run({ estimate: amount }, work)).rejects.toMatchObject({ code: 'cost_unknown' })
      await expect(run({ input: amount }, work)).rejects.toThrow(TypeError)
    }
    vi.spyOn(ledger, 'reserve').mockRejectedValueOnce(new StoreError())
    await expect(run({}, work)).rejects.toThrow(StoreError)
    expect(work).not.toHaveBeenCalled()
    expect(await balance()).toEqual([0, 0])
  })
  it('gives its result away although the settlement is lost: it counts in full by itself', async () => {
    const { run, ledger, balance, advance } = meter()
    vi.spyOn(ledger, 'settle').mockRejectedValueOnce(new StoreError())
    expect(await run({ ttl: 60 }, async ({ used }) => used(1) ?? 'text')).toBe('text')
    advance(60)
    expect(await balance()).toEqual([4000, 0])
  })
  it('counts whole numbers only', async () => {
    const { run, balance } = meter()
    for (const amount of nothings)
      await expect(run({ estimate: 100 }, async ({ used }) => used(amount))).rejects.toThrow(TypeError)
    expect(await balance()).toEqual([100 * nothings.length, 0])
  })
})

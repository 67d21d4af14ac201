import { createClient } from 'redis'
import { type ToolAccessOptions, type ToolCall, verifyAudit } from 'sallyport/agents'
import type { Principal } from 'sallyport/guard'
import type { Ledger } from 'sallyport/store'
import { redisLedger, redisStore } from 'sallyport/store/redis'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import { attempts, changed, strangers, tools } from '../agents/attempts.js'
import { world } from '../agents/world.js'
import { postgresUrl, startPostgres } from '../services/postgres.js'
import { type OpenStore, openPostgres, openRedis } from '../services/stores.js'

const engines: Record<string, () => Promise<OpenStore>> = {
  Redis: () => openRedis(inject('redis')),
  PostgreSQL: () => openPostgres(postgresUrl(inject('postgres'))),
}
const now = () => Date.now() / 1000
const read: ToolCall = { tool: 'data.read', estimate: 10 }

/** What one process makes of what is shared. */
const side = (
  { store, ledger }: Pick<OpenStore, 'store' | 'ledger'>,
  tenant: string,
  more: Partial<ToolAccessOptions> = {},
) =>
  world(
    { ledger, ...more },
    { store: () => store, now, caller: { agent: `agent_${crypto.randomUUID()}`, role: 'reader', tenant } },
  )
type Side = Awaited<ReturnType<typeof side>>

afterEach(() => {
  vi.useRealTimers()
})

/** Three of everything, each with connections of its own. */
describe.each(Object.entries(engines))('budgets of agents in %s, from three sides', (engine, open) => {
  let opened: OpenStore[] = []
  let sides: Side[] = []
  const tenant = `acme ${engine}`

  beforeAll(async () => {
    opened = await Promise.all([open(), open(), open()])
    for (const { store, ledger } of opened)
      for (const one of [store, ledger]) if ('migrate' in one) await (one as { migrate(): Promise<void> }).migrate()
    sides = await Promise.all(opened.map((one) => side(one, tenant)))
  })
  afterAll(() => Promise.all(opened.map(({ close }) => close())))

  const at = (index: number) => sides[index % sides.length] as Side
  /** An agent that may spend so much in all. */
  async function spender(total: number): Promise<Principal> {
    const agent = `agent_${crypto.randomUUID()}`
    await at(0).register(agent, tenant, 'reader', { budget: { total } })
    return at(1).principalOf({ agent })
  }
  const balance = async ({ client_id }: Principal, ledger: Ledger = at(0).ledger) => {
    const { committed, held } = await ledger.read({ subject: `agent:${client_id}`, window: 'total' }, { tenant })
    return [committed, held]
  }

  it('[A-27] of 100 admit exactly 10 of 50 calls of 10, wherever they arrive', async () => {
    const principal = await spender(100)
    const all = await Promise.allSettled(
      Array.from({ length: 50 }, (_, index) => at(index).verifyToolAccess(principal, read)),
    )
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(10)
    for (const one of all)
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'budget_exceeded', cause: { left: 0 } })
    expect(await balance(principal)).toEqual([0, 100])
  })

  it('[A-30] count a cost once that is settled and released from all sides at once', async () => {
    const principal = await spender(100)
    const hold = await holdOf(at(0).ledger, principal, 60)
    await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        index % 3 ? at(index).ledger.settle(hold, 40) : at(index).ledger.release(hold),
      ),
    )
    expect(await balance(principal)).toEqual([40, 0])
  })

  async function holdOf(ledger: Ledger, { client_id }: Principal, ttl: number) {
    const lines = [{ subject: `agent:${client_id}`, window: 'total', limit: 100 }] as const
    const answer = await ledger.reserve({ tenant, id: crypto.randomUUID(), lines, amount: 100, ttl })
    if (!answer.ok) throw new Error('refused')
    return answer.hold
  }

  it('[A-29] are free again when whoever had reserved is gone', async () => {
    const principal = await spender(100)
    const dying = await open()
    await holdOf(dying.ledger, principal, 0.4)
    await dying.close()
    await expect(at(1).verifyToolAccess(principal, read)).rejects.toMatchObject({ code: 'budget_exceeded' })
    await vi.waitFor(async () => expect(await balance(principal, at(2).ledger)).toEqual([0, 0]), 5000)
    expect((await at(1).verifyToolAccess(principal, read)).tool).toBe('data.read')
  })

  it('[A-33] follow the server’s clock, not that of the process, ten minutes before or behind', async () => {
    for (const offset of [-600_000, 600_000]) {
      const principal = await spender(100)
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + offset })
      await holdOf(at(0).ledger, principal, 0.5)
      expect(await balance(principal, at(1).ledger)).toEqual([0, 100])
      vi.useRealTimers()
      expect(await balance(principal, at(1).ledger)).toEqual([0, 100])
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + offset })
      await vi.waitFor(async () => expect(await balance(principal)).toEqual([0, 0]), 5000)
      vi.useRealTimers()
    }
  })
})

/** Three processes; an agent of their own that may spend a lot. */
describe.each([
  ['Redis', 1000],
  // With five connections for each side: who waits for one too long has not got anything, and says so.
  ['PostgreSQL', 50],
] as const)('an approval in %s, from three sides', (engine, times) => {
  let opened: OpenStore[] = []
  beforeAll(async () => {
    const open = engines[engine]
    if (open) opened = await Promise.all([open(), open(), open()])
    for (const { store, ledger } of opened)
      for (const one of [store, ledger]) if ('migrate' in one) await (one as { migrate(): Promise<void> }).migrate()
  })
  afterAll(() => Promise.all(opened.map(({ close }) => close())))

  async function threeSides(): Promise<Side[]> {
    const caller = { agent: `agent_${crypto.randomUUID()}`, role: 'writer', tenant: `acme ${crypto.randomUUID()}` }
    const made: Side[] = []
    for (const { store, ledger } of opened)
      made.push(await world({ tools, ledger }, { store: () => store, now, caller }))
    return made
  }

  it(`[A-57] is used by one of ${times} calls at once`, async () => {
    const sides = await threeSides()
    const { ran, status } = await attempts(sides, { right: {} }, times)
    expect([ran, status]).toEqual([{ right: 1 }, 'consumed'])
    expect(await sides[1]?.balance()).toEqual([1, 0])
  })

  it('[A-56] never runs another call, nor for others, whoever comes at once', async () => {
    const among = { ...strangers(), right: {} }
    const { ran, status } = await attempts(await threeSides(), among, times / 5)
    expect(ran).toEqual({ ...Object.fromEntries(Object.keys(among).map((kind) => [kind, 0])), right: 1 })
    expect(status).toBe('consumed')
    for (let turn = 0; turn < 5; turn++) {
      const { ran, status } = await attempts(await threeSides(), { right: {}, ...changed }, times / 25)
      const { right, ...others } = ran
      expect(new Set(Object.values(others))).toEqual(new Set([0]))
      expect([right, status]).toEqual(status === 'void' ? [0, 'void'] : [1, 'consumed'])
    }
  })
})

describe('a budget in a PostgreSQL that is killed', () => {
  it('[A-34] is as it was when the server is back, for two sides at once, and nobody counts anything twice', async () => {
    const server = await startPostgres()
    const opened: OpenStore[] = []
    try {
      const open = async () => {
        const one = await openPostgres(postgresUrl(server.port))
        opened.push(one)
        return one
      }
      const first = await open()
      await first.store.migrate()
      await first.ledger.migrate()
      const before = await side(first, 'acme')
      await before.register('agent_a', 'acme', 'reader', { budget: { total: 100 } })
      const principal = await before.principalOf({ agent: 'agent_a' })
      for (let turn = 0; turn < 7; turn++) await (await before.verifyToolAccess(principal, read)).settle({ units: 10 })
      const held = await before.verifyToolAccess(principal, { ...read, estimate: 20 })
      await held.started()
      await server.stop('SIGKILL')
      await expect(before.verifyToolAccess(principal, read)).rejects.toMatchObject({ code: 'store_unavailable' })

      await server.start()
      const sides = await Promise.all([open(), open()].map(async (one) => side(await one, 'acme')))
      const balances = () =>
        Promise.all(
          sides.map(({ ledger }) => ledger.read({ subject: 'agent:agent_a', window: 'total' }, { tenant: 'acme' })),
        )
      expect(await balances()).toEqual(sides.map(() => ({ committed: 70, held: 20 })))
      const all = await Promise.allSettled(
        Array.from({ length: 10 }, (_, index) => sides[index % 2]?.verifyToolAccess(principal, read)),
      )
      expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      // The one that had begun before the crash is settled after it.
      await vi.waitFor(() => held.settle({ units: 15 }), 5000)
      expect(await balances()).toEqual(sides.map(() => ({ committed: 85, held: 10 })))
    } finally {
      await Promise.all(opened.map(({ close }) => close().catch(() => {})))
      await server.remove()
    }
  }, 60_000)
})

describe('round trips to Redis', () => {
  it('are two for a call, one more for an approval, and two more for a row in the audit trail', async () => {
    const client = createClient({ socket: { host: '127.0.0.1', port: inject('redis') } })
    client.on('error', () => {})
    await client.connect()
    let trips = 0
    let sent = 0
    let open = 0
    // What is sent while something else is on its way takes no time of its own.
    const send = async (args: string[]) => {
      sent++
      if (!open++) trips++
      try {
        return await client.sendCommand(args)
      } finally {
        open--
      }
    }
    const options = { send, prefix: `${crypto.randomUUID()}:` }
    const { approve, audit, principalOf, verifyToolAccess } = await side(
      { store: redisStore(options), ledger: redisLedger(options) },
      'acme',
      {
        tools: {
          'data.read': 'data:read',
          'data.ask': { scope: 'data:read', approval: 'human' },
          'data.log': { scope: 'data:read', audit: true },
          'data.both': { scope: 'data:read', approval: 'admin', audit: true },
        },
      },
    )
    const principal = await principalOf({})
    const approved = async (tool: string) => {
      const refusal = await verifyToolAccess(principal, { ...read, tool }).catch((error) => error)
      await approve(refusal.cause.id)
      return { ...read, tool, approval: refusal.cause.id }
    }
    // The first time each script is sent in full.
    await verifyToolAccess(principal, await approved('data.both'))
    const count = async (call: ToolCall) => {
      trips = 0
      sent = 0
      await verifyToolAccess(principal, call)
      return [trips, sent]
    }
    // The tenant's switch is read beside the agent's record.
    expect(await count(read)).toEqual([2, 3])
    // Head and last row are looked at together, so that rows that the store has lost are noticed.
    expect(await count({ ...read, tool: 'data.log' })).toEqual([4, 6])
    // So is the approval, and it is used up after the reservation.
    expect(await count(await approved('data.ask'))).toEqual([3, 5])
    expect(await count(await approved('data.both'))).toEqual([5, 8])
    expect(await verifyAudit(audit.exportLines({ tenant: 'acme' }))).toMatchObject({ ok: true, head: { seq: 5 } })
    client.destroy()
  })
})

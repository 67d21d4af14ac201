import type { BudgetLine, BudgetWindow, Hold, Ledger, Shortage } from '../../store/ledger.js'
import { refuses, rejects, type StoreContractCase, type StoreContractOptions, same, sleep } from './checks.js'
import { type Budget, budgetOf, clockCases, line } from './ledger-clock-cases.js'
import { nameCases } from './ledger-name-cases.js'

/**
 * What every Ledger must do, for authors of engines: run each case with any test runner. The cases share a ledger; each
 * uses its own tenant.
 *
 * Not covered: outages. Stop your server and check that calls reject with StoreError.
 */
export function ledgerContract(
  open: () => Ledger | Promise<Ledger>,
  { wait = sleep, turnBack }: StoreContractOptions = {},
): StoreContractCase[] {
  const check = (name: string, run: (budget: Budget) => Promise<void>): StoreContractCase => ({
    name,
    run: async () => run(budgetOf(await open())),
  })
  return [
    ...(turnBack ? clockCases(check, { wait, turnBack }) : []),
    ...nameCases(check, wait),
    check('admits up to the limit under concurrent calls', async ({ reserve, balance }) => {
      const lines = [line(100)]
      const all = await Promise.all(Array.from({ length: 50 }, () => reserve(lines, 10)))
      same(all.filter(({ ok }) => ok).length, 10)
      same(await balance(), { committed: 0, held: 100 })
    }),
    check('a refusal names the line and what is left of it', async ({ reserve }) => {
      const narrow = line(50, 'agent:b')
      await reserve([line(100), narrow], 30)
      const { resetsAt: _, retryAfter: __, ...refusal } = (await reserve([line(100), narrow], 60)) as Shortage
      same(refusal, { ok: false, line: narrow, left: 20 })
    }),
    check('a refusal says how long to wait by the clock of the ledger', async ({ ledger, tenant }) => {
      for (const window of ['minute', 'day', 'month', 'total'] as const) {
        const spent = await ledger.spend({ tenant, lines: [{ ...line(0), window }], amount: 1 })
        const { resetsAt, retryAfter } = spent as Shortage
        same([resetsAt === undefined, retryAfter === undefined], [window === 'total', window === 'total'])
        const most = { minute: 60, day: 86_400, month: 31 * 86_400, total: 0 }[window]
        if (retryAfter !== undefined && !(Number.isInteger(retryAfter) && retryAfter > 0 && retryAfter <= most))
          throw new Error(`"retryAfter" for a ${window} is ${retryAfter}`)
      }
    }),
    check('of several lines without room, the refusal names the one that starts again last', async ({ reserve }) => {
      const own = (['day', 'total', 'minute', 'month'] as const).map((window) => ({ ...line(10), window }))
      const above: BudgetLine[] = [line(40, 'agent:b'), line(4, 'agent:c')]
      const named = async (lines: readonly BudgetLine[], amount: number) => {
        const answer = await reserve(lines, amount)
        return answer.ok ? 'ok' : `${answer.line.subject} ${answer.line.window} ${answer.left} ${!!answer.resetsAt}`
      }
      same(await named([...own, ...above], 4), 'ok')
      same(await named(own, 11), 'agent:a total 6 false')
      same(
        await named(
          own.filter(({ window }) => window !== 'total'),
          11,
        ),
        'agent:a month 6 true',
      )
      same(await named(own.slice(0, 1), 11), 'agent:a day 6 true')
      // The smallest remainder decides, whatever the subject.
      same(await named([...own, ...above], 6), 'agent:c total 0 false')
      same(await named([line(40, 'agent:b'), ...own], 6), 'ok')
    }),
    check('takes from all lines or from none', async ({ reserve, balance }) => {
      same((await reserve([line(100), line(50, 'tenant:t')], 60)).ok, false)
      same(await balance(), { committed: 0, held: 0 })
      same(await balance('tenant:t'), { committed: 0, held: 0 })
      same((await reserve([line(100), line(50, 'tenant:t')], 50)).ok, true)
      same(await balance('tenant:t'), { committed: 0, held: 50 })
    }),
    check(
      'a limit of 0 allows nothing, an absent limit allows everything',
      async ({ reserve, ledger, tenant, balance }) => {
        same((await reserve([line(0)], 1)).ok, false)
        same((await reserve([line(0)], 0)).ok, true)
        const unlimited: BudgetLine = { subject: 'user:u', window: 'total' }
        same(await ledger.spend({ tenant, lines: [unlimited], amount: 1_000_000 }), { ok: true })
        same(await balance('user:u'), { committed: 1_000_000, held: 0 })
      },
    ),
    check('spends a known cost at once', async ({ ledger, tenant, balance }) => {
      const lines = [line(5)]
      const all = await Promise.all(Array.from({ length: 20 }, () => ledger.spend({ tenant, lines, amount: 1 })))
      same(all.filter(({ ok }) => ok).length, 5)
      same(await balance(), { committed: 5, held: 0 })
    }),
    check('the real cost replaces the held amount', async ({ hold, ledger, balance }) => {
      const held = await hold([line(100)], 40)
      same(await ledger.settle(held, 25), { overrun: 0 })
      same(await balance(), { committed: 25, held: 0 })
    }),
    check('a cost counts once, however often it is settled, also concurrently', async ({ hold, ledger, balance }) => {
      const held = await hold([line(100)], 40)
      await Promise.all([
        ledger.settle(held, 40),
        ledger.release(held),
        ledger.settle(held, 40),
        ledger.settle(held, 40),
      ])
      same(await balance(), { committed: 40, held: 0 })
    }),
    check('a released amount can be taken again, and a late cost still counts', async (budget) => {
      const { hold, ledger, reserve, balance } = budget
      const held = await hold([line(100)], 100)
      await ledger.release(held)
      await ledger.release(held)
      same((await reserve([line(100)], 70)).ok, true)
      same(await ledger.settle(held, 40), { overrun: 10 })
      same(await balance(), { committed: 40, held: 70 })
    }),
    check('a hold expires and leaves nothing', async ({ hold, ledger, reserve, balance }) => {
      const held = await hold([line(100)], 100, 0.2)
      await wait(0.4)
      same(await balance(), { committed: 0, held: 0 })
      same(await ledger.start(held), false)
      same((await reserve([line(100)], 100)).ok, true)
    }),
    check('a started hold that expires counts in full, until it is settled', async (budget) => {
      const { hold, ledger, balance } = budget
      const held = await hold([line(100), line(100, 'tenant:t')], 80, 2)
      same(await ledger.start(held), true)
      same(await balance(), { committed: 0, held: 80 })
      await wait(2.5)
      same(await balance(), { committed: 80, held: 0 })
      await ledger.release(held)
      same(await balance('tenant:t'), { committed: 80, held: 0 })
      await ledger.settle(held, 30)
      await ledger.settle(held, 30)
      same(await balance(), { committed: 30, held: 0 })
      same(await balance('tenant:t'), { committed: 30, held: 0 })
    }),
    check(
      'a late cost counts, and reports how far it went above the limit',
      async ({ hold, ledger, reserve, balance }) => {
        const late = await hold([line(100)], 80, 0.2)
        await wait(0.4)
        await hold([line(100)], 30)
        same(await ledger.settle(late, 80), { overrun: 10 })
        same(await ledger.settle(late, 80), { overrun: 10 })
        same(await balance(), { committed: 80, held: 30 })
        const { left } = (await reserve([line(100)], 1)) as Shortage
        same(left, 0)
      },
    ),
    check('a cost above the held amount is reported', async ({ hold, ledger }) => {
      same(await ledger.settle(await hold([line(100)], 40), 90), { overrun: 0 })
      same(await ledger.settle(await hold([line(100)], 10), 25), { overrun: 15 })
    }),
    check('the same reservation again takes nothing twice', async ({ ledger, tenant, balance }) => {
      const reservation = { tenant, id: crypto.randomUUID(), lines: [line(100)], amount: 40, ttl: 60 }
      await Promise.all([ledger.reserve(reservation), ledger.reserve(reservation), ledger.reserve(reservation)])
      same(await balance(), { committed: 0, held: 40 })
      await ledger.settle({ ...reservation }, 40)
      await refuses('hold_ended', () => ledger.reserve(reservation))
      same(await balance(), { committed: 40, held: 0 })
    }),
    check(
      'an id that is open with other content is refused, and changes nothing',
      async ({ ledger, tenant, balance }) => {
        const lines = [line(100), line(100, 'tenant:t')]
        const reservation = { tenant, id: crypto.randomUUID(), lines, amount: 40, ttl: 60 }
        same((await ledger.reserve(reservation)).ok, true)
        for (const change of [
          { amount: 41 },
          { amount: 0 },
          { lines: [line(100)] },
          { lines: [line(99), line(100, 'tenant:t')] },
          { lines: [line(100), line(100, 'user:u')] },
          { lines: [line(100), { ...line(100, 'tenant:t'), window: 'day' as const }] },
        ])
          await refuses('hold_conflict', () => ledger.reserve({ ...reservation, ...change }))
        same((await ledger.reserve({ ...reservation, ttl: 90 })).ok, true)
        for (const subject of ['agent:a', 'tenant:t'] as const) same(await balance(subject), { committed: 0, held: 40 })
        same(await balance('user:u'), { committed: 0, held: 0 })
      },
    ),
    check('a hold is plain data: any process can settle it', async ({ hold, ledger, balance }) => {
      const held = await hold([line(100), line(undefined, 'user:ü/:{}')], 40)
      await ledger.settle(JSON.parse(JSON.stringify(held)), 7)
      same(await balance('user:ü/:{}'), { committed: 7, held: 0 })
    }),
    check('an unknown hold is refused as hold_unknown', async ({ ledger, tenant }) => {
      const hold: Hold = { tenant, id: 'nothing', lines: [line(1)], amount: 1 }
      for (const call of [() => ledger.settle(hold, 1), () => ledger.release(hold), () => ledger.start(hold)])
        await refuses('hold_unknown', call)
    }),
    check('lists the holds of a subject that have not started', async ({ hold, ledger, tenant }) => {
      const open = await hold([line(100), line(100, 'tenant:t')], 10)
      const started = await hold([line(100)], 10)
      await ledger.start(started)
      await ledger.settle(await hold([line(100)], 10), 1)
      await hold([line(100, 'agent:another')], 10)
      same(await ledger.holds('agent:a', { tenant }), [open])
    }),
    check('windows count separately and say when they start again', async ({ ledger, tenant }) => {
      const lines = (['minute', 'day', 'month', 'total'] as const).map((window) => ({ ...line(10), window }))
      await ledger.spend({ tenant, lines, amount: 3 })
      for (const { subject, window } of lines) {
        const { committed, resetsAt } = await ledger.read({ subject, window }, { tenant })
        same(committed, 3)
        same(resetsAt === undefined, window === 'total')
        if (resetsAt !== undefined) await isEndOf(window, resetsAt, { ledger, tenant })
      }
    }),
    check('similar tenants, subjects and windows are kept apart', async ({ ledger, tenant, balance }) => {
      const spend = (other: string, subject: BudgetLine['subject']) =>
        ledger.spend({ tenant: other, lines: [{ subject, window: 'total' }], amount: 1 })
      await spend(tenant, 'agent:a')
      await spend(`${tenant}:agent`, 'agent:a')
      await spend(`{${tenant}}`, 'agent:a')
      await spend(tenant, 'agent:a:total')
      await spend(tenant, 'agent:a%3A')
      await spend(tenant, 'key:a')
      same(await balance(), { committed: 1, held: 0 })
    }),
    check('counts whole numbers up to 2^53 − 1 exactly', async ({ ledger, tenant, balance }) => {
      const limit = Number.MAX_SAFE_INTEGER
      same((await ledger.spend({ tenant, lines: [line(limit)], amount: limit - 1 })).ok, true)
      same((await ledger.spend({ tenant, lines: [line(limit)], amount: 2 })).ok, false)
      same((await ledger.spend({ tenant, lines: [line(limit)], amount: 1 })).ok, true)
      same(await balance(), { committed: limit, held: 0 })
    }),
    check('refuses invalid amounts and lines, and changes nothing', async ({ reserve, hold, ledger, balance }) => {
      const held = await hold([line(100)], 40)
      for (const amount of [Number.NaN, Number.POSITIVE_INFINITY, -1, 1.5, 2 ** 53, '5' as unknown as number]) {
        await rejects(async () => reserve([line(100)], amount))
        await rejects(async () => reserve([line(amount)], 1))
        await rejects(async () => ledger.settle(held, amount))
      }
      await rejects(async () => reserve([], 1))
      await rejects(async () => reserve([line(100), line(50)], 1))
      await rejects(async () => reserve([line(100, 'robot:a' as BudgetLine['subject'])], 1))
      await rejects(async () => reserve([{ ...line(100), window: 'week' as BudgetWindow }], 1))
      await rejects(async () => reserve([line(100)], 1, 0))
      for (const text of ['', 'nul \0', 'half \ud800', 'half \udc00', 'a\nb', '\u007f', 'x'.repeat(300)]) {
        await rejects(async () => ledger.spend({ tenant: text, lines: [line(1)], amount: 1 }))
        await rejects(async () => ledger.reserve({ ...held, id: text, ttl: 60 }))
        await rejects(async () => reserve([line(100, `agent:${text}`)], 1))
        await rejects(async () => ledger.start({ ...held, id: text }))
        await rejects(async () => ledger.settle({ ...held, tenant: text }, 1))
        await rejects(async () => ledger.release({ ...held, id: text }))
        await rejects(async () => ledger.read({ subject: 'agent:a', window: 'day' }, { tenant: text }))
        await rejects(async () => ledger.holds('agent:a', { tenant: text }))
        await rejects(async () => ledger.holds(`agent:${text}`, { tenant: held.tenant }))
      }
      same(await balance(), { committed: 0, held: 40 })
    }),
  ]
}

/** Spent a moment ago: before the end of a window, not after it. */
async function isEndOf(window: BudgetWindow, end: number, { ledger, tenant }: { ledger: Ledger; tenant: string }) {
  const at = (instant: number) => ledger.read({ subject: 'agent:a', window }, { tenant, at: instant })
  same((await at(end - 1)).committed, 3)
  same((await at(end + 1)).committed, 0)
  same((await at(end - 1)).resetsAt, end)
  const date = new Date(end * 1000)
  const starts = { minute: 16, day: 10, month: 7, total: 0 }[window]
  same(date.toISOString().slice(starts), '0000-01-01T00:00:00.000Z'.slice(starts))
}

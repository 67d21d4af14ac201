import type { BudgetLine, Ledger } from '../../store/ledger.js'
import { refuses, type StoreContractCase, same } from './checks.js'
import { type Budget, line } from './ledger-clock-cases.js'
import { alike, letters, longest } from './store-name-cases.js'

type Check = (name: string, run: (budget: Budget) => Promise<void>) => StoreContractCase

const total = (ledger: Ledger, tenant: string, subject: BudgetLine['subject']) =>
  ledger.read({ subject, window: 'total' }, { tenant })

/** Cases about names, about many lines, and about ended holds. */
export const nameCases = (check: Check, wait: (seconds: number) => Promise<void> | void): StoreContractCase[] => [
  check('names of the maximum length, in any script, are accepted', async ({ ledger }) => {
    for (const letter of letters) {
      const tenant = longest(letter)
      const subject: BudgetLine['subject'] = `user:${longest(letter, 255)}`
      const reservation = {
        tenant,
        id: longest(letter),
        lines: [{ subject, window: 'total' as const }],
        amount: 3,
        ttl: 60,
      }
      const reserved = await ledger.reserve(reservation)
      same(reserved.ok && (await ledger.holds(subject, { tenant })), [reserved.ok && reserved.hold])
      if (reserved.ok) await ledger.settle(reserved.hold, 2)
      same(await total(ledger, tenant, subject), { committed: 2, held: 0 })
    }
  }),
  check('tenants, subjects and holds that look alike are kept apart', async ({ ledger, tenant }) => {
    const holds = await Promise.all(
      alike.map(async (one) => {
        const lines: BudgetLine[] = [{ subject: `agent:${one}`, window: 'total' }]
        await ledger.spend({ tenant: `${tenant}${one}`, lines: [line()], amount: 1 })
        return ledger.reserve({ tenant, id: one, lines, amount: 1, ttl: 60 })
      }),
    )
    for (const one of alike) {
      same(await total(ledger, `${tenant}${one}`, 'agent:a'), { committed: 1, held: 0 })
      same(await total(ledger, tenant, `agent:${one}`), { committed: 0, held: 1 })
      same(
        (await ledger.holds(`agent:${one}`, { tenant })).map(({ id }) => id),
        [one],
      )
    }
    same(
      holds.map(({ ok }) => ok),
      alike.map(() => true),
    )
  }),
  check('forty lines are taken together, and given back together', async ({ hold, ledger, tenant, reserve }) => {
    const lines = Array.from({ length: 10 }, (_, at) =>
      (['minute', 'day', 'month', 'total'] as const).map((window) => ({
        subject: `agent:${at}` as const,
        window,
        limit: 10,
      })),
    ).flat()
    const held = await hold(lines, 6)
    same((await reserve(lines.slice(-1), 5)).ok, false)
    await ledger.release(held)
    same((await reserve(lines, 10)).ok, true)
    for (const { subject, window } of lines) same((await ledger.read({ subject, window }, { tenant })).held, 10)
  }),
  check('spending from the same lines in another order causes no deadlock', async ({ ledger, tenant }) => {
    const lines = [line(1000, 'agent:x'), line(1000, 'agent:y'), line(1000, 'tenant:t')]
    const all = await Promise.all(
      Array.from({ length: 30 }, (_, at) =>
        ledger.spend({ tenant, lines: at % 2 ? lines : [...lines].reverse(), amount: 1 }),
      ),
    )
    same(all.filter(({ ok }) => ok).length, 30)
    for (const { subject } of lines) same(await total(ledger, tenant, subject), { committed: 30, held: 0 })
  }),
  check('the limit of the call applies: no earlier limit is kept', async ({ ledger, tenant, reserve, balance }) => {
    same((await ledger.spend({ tenant, lines: [line(100)], amount: 60 })).ok, true)
    same((await reserve([line(50)], 1)).ok, false)
    same((await ledger.spend({ tenant, lines: [line(70), line(5, 'tenant:t')], amount: 6 })).ok, false)
    same(
      [await balance(), await balance('tenant:t')],
      [
        { committed: 60, held: 0 },
        { committed: 0, held: 0 },
      ],
    )
    same((await reserve([line(61)], 1)).ok, true)
  }),
  check('the id of an ended hold cannot be reserved again, however it ended', async ({ ledger, tenant, balance }) => {
    for (const end of ['released', 'settled', 'by itself', 'by itself, started'] as const) {
      const ttl = end.startsWith('by') ? 2 : 60
      const reservation = { tenant, id: end, lines: [line(1000)], amount: 10, ttl }
      const { ok, ...rest } = await ledger.reserve(reservation)
      if (!ok || !('hold' in rest)) throw new Error('refused')
      if (end === 'released') await ledger.release(rest.hold)
      if (end === 'settled') await ledger.settle(rest.hold, 0)
      if (end === 'by itself, started') same(await ledger.start(rest.hold), true)
      if (ttl < 60) await wait(2.5)
      same(await ledger.start(rest.hold), false)
      await refuses('hold_ended', () => ledger.reserve({ ...reservation, ttl: 60 }))
    }
    same(await balance(), { committed: 10, held: 0 })
  }),
  check('lists no ended hold, and none of another tenant', async ({ hold, ledger, tenant }) => {
    await hold([line(100)], 10, 0.2)
    await ledger.release(await hold([line(100)], 10))
    await ledger.reserve({ tenant: `${tenant}-2`, id: 'other', lines: [line(100)], amount: 1, ttl: 60 })
    await wait(0.4)
    same(await ledger.holds('agent:a', { tenant }), [])
    const many = await Promise.all(Array.from({ length: 120 }, () => hold([line(), line(1000, 'user:u')], 1)))
    same((await ledger.holds('agent:a', { tenant })).length, many.length)
  }),
]

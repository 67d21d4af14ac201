import type { BudgetLine, Hold, Ledger } from '../../store/ledger.js'
import { refuses, type StoreContractCase, type StoreContractOptions, same } from './checks.js'

/** Cases about a clock that goes back. */
export const clockCases = (
  check: (name: string, run: (budget: Budget) => Promise<void>) => StoreContractCase,
  { wait, turnBack }: Required<StoreContractOptions>,
): StoreContractCase[] => [
  check('an ended hold stays ended when the clock goes back, and is given back once', async (budget) => {
    const { ledger, tenant, reserve, balance } = budget
    const lines = [line(100), line(100, 'tenant:t')]
    for (const end of ['settle', 'release', 'start', 'reserve', 'started'] as const) {
      const id = crypto.randomUUID()
      const reservation = { tenant, id, lines, amount: 10, ttl: 2 }
      const held = await ledger.reserve(reservation)
      if (!held.ok) throw new Error('refused')
      if (end === 'started') same(await ledger.start(held.hold), true)
      await wait(2.5)
      // One of its subjects is read while the hold has expired, the other is not.
      await balance()
      await turnBack(2)
      if (end === 'settle' || end === 'started') await ledger.settle(held.hold, 0)
      if (end === 'release') await ledger.release(held.hold)
      if (end === 'start') same(await ledger.start(held.hold), false)
      if (end === 'reserve') await refuses('hold_ended', () => ledger.reserve(reservation))
      for (const subject of ['agent:a', 'tenant:t'] as const) same(await balance(subject), { committed: 0, held: 0 })
    }
    const all = await Promise.all(Array.from({ length: 20 }, () => reserve(lines, 10)))
    same(all.filter(({ ok }) => ok).length, 10)
  }),
]

export const line = (limit?: number, subject: BudgetLine['subject'] = 'agent:a'): BudgetLine => ({
  subject,
  window: 'total',
  ...(limit !== undefined && { limit }),
})

export type Budget = ReturnType<typeof budgetOf>

export function budgetOf(ledger: Ledger) {
  const tenant = crypto.randomUUID()
  const reserve = (lines: readonly BudgetLine[], amount: number, ttl = 60) =>
    ledger.reserve({ tenant, id: crypto.randomUUID(), lines, amount, ttl })
  return {
    ledger,
    tenant,
    reserve,
    async hold(lines: readonly BudgetLine[], amount: number, ttl = 60): Promise<Hold> {
      const answer = await reserve(lines, amount, ttl)
      if (!answer.ok) throw new Error(`refused: ${answer.left} left`)
      return answer.hold
    },
    balance: (subject: BudgetLine['subject'] = 'agent:a') => ledger.read({ subject, window: 'total' }, { tenant }),
  }
}

import { anything, func, integer, list, name, object, optional, seconds } from '../../protocol/shape.js'
import { type Calls, call, validate, validateArguments } from '../../protocol/validate.js'
import { StoreError } from '../../store/contract.js'
import { ledgerCheck } from '../../store/engine-checks.js'
import type { Ledger } from '../../store/ledger.js'
import { lineCheck } from '../../store/validate-ledger.js'
import { agentError } from '../errors.js'
import { isAmount } from '../limits.js'
import { type Budgets, reserve, validateCost } from './budget.js'

export interface Metered extends Budgets {
  /** The maximum cost, as a whole number. */
  estimate: number
  /** The cost at the start, for example the tokens of a prompt. Default 0. */
  input?: number
  /** Seconds after which the whole estimate counts, if it was not settled. Default 300. */
  ttl?: number
}

/** Counts the cost while the work runs. */
export interface Meter {
  /** Adds to the cost. A whole number. */
  used(amount: number): void
}

export const meteredCheck = object<Metered>({
  tenant: name,
  lines: list(lineCheck),
  request: optional(integer()),
  // Anything else is refused as `cost_unknown`.
  estimate: anything<number>(),
  input: optional(integer()),
  ttl: optional(seconds()),
})

export const meterCalls = { used: call(['amount', integer()]) } satisfies Calls<Meter>

/**
 * Does work within budgets whose cost grows while it runs, such as reading a stream of tokens: reserves the estimate, and in the
 * end settles what was used, `input` included.
 *
 * Work that is aborted or throws costs what was counted until then. If nothing was counted, or the process dies, the whole estimate
 * counts. Use above the estimate counts too.
 *
 * If the ledger is down before the work, the work is refused. If it is down afterwards, the result is returned and the whole estimate
 * counts.
 *
 * ```ts
 * const text = await withBudget(ledger, { ...budgetLines(principal, policy), estimate: 4000, input: 120 }, async (meter) => {
 *   for await (const chunk of stream) meter.used(chunk.tokens)
 * })
 * ```
 *
 * @throws SallyportError `budget_exceeded`, `cost_unknown`
 * @throws StoreError when the ledger is down
 */
export async function withBudget<Result>(
  ledger: Ledger,
  metered: Metered,
  work: (meter: Meter) => Promise<Result>,
): Promise<Result> {
  validate('withBudget', ledgerCheck, ledger, 'ledger')
  validate('withBudget', meteredCheck, metered, 'metered')
  validate('withBudget', func, work, 'work')
  const { estimate, input = 0, ttl = 300, ...budgets } = metered
  const { tenant, lines } = budgets
  const amount = validateCost(budgets, isAmount(estimate) ? estimate : undefined)
  const hold = await reserve(ledger, { tenant, lines, amount, ttl })
  if (!(await ledger.start(hold))) throw agentError('grant_ended')
  let counted: number | undefined
  // Work that throws has cost something too.
  let cost = () => input + (counted ?? 0) || amount
  try {
    const result = await work({
      used(more) {
        validateArguments('meter.used', meterCalls.used, more)
        counted = (counted ?? 0) + more
      },
    })
    cost = () => (counted === undefined ? amount : input + counted)
    return result
  } finally {
    await ignoreOutage(ledger.settle(hold, cost()))
  }
}

/** Ignores an outage of the ledger: a reservation that has started then counts in full. */
export async function ignoreOutage(settling: Promise<unknown>): Promise<void> {
  try {
    await settling
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
  }
}

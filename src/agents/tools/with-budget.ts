import { anything, func, integer, list, name, object, optional, seconds } from '../../protocol/shape.js'
import { type Calls, call, validate, validateArguments } from '../../protocol/validate.js'
import { StoreError } from '../../store/contract.js'
import { ledgerCheck } from '../../store/engine-shapes.js'
import type { Ledger } from '../../store/ledger.js'
import { lineCheck } from '../../store/validate-ledger.js'
import { agentError } from '../errors.js'
import { isAmount } from '../limits.js'
import { type Budgets, reserve, validateCost } from './budget.js'

export interface Metered extends Budgets {
  /** What it costs at most, as a whole number. */
  estimate: number
  /** What is spent as soon as it begins, as the tokens of a prompt are. Default 0. */
  input?: number
  /** Seconds after which it counts in full if nobody has said what it was. Default 300. */
  ttl?: number
}

/** Told by the work as it goes. */
export interface Meter {
  /** That much more has been used. A whole number. */
  used(amount: number): void
}

export const meteredCheck = object<Metered>({
  tenant: name,
  lines: list(lineCheck),
  request: optional(integer()),
  // What cannot be told is refused as `cost_unknown`.
  estimate: anything<number>(),
  input: optional(integer()),
  ttl: optional(seconds()),
})

/** What the work is handed. */
export const meterCalls = { used: call(['amount', integer()]) } satisfies Calls<Meter>

/**
 * Does work that costs as it goes, such as reading a stream of tokens, within budgets: reserves the estimate, and in the end
 * settles what was used, `input` included.
 *
 * Work that is aborted or throws has cost what was counted until then. Where nothing was counted it counts in full, and so it
 * does when the process dies: an end that nobody has seen is never free. What was used beyond the estimate counts as well.
 *
 * A ledger that cannot be reached refuses beforehand, and afterwards takes nothing away: the hold then counts in full by itself.
 *
 * ```ts
 * const text = await withBudget(ledger, { ...budgetLines(principal, policy), estimate: 4000, input: 120 }, async (meter) => {
 *   for await (const chunk of stream) meter.used(chunk.tokens)
 * })
 * ```
 *
 * @throws SallyportError `budget_exceeded`, `cost_unknown`
 * @throws StoreError when the ledger cannot say
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
  let seen: number | undefined
  // Whoever does not get as far as the end has spent something all the same.
  let cost = () => input + (seen ?? 0) || amount
  try {
    const result = await work({
      used(more) {
        validateArguments('meter.used', meterCalls.used, more)
        seen = (seen ?? 0) + more
      },
    })
    cost = () => (seen === undefined ? amount : input + seen)
    return result
  } finally {
    await settled(ledger.settle(hold, cost()))
  }
}

/** What has been started counts in full by itself: an outage now takes nothing away from whoever waits for the result. */
export async function settled(settling: Promise<unknown>): Promise<void> {
  try {
    await settling
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
  }
}

import { isSubject } from '../protocol/names.js'
import { check, epochSeconds, integer, list, name, object, oneOf, optional, type Shape } from '../protocol/shape.js'
import { asyncCall, type Calls, validateArguments } from '../protocol/validate.js'
import type { BudgetLine, BudgetWindow, Hold, Ledger, Reservation, Shortage, Spending } from './ledger.js'
import { ttlCheck } from './validate.js'

const owner = check<BudgetLine['subject']>(
  '"tenant:", "agent:", "key:" or "user:" and an id',
  (value) => typeof value === 'string' && isSubject(/^(?:tenant|agent|key|user):(.+)$/s.exec(value)?.[1]),
)
const window = oneOf('minute', 'day', 'month', 'total')
/** `NaN` passes comparisons, and −5 would add budget. */
const amount = integer()

/** One line of a budget. */
export const lineCheck = object<BudgetLine>({ subject: owner, window, limit: optional(amount) })

const spending: Shape<Spending> = { tenant: name, lines: list(lineCheck, 1), amount }
/** Holds are plain data and may have been changed. The reservation itself is accepted, too. */
const hold = object<Hold & { ttl?: number }>({ ...spending, id: name, ttl: optional(ttlCheck) })

/** The parameters of a ledger's functions: all engines refuse what one of them could not count. */
export const ledgerCalls = {
  reserve: asyncCall(['reservation', object<Reservation>({ ...spending, id: name, ttl: ttlCheck })]),
  spend: asyncCall(['spending', object<Spending>(spending)]),
  start: asyncCall(['hold', hold]),
  settle: asyncCall(['hold', hold], ['actual', amount]),
  release: asyncCall(['hold', hold]),
  read: asyncCall(
    ['tenant', name],
    // The line of a reservation is accepted, too.
    ['line', lineCheck],
    ['at', optional(epochSeconds)],
  ),
  holds: asyncCall(['tenant', name], ['subject', owner]),
  migrate: asyncCall(),
} satisfies Calls<Ledger & { migrate(): Promise<void> }>

/** For engines. @throws TypeError also for lines that repeat each other */
export function validateSpending(called: 'reserve' | 'spend', asked: Spending): void {
  validateArguments(`ledger.${called}`, ledgerCalls[called], asked)
  validateLines(called, asked)
}

/** For engines. @throws TypeError also for lines that repeat each other */
export function validateHold(called: 'start' | 'settle' | 'release', held: Hold, actual?: number): void {
  validateArguments(`ledger.${called}`, ledgerCalls[called], held, actual)
  validateLines(called, held)
}

function validateLines(called: string, { lines }: Spending): void {
  const seen = new Set<string>()
  for (const { subject, window } of lines) {
    const line = `${window} ${subject}`
    if (seen.has(line)) throw new TypeError(`ledger.${called}: "lines" name the ${window} of one subject twice`)
    seen.add(line)
  }
}

/** The lines by subject, in the order of the subjects: each group is stored together. */
export function groupBySubject<Line extends { readonly subject: string }>(lines: readonly Line[]): Map<string, Line[]> {
  const grouped = new Map<string, Line[]>()
  for (const line of lines) grouped.set(line.subject, [...(grouped.get(line.subject) ?? []), line])
  return grouped
}

/** Whether a hold was made for this reservation. */
export const isSameHold = (one: Hold, other: Hold): boolean =>
  one.amount === other.amount && JSON.stringify(one.lines) === JSON.stringify(other.lines)

const rank: Readonly<Record<BudgetWindow, number>> = { minute: 1, day: 2, month: 3, total: 4 }

/** Whether a shortage lasts longer than another, or has less left: after waiting for it, no second wait is needed. */
export const isWorseShortage = (
  one: Pick<Shortage, 'line' | 'left'>,
  other: Pick<Shortage, 'line' | 'left'>,
): boolean =>
  rank[one.line.window] > rank[other.line.window] || (one.line.window === other.line.window && one.left < other.left)

export const holdOf = ({ tenant, id, lines, amount }: Reservation): Hold => ({
  tenant,
  id,
  lines: lines.map(({ subject, window, limit }) => ({ subject, window, ...(limit !== undefined && { limit }) })),
  amount,
})

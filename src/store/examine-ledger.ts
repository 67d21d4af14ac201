import { examineText, examineTtl } from './examine.js'
import type { BudgetLine, BudgetWindow, Hold, Reservation, Shortage, Spending } from './ledger.js'

const subjects = /^(tenant|agent|key|user):./
const windows: ReadonlySet<unknown> = new Set(['minute', 'day', 'month', 'total'])

/** For engines: what is no amount is refused alike by all. `NaN` passes comparisons, and −5 would make budget. */
export function examineAmount(name: string, amount: unknown): void {
  if (!Number.isSafeInteger(amount) || (amount as number) < 0)
    throw new TypeError(`"${name}" of a budget must be a whole number, 0 or more`)
}

export function examineSpending({ tenant, lines, amount }: Spending): void {
  examineText('tenant', tenant)
  examineAmount('amount', amount)
  if (!lines.length) throw new TypeError('"lines" of a budget are empty: nothing would be counted')
  const seen = new Set<string>()
  for (const line of lines) {
    examineLine(line)
    if (line.limit !== undefined) examineAmount('limit', line.limit)
    const name = `${line.window} ${line.subject}`
    if (seen.has(name)) throw new TypeError(`"lines" of a budget name the ${line.window} of one subject twice`)
    seen.add(name)
  }
}

export function examineReservation(reservation: Reservation): void {
  examineSpending(reservation)
  examineText('id', reservation.id)
  examineTtl(reservation.ttl)
}

/** Holds are plain data, and may have been anywhere since they were made. */
export function examineHold(hold: Hold): void {
  examineSpending(hold)
  examineText('id', hold.id)
}

/** Whose budgets are asked about. */
export function examineOwner(tenant: string, subject: string): void {
  examineText('tenant', tenant)
  examineText('subject', subject)
  if (!subjects.test(subject))
    throw new TypeError('"subject" of a budget is "tenant:", "agent:", "key:" or "user:" and an id')
}

/** One line of a tenant that is looked at. */
export function examineRead(tenant: string, line: Omit<BudgetLine, 'limit'>): void {
  examineText('tenant', tenant)
  examineLine(line)
}

export function examineLine({ subject, window }: Omit<BudgetLine, 'limit'>): void {
  examineText('subject', subject)
  if (!subjects.test(subject))
    throw new TypeError('"subject" of a budget is "tenant:", "agent:", "key:" or "user:" and an id')
  if (!windows.has(window)) throw new TypeError('"window" of a budget is "minute", "day", "month" or "total"')
}

/** The lines by subject, in the order in which the subjects come: what is stored together. */
export function bySubject<Line extends { readonly subject: string }>(lines: readonly Line[]): Map<string, Line[]> {
  const grouped = new Map<string, Line[]>()
  for (const line of lines) grouped.set(line.subject, [...(grouped.get(line.subject) ?? []), line])
  return grouped
}

/** Whether a reservation is the one that a hold was made for. */
export const isSame = (one: Hold, other: Hold): boolean =>
  one.amount === other.amount && JSON.stringify(one.lines) === JSON.stringify(other.lines)

const rank: Readonly<Record<BudgetWindow, number>> = { minute: 1, day: 2, month: 3, total: 4 }

/** Whether a shortage lasts longer than another, or has less left: who waits for it need not wait again. */
export const isWorse = (one: Pick<Shortage, 'line' | 'left'>, other: Pick<Shortage, 'line' | 'left'>): boolean =>
  rank[one.line.window] > rank[other.line.window] || (one.line.window === other.line.window && one.left < other.left)

export const holdOf = ({ tenant, id, lines, amount }: Reservation): Hold => ({
  tenant,
  id,
  lines: lines.map(({ subject, window, limit }) => ({ subject, window, ...(limit !== undefined && { limit }) })),
  amount,
})

import { isSubject } from '../protocol/names.js'
import {
  check,
  epochSeconds,
  type Flaw,
  integer,
  list,
  name,
  object,
  oneOf,
  optional,
  type Shape,
} from '../protocol/shape.js'
import { asyncCall, type Calls } from '../protocol/validate.js'
import { type BudgetLine, budgetWindows, type Hold, type Ledger, type Reservation, type Spending } from './ledger.js'
import { ttlCheck } from './validate.js'

const owner = check<BudgetLine['subject']>(
  '"tenant:", "agent:", "key:" or "user:" and an id',
  (value) => typeof value === 'string' && isSubject(/^(?:tenant|agent|key|user):(.+)$/s.exec(value)?.[1]),
)
const window = oneOf(...budgetWindows)
/** `NaN` passes comparisons, and −5 would add budget. */
const amount = integer()

/** One line of a budget. */
export const lineCheck = object<BudgetLine>({ subject: owner, window, limit: optional(amount) })

const anyLines = list(lineCheck, 1)
const lines: typeof anyLines = {
  ...anyLines,
  flaw: (value) => anyLines.flaw(value) ?? repetitionIn(value as readonly BudgetLine[]),
}

function repetitionIn(lines: readonly BudgetLine[]): Flaw | undefined {
  const seen = new Set<string>()
  for (const { subject, window } of lines) {
    const line = `${window} ${subject}`
    if (seen.has(line)) return { at: '', remedy: `name the ${window} of one subject twice` }
    seen.add(line)
  }
  return undefined
}

const spending: Shape<Spending> = { tenant: name, lines, amount }
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
    // The line of a reservation is accepted, too.
    ['line', lineCheck],
    ['options', object<{ tenant: string; at?: number }>({ tenant: name, at: optional(epochSeconds) })],
  ),
  holds: asyncCall(['subject', owner], ['options', object<{ tenant: string }>({ tenant: name })]),
  migrate: asyncCall(),
} satisfies Calls<Ledger & { migrate(): Promise<void> }>

import { validated } from '../../protocol/validate.js'
import { shortageOf, windowAt } from '../budget-windows.js'
import { type BudgetLine, type Hold, holdOf, type Ledger, ledgerError, type Shortage } from '../ledger.js'
import { ledgerCalls } from '../validate-ledger.js'
import { migrateTo } from './format.js'
import { ledgerSchema } from './ledger-schema.js'
import { atReadCommitted, type PostgresStoreOptions, validatePostgresOptions, withStoreErrors } from './sender.js'

export interface PostgresLedger extends Ledger {
  /**
   * Creates the tables and functions, or upgrades them to this release. Safe to call at every start, by many processes
   * at once.
   */
  migrate(): Promise<void>
}

/** The result of a function; drivers return large numbers as texts. */
interface Outcome {
  code: number
  line: number
  remaining: string | number
  instant: number
}

/**
 * Budgets in PostgreSQL 13 or later, through the caller's own client: the same `query` and `transaction` as for
 * `postgresStore`. Call `migrate()` once. Uses the server's clock. Each call is one function on the server, one caller
 * at a time for each tenant. Later calls remove rows that are no longer read, a few for each row that is added.
 *
 * Calls need the isolation level READ COMMITTED, PostgreSQL's default. If connections start with another level, the
 * transactions set it.
 */
export function postgresLedger(options: PostgresStoreOptions): PostgresLedger {
  const { prefix, ...client } = validatePostgresOptions('postgresLedger', options)
  const { one, locked } = atReadCommitted(client)
  const { name, statements } = ledgerSchema(prefix)

  async function call<Row>(operation: string, parameters: unknown[]): Promise<Row[]> {
    const places = parameters.map((_, index) => `$${index + 1}`).join(', ')
    const { rows } = await withStoreErrors(() => one(`select * from ${name(operation)}(${places})`, parameters))
    return rows as Row[]
  }
  async function ask(operation: string, parameters: unknown[]): Promise<Outcome> {
    const [outcome] = await call<Outcome>(operation, parameters)
    return outcome as Outcome
  }
  async function onHold(operation: string, hold: Hold, ...more: unknown[]): Promise<Outcome> {
    const { tenant, id } = hold
    const outcome = await ask(operation, [tenant, id, ...more])
    if (outcome.code === -1) throw ledgerError('hold_unknown')
    return outcome
  }

  const ledger: PostgresLedger = {
    async reserve(reservation) {
      const hold = holdOf(reservation)
      const { tenant, id, amount, lines } = hold
      const first = [tenant, id, amount, reservation.ttl, JSON.stringify(lines)]
      const outcome = await ask('reserve', [...first, ...columns(lines)])
      if (outcome.code === -1) throw ledgerError('hold_ended')
      if (outcome.code === -2) throw ledgerError('hold_conflict')
      return outcome.code === 1 ? { ok: true, hold } : shortage(lines, outcome)
    },

    async spend(spending) {
      const { tenant, lines, amount } = spending
      const outcome = await ask('spend', [tenant, amount, ...columns(lines)])
      return outcome.code === 1 ? { ok: true } : shortage(lines, outcome)
    },

    async start(hold) {
      return (await onHold('start', hold)).code === 1
    },

    async settle(hold, actual) {
      const [, , limits] = columns(hold.lines)
      return { overrun: Number((await onHold('settle', hold, actual, limits)).remaining) }
    },

    async release(hold) {
      await onHold('release', hold)
    },

    async read({ subject, window }, { tenant, at }) {
      const windowName = at === undefined ? null : windowAt(window, at).name
      type Balance = { committed: string | number; held: string | number; instant: number }
      const [row] = await call<Balance>('read', [tenant, subject, window, windowName])
      const { committed = 0, held = 0, instant = 0 } = row ?? {}
      const { resetsAt } = windowAt(window, at ?? instant)
      return { committed: Number(committed), held: Number(held), ...(resetsAt !== undefined && { resetsAt }) }
    },

    async holds(subject, { tenant }) {
      const rows = await call<{ id: string; amount: string | number; lines: string }>('open', [tenant, subject])
      return rows.map(({ id, amount, lines }) => ({ tenant, id, lines: JSON.parse(lines), amount: Number(amount) }))
    },

    migrate: () =>
      withStoreErrors(() => locked(`${prefix} migrate`, (run) => migrateTo(run, prefix, 'ledger', statements))),
  }
  return validated('ledger', ledger, ledgerCalls)
}

/** Subjects, windows and limits as parallel arrays. */
const columns = (lines: readonly BudgetLine[]) => [
  lines.map(({ subject }) => subject),
  lines.map(({ window }) => window),
  lines.map(({ limit = null }) => limit),
]

const shortage = (lines: readonly BudgetLine[], { line, remaining, instant }: Outcome): Shortage =>
  shortageOf(lines[line - 1] as BudgetLine, Number(remaining), instant)

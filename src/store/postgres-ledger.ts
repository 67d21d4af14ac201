import { examineAmount, examineLine, examineReservation, examineSpending, holdOf } from './examine-ledger.js'
import {
  type BudgetLine,
  type Hold,
  type Ledger,
  type LedgerErrorCode,
  ledgerError,
  type Shortage,
  type Spending,
} from './ledger.js'
import { ledgerStatements } from './postgres-ledger-statements.js'
import { examinePostgres, LOCK, outage, type PostgresStoreOptions, type Query } from './postgres-sender.js'
import { windowAt } from './windows.js'

export interface PostgresLedger extends Ledger {
  /** Makes the tables, or brings them up to this release. Safe to call at every start, by many processes at once. */
  migrate(): Promise<void>
}

interface Found {
  amount: string
  started: boolean
  state: 'open' | 'ended' | 'released' | 'settled'
  overrun: string
  subjects: string[]
  windows: string[]
}

/**
 * Budgets in PostgreSQL 13 or later, through the caller's own client: the same `query` and `transaction` as for
 * `postgresStore`. Call `migrate()` once. Times follow the server's clock; one writer at a time for each tenant. What nobody
 * reads any more is removed by later calls of the same tenant.
 *
 * The connection must use the isolation level READ COMMITTED, PostgreSQL's default.
 */
export function postgresLedger(options: PostgresStoreOptions): PostgresLedger {
  const { transaction, prefix } = examinePostgres('postgresLedger', options)
  const sql = ledgerStatements(prefix)

  /** Alone with a tenant's budgets, after what has ended by itself has been given back. `now` is the server's. */
  async function alone<Result>(
    tenant: string,
    work: (run: Query, now: number) => Promise<Result | LedgerErrorCode>,
  ): Promise<Result> {
    const result = await outage(() =>
      transaction(async (run) => {
        await run(LOCK, [`${prefix} budgets ${tenant}`])
        const [row] = (await run(sql.prune, [tenant])).rows as { now: string | number }[]
        return work(run, Number(row?.now))
      }),
    )
    // Thrown out here: what has ended by itself stays given back.
    if (isCode(result)) throw ledgerError(result)
    return result
  }

  async function find(run: Query, { tenant, id }: { tenant: string; id: string }): Promise<Found | undefined> {
    return (await run(sql.find, [tenant, id])).rows[0] as Found | undefined
  }

  /** What the lines have come to, in their order. */
  async function balances(run: Query, tenant: string, subjects: string[], windows: string[]) {
    const rows = (await run(sql.read, [tenant, subjects, windows])).rows as { committed: string; held: string }[]
    return rows.map(({ committed, held }) => ({ committed: Number(committed), held: Number(held) }))
  }

  async function admit(run: Query, { tenant, lines, amount }: Spending, now: number): Promise<Shortage | string[]> {
    const windows = lines.map(({ window }) => windowAt(window, now))
    const names = windows.map(({ name }) => name)
    const found = await balances(run, tenant, subjectsOf(lines), names)
    for (const [at, line] of lines.entries()) {
      const { committed = 0, held = 0 } = found[at] ?? {}
      const left = (line.limit ?? Number.POSITIVE_INFINITY) - committed - held
      const resetsAt = windows[at]?.resetsAt
      if (amount > left)
        return { ok: false, line, left: Math.max(0, left), ...(resetsAt !== undefined && { resetsAt }) }
    }
    return names
  }

  /** To windows that may be new: then what nobody reads any more goes. */
  async function add(run: Query, tenant: string, place: Place, committed: number, held: number): Promise<void> {
    const { rows } = await run(sql.add, [tenant, place.subjects, place.windows, committed, held])
    if ((rows as { fresh: boolean }[]).some(({ fresh }) => fresh)) await run(sql.forget, [tenant])
  }
  const change = (run: Query, tenant: string, { subjects, windows }: Place, committed: number, held: number) =>
    run(sql.change, [tenant, subjects, windows, committed, held])

  return {
    async reserve(reservation) {
      examineReservation(reservation)
      const hold = holdOf(reservation)
      const { tenant, id, lines, amount } = hold
      return alone(tenant, async (run, now) => {
        const known = await find(run, hold)
        if (known && known.state !== 'open') return 'hold_ended'
        if (known) return { ok: true, hold }
        const names = await admit(run, reservation, now)
        if (!Array.isArray(names)) return names
        const place = { subjects: subjectsOf(lines), windows: names }
        await add(run, tenant, place, 0, amount)
        const kept = [place.subjects, place.windows, JSON.stringify(lines)]
        await run(sql.hold, [tenant, id, amount, reservation.ttl, ...kept])
        return { ok: true, hold }
      })
    },

    async spend(spending) {
      examineSpending(spending)
      const { tenant, lines, amount } = spending
      return alone(tenant, async (run, now) => {
        const windows = await admit(run, spending, now)
        if (!Array.isArray(windows)) return windows
        await add(run, tenant, { subjects: subjectsOf(lines), windows }, amount, 0)
        return { ok: true }
      })
    },

    start: (hold) =>
      alone(hold.tenant, async (run) => {
        const known = await find(run, hold)
        if (!known) return 'hold_unknown'
        if (known.state === 'open') await run(sql.start, [hold.tenant, hold.id])
        return known.state === 'open'
      }),

    async settle(hold, actual) {
      examineAmount('actual', actual)
      return alone(hold.tenant, async (run) => {
        const known = await find(run, hold)
        if (!known) return 'hold_unknown'
        if (known.state === 'settled') return { overrun: Number(known.overrun) }
        const amount = Number(known.amount)
        const held = known.state === 'open' ? amount : 0
        const charged = known.state === 'ended' && known.started ? amount : 0
        await change(run, hold.tenant, known, actual - charged, -held)
        const found = await balances(run, hold.tenant, known.subjects, known.windows)
        const above = found.map(({ committed, held: others }, at) => {
          const limit = hold.lines[at]?.limit ?? Number.POSITIVE_INFINITY
          return Math.min(actual - held - charged, committed + others - limit)
        })
        const overrun = Math.max(0, ...above)
        await run(sql.end, [hold.tenant, hold.id, 'settled', overrun])
        return { overrun }
      })
    },

    release: (hold) =>
      alone(hold.tenant, async (run) => {
        const known = await find(run, hold)
        if (!known) return 'hold_unknown'
        if (known.state !== 'open') return undefined
        await change(run, hold.tenant, known, 0, -Number(known.amount))
        await run(sql.end, [hold.tenant, hold.id, 'released', 0])
        return undefined
      }),

    async read(tenant, line, at) {
      examineLine(line)
      return alone(tenant, async (run, now) => {
        const { name, resetsAt } = windowAt(line.window, at ?? now)
        const [{ committed, held } = { committed: 0, held: 0 }] = await balances(run, tenant, [line.subject], [name])
        return { committed, held, ...(resetsAt !== undefined && { resetsAt }) }
      })
    },

    holds: (tenant, subject) =>
      alone(tenant, async (run) => {
        const { rows } = await run(sql.open, [tenant, subject])
        return (rows as { id: string; amount: string; lines: string }[]).map(
          ({ id, amount, lines }): Hold => ({ tenant, id, lines: JSON.parse(lines), amount: Number(amount) }),
        )
      }),

    migrate: () =>
      outage(() =>
        transaction(async (run) => {
          await run(LOCK, [`${prefix} migrate`])
          for (const statement of sql.schema) await run(statement, [])
        }),
      ),
  }
}

interface Place {
  readonly subjects: string[]
  readonly windows: string[]
}

const isCode = (result: unknown): result is LedgerErrorCode => result === 'hold_ended' || result === 'hold_unknown'

const subjectsOf = (lines: readonly BudgetLine[]): string[] => lines.map(({ subject }) => subject)

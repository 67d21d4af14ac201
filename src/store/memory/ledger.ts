import { createBoundedCache } from '../../protocol/bounded-cache.js'
import { systemNow } from '../../protocol/time.js'
import { validate, validated } from '../../protocol/validate.js'
import { isExpiredWindow, shortageOf, windowAt } from '../budget-windows.js'
import { type MemoryOptions, memoryOptions } from '../engine-checks.js'
import {
  type BudgetLine,
  budgetWindows,
  HOLD_KEPT,
  type Hold,
  holdOf,
  type Ledger,
  ledgerError,
  SETTLED_KEPT,
  type Shortage,
  type Spending,
} from '../ledger.js'
import { ledgerCalls } from '../validate-ledger.js'
import { createOpenHolds } from './open-holds.js'
import { createSweep } from './sweep.js'

interface HoldState {
  readonly hold: Hold
  /** The accounts of its lines, in the same order, in the windows in which they were reserved. */
  readonly accounts: readonly Account[]
  /** Epoch seconds. */
  readonly until: number
  state: 'open' | 'ended' | 'released' | 'settled'
  started: boolean
  overrun: number
  /** Epoch seconds. */
  settledAt: number
}

interface Account {
  readonly window: string
  committed: number
  held: number
}

/** Windows that are checked for each new one. */
const SWEEP_STEPS = 2

/** The most ended holds that are kept; at least half of them. */
const MAX_ENDED_HOLDS = 100_000

/**
 * Budgets in the memory of this process, by the injected clock. Never rejects with a StoreError. At least the last
 * 50,000 ended holds are kept, for a week at most.
 */
export function memoryLedger(options: MemoryOptions = {}): Ledger {
  validate('memoryLedger', memoryOptions, options)
  const { now = systemNow } = options
  const accounts = new Map<string, Account>()
  const sweepSome = createSweep(accounts, ({ window, held }) => !held && isExpiredWindow(window, now()))
  const open = createOpenHolds<HoldState>(subjectsOf)
  const endedHolds = createBoundedCache<HoldState>(MAX_ENDED_HOLDS)

  function account(tenant: string, { subject, window }: Omit<BudgetLine, 'limit'>, at: number): Account {
    const { name } = windowAt(window, at)
    const key = `${tenant}\n${subject}\n${name}`
    const known = accounts.get(key)
    if (known) return known
    const fresh = { window: name, committed: 0, held: 0 }
    accounts.set(key, fresh)
    sweepSome(SWEEP_STEPS)
    return fresh
  }

  /** Gives back holds that have expired; those that were started count in full. */
  function prune(at: number): void {
    for (const held of open.ended(at)) close(held, 'ended', held.started ? held.hold.amount : 0)
  }

  function close(held: HoldState, state: HoldState['state'], cost: number): void {
    const key = keyOf(held.hold)
    if (open.delete(key, held)) for (const one of held.accounts) one.held -= held.hold.amount
    for (const one of held.accounts) one.committed += cost
    held.state = state
    endedHolds.set(key, held)
  }

  /** The line that has too little left, if any. */
  function shortage({ tenant, lines, amount }: Spending, at: number): Shortage | undefined {
    let worst: Omit<Shortage, 'ok'> | undefined
    for (const line of lines) {
      if (line.limit === undefined) continue
      const { committed, held } = account(tenant, line, at)
      const left = line.limit - committed - held
      if (amount > left && (!worst || isWorseShortage({ line, left }, worst))) worst = { line, left }
    }
    return worst && shortageOf(worst.line, worst.left, at)
  }

  function known(hold: { tenant: string; id: string }, at: number): HoldState | undefined {
    prune(at)
    const key = keyOf(hold)
    const held = open.get(key) ?? endedHolds.get(key)
    if (!held) return undefined
    const { until, settledAt } = held
    const forgottenAt = held.state === 'settled' ? Math.max(until, settledAt) + SETTLED_KEPT : until + HOLD_KEPT
    return at < forgottenAt ? held : undefined
  }

  function find(hold: Hold): HoldState {
    const held = known(hold, now())
    if (!held) throw ledgerError('hold_unknown')
    return held
  }

  const ledger: Ledger = {
    async reserve(reservation) {
      const at = now()
      const same = known(reservation, at)
      const hold = holdOf(reservation)
      if (same && same.state !== 'open') throw ledgerError('hold_ended')
      if (same && !isSameHold(same.hold, hold)) throw ledgerError('hold_conflict')
      if (same) return { ok: true, hold: same.hold }
      const short = shortage(reservation, at)
      if (short) return short
      const held: HoldState = {
        hold,
        accounts: hold.lines.map((line) => account(hold.tenant, line, at)),
        until: at + reservation.ttl,
        state: 'open',
        started: false,
        overrun: 0,
        settledAt: 0,
      }
      for (const one of held.accounts) one.held += hold.amount
      open.add(keyOf(hold), held)
      return { ok: true, hold }
    },

    async spend(spending) {
      const at = now()
      prune(at)
      const short = shortage(spending, at)
      if (short) return short
      for (const line of spending.lines) account(spending.tenant, line, at).committed += spending.amount
      return { ok: true }
    },

    async start(hold) {
      const held = find(hold)
      if (held.state !== 'open') return false
      held.started = true
      return true
    },

    async settle(hold, actual) {
      const held = find(hold)
      if (held.state === 'settled') return { overrun: held.overrun }
      const taken = held.state === 'open' || (held.state === 'ended' && held.started) ? held.hold.amount : 0
      const charged = held.state === 'ended' && held.started ? held.hold.amount : 0
      close(held, 'settled', actual - charged)
      held.settledAt = now()
      held.overrun = Math.max(
        0,
        ...held.hold.lines.map(({ limit = Number.POSITIVE_INFINITY }, index) => {
          const { committed = 0, held: others = 0 } = held.accounts[index] ?? {}
          return Math.min(actual - taken, committed + others - limit)
        }),
      )
      return { overrun: held.overrun }
    },

    async release(hold) {
      const held = find(hold)
      if (held.state === 'open') close(held, 'released', 0)
    },

    async read({ subject, window }, { tenant, at = now() }) {
      prune(now())
      const { name, resetsAt } = windowAt(window, at)
      const { committed = 0, held = 0 } = accounts.get(`${tenant}\n${subject}\n${name}`) ?? {}
      return { committed, held, ...(resetsAt !== undefined && { resetsAt }) }
    },

    async holds(subject, { tenant }) {
      prune(now())
      return open
        .forSubject(subjectKey(tenant, subject))
        .filter(({ started }) => !started)
        .map(({ hold }) => hold)
    },
  }
  return validated('ledger', ledger, ledgerCalls)
}

/** Whether a hold was made for this reservation. */
const isSameHold = (one: Hold, other: Hold): boolean =>
  one.amount === other.amount && JSON.stringify(one.lines) === JSON.stringify(other.lines)

/** Whether a shortage lasts longer than another, or has less left: after waiting for it, no second wait is needed. */
function isWorseShortage(one: Omit<Shortage, 'ok'>, other: Omit<Shortage, 'ok'>): boolean {
  const longer = budgetWindows.indexOf(one.line.window) - budgetWindows.indexOf(other.line.window)
  return longer > 0 || (longer === 0 && one.left < other.left)
}

const subjectKey = (tenant: string, subject: string): string => `${tenant}\n${subject}`
const subjectsOf = ({ hold: { tenant, lines } }: HoldState): string[] =>
  lines.map(({ subject }) => subjectKey(tenant, subject))
const keyOf = ({ tenant, id }: { tenant: string; id: string }): string => `${tenant}\n${id}`

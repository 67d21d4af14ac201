import { errorMaker } from '../protocol/error.js'

/** From the shortest to the longest. */
export const budgetWindows = ['minute', 'day', 'month', 'total'] as const

/** The period after which a budget starts again at 0, in UTC. `total` never does. */
export type BudgetWindow = (typeof budgetWindows)[number]

/** One budget: its owner, its period and its limit. The unit is the caller's: tokens, cents, calls. */
export interface BudgetLine {
  readonly subject: `${'tenant' | 'agent' | 'key' | 'user'}:${string}`
  readonly window: BudgetWindow
  /** Absent: the cost is counted and never refused. 0 allows nothing. */
  readonly limit?: number
}

/** An amount to take from all lines or from none. */
export interface Spending {
  /** The lines of a tenant are stored together, so that they are written together. */
  readonly tenant: string
  readonly lines: readonly BudgetLine[]
  /** A whole number, 0 or more. */
  readonly amount: number
}

export interface Reservation extends Spending {
  /** A different one for each attempt. Repeating the same one takes nothing twice. */
  readonly id: string
  /** Seconds until the hold ends by itself. */
  readonly ttl: number
}

/** A reservation that was made: plain data, so that another process can settle it. */
export interface Hold {
  readonly tenant: string
  readonly id: string
  readonly lines: readonly BudgetLine[]
  readonly amount: number
}

/**
 * The line that has too little, what is left on it, and when it starts again (epoch seconds; never for `total`). If
 * several have too little: the one that starts again last.
 */
export interface Shortage {
  readonly ok: false
  readonly line: BudgetLine
  readonly left: number
  readonly resetsAt?: number
  /** Whole seconds until then, by the clock of the ledger. */
  readonly retryAfter?: number
}

/** The current amounts of a line. `resetsAt` as in {@link Shortage}. */
export interface Balance {
  readonly committed: number
  readonly held: number
  readonly resetsAt?: number
}

/**
 * Budgets across processes. A cost is refused if it would take the committed and the held amount of any of its lines
 * above the limit; a refusal changes no line. A hold is separate from the committed amount and expires, so a crash
 * leaves nothing behind. A cost counts in the window in which it was reserved.
 *
 * Everything rejects with {@link StoreError} if the result is unknown: a caller that cannot spend must not continue.
 *
 * @throws TypeError before anything is sent, for amounts that are not whole numbers from 0 to 2^53 − 1, and for
 * repeated lines
 */
export interface Ledger {
  /**
   * Reserves an amount for a cost that is not known yet. @throws SallyportError `hold_ended` for an id whose hold has
   * ended, `hold_conflict` for an open hold with other content
   */
  reserve(reservation: Reservation): Promise<{ readonly ok: true; readonly hold: Hold } | Shortage>
  /** Takes a known cost at once. */
  spend(spending: Spending): Promise<{ readonly ok: true } | Shortage>
  /**
   * Marks the hold as started. If it then expires, it counts in full until it is settled. `false`: it has already
   * ended, so do not start.
   */
  start(hold: Hold): Promise<boolean>
  /**
   * Replaces the held amount with the real cost, once, however often it is called; also after the hold has ended or was
   * released. `overrun`: how far this took the tightest line above its limit.
   *
   * @throws SallyportError `hold_unknown` a week after the hold has ended, a day if it was settled
   */
  settle(hold: Hold, actual: number): Promise<{ readonly overrun: number }>
  /** Gives back what is held. A hold that was started and has expired stays counted. */
  release(hold: Hold): Promise<void>
  /**
   * The amounts of a line, now or in the window of another time (epoch seconds): up to two hours, two months or two
   * years ago.
   */
  read(line: Omit<BudgetLine, 'limit'>, options: { tenant: string; at?: number }): Promise<Balance>
  /** The open holds of a subject that have not started, so that all can be released. */
  holds(subject: BudgetLine['subject'], options: { tenant: string }): Promise<readonly Hold[]>
}

/** The errors of holds, code → message. */
export const ledgerErrors = {
  hold_conflict:
    'A reservation with this id is open with another amount or other lines. Use another id for each attempt.',
  hold_ended: 'A reservation with this id has ended. Use another id for each attempt.',
  hold_unknown: 'There is no such hold, or it ended too long ago.',
} as const

export type LedgerErrorCode = keyof typeof ledgerErrors

export const ledgerError = errorMaker<LedgerErrorCode>(ledgerErrors)

export const holdOf = ({ tenant, id, lines, amount }: Reservation): Hold => ({
  tenant,
  id,
  lines: lines.map(({ subject, window, limit }) => ({ subject, window, ...(limit !== undefined && { limit }) })),
  amount,
})

/** Seconds for which an ended hold is kept: a late cost is counted, a repeated one is not. */
export const HOLD_KEPT = 7 * 86_400
/** The same for a settled hold, for which only repeated calls can follow. */
export const SETTLED_KEPT = 86_400

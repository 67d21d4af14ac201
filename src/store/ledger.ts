import { SallyportError } from '../protocol/error.js'

/** How long a budget counts before it begins again at nothing, in UTC. `total` never does. */
export type BudgetWindow = 'minute' | 'day' | 'month' | 'total'

/** One budget: whose it is, how long it counts, and how much it is. Units are the caller's: tokens, cents, calls. */
export interface BudgetLine {
  readonly subject: `${'tenant' | 'agent' | 'key' | 'user'}:${string}`
  readonly window: BudgetWindow
  /** Absent: it is counted and never refused. 0 is nothing. */
  readonly limit?: number
}

/** What is to be taken, from all lines or from none. */
export interface Spending {
  /** Its lines live together, so that they are written together. */
  readonly tenant: string
  readonly lines: readonly BudgetLine[]
  /** A whole number, 0 or more. */
  readonly amount: number
}

export interface Reservation extends Spending {
  /** Another one for each attempt. The same one again takes nothing twice. */
  readonly id: string
  /** Seconds until the hold ends by itself. */
  readonly ttl: number
}

/** What is reserved: plain data, so that another process can settle it. */
export interface Hold {
  readonly tenant: string
  readonly id: string
  readonly lines: readonly BudgetLine[]
  readonly amount: number
}

/**
 * The line that had too little, what was left on it, and when it begins again (epoch seconds; never for `total`). Where several
 * had, the one that begins again last.
 */
export interface Shortage {
  readonly ok: false
  readonly line: BudgetLine
  readonly left: number
  readonly resetsAt?: number
  /** Whole seconds until then, by the clock of the ledger. */
  readonly retryAfter?: number
}

/** What a line has come to. `resetsAt` as in {@link Shortage}. */
export interface Balance {
  readonly committed: number
  readonly held: number
  readonly resetsAt?: number
}

/**
 * Budgets that hold across processes. Nothing is admitted that would take what is committed and held above the limit of
 * any of its lines; what is refused has changed none of them. A hold is apart from what is committed and ends by itself,
 * so a crash leaves nothing behind; a cost counts in the window in which it was reserved.
 *
 * Everything rejects with {@link StoreError} when the store cannot say: a caller that cannot spend must not go on.
 *
 * @throws TypeError before anything is sent, for amounts that are no whole numbers of 0 to 2^53 − 1, and for lines that
 *   repeat each other
 */
export interface Ledger {
  /** Sets something aside for a cost that is not known yet. @throws SallyportError `hold_ended` for an id whose hold is over, `hold_conflict` for one that is open with other content */
  reserve(reservation: Reservation): Promise<{ readonly ok: true; readonly hold: Hold } | Shortage>
  /** Takes a cost that is known, at once. */
  spend(spending: Spending): Promise<{ readonly ok: true } | Shortage>
  /**
   * Says that the cost begins: a hold that now ends by itself counts in full, until it is settled after all. `false`: it has
   * ended, so do not begin.
   */
  start(hold: Hold): Promise<boolean>
  /**
   * Puts the real cost in the place of what was held, once, however often it is called; also after the hold has ended or was
   * released. `overrun`: by how much this took the tightest line above its limit.
   *
   * @throws SallyportError `hold_unknown` a week after the hold has ended, a day where it was settled
   */
  settle(hold: Hold, actual: number): Promise<{ readonly overrun: number }>
  /** Gives back what is held. What has been started and has ended by itself stays counted. */
  release(hold: Hold): Promise<void>
  /** What a line has come to, now or in the window of another instant (epoch seconds): two hours, two months, two years back. */
  read(tenant: string, line: Omit<BudgetLine, 'limit'>, at?: number): Promise<Balance>
  /** The holds of a subject that are open and not started: to release them all. */
  holds(tenant: string, subject: BudgetLine['subject']): Promise<readonly Hold[]>
}

/** What can be wrong with a hold, code → message. */
export const ledgerErrors = {
  hold_conflict:
    'A reservation of this id is open with another amount or other lines: use another id for each attempt.',
  hold_ended: 'A reservation of this id has ended: use another id for each attempt.',
  hold_unknown: 'There is no such hold, or it ended so long ago that nothing is known of it.',
} as const

export type LedgerErrorCode = keyof typeof ledgerErrors

export const ledgerError = (code: LedgerErrorCode): SallyportError<LedgerErrorCode> =>
  new SallyportError(code, ledgerErrors[code])

/** Seconds that a hold is remembered after its end: a late cost is counted, a repeated one is not. */
export const HOLD_KEPT = 7 * 86_400
/** The same for one that is settled, of which only repetitions can still come. */
export const SETTLED_KEPT = 86_400

import { type BudgetLine, type BudgetWindow, budgetWindows, type Ledger } from '../store/ledger.js'
import type { KeyRecord } from './record.js'

/** The used quota of a window. `resetsAt` in epoch seconds; absent for `total`. */
export interface QuotaUse {
  used: number
  limit?: number
  resetsAt?: number
}

/** Whether the call is within the quota. `retryAfter` in seconds, if waiting helps. */
export type QuotaResult = { ok: true } | { ok: false; window: BudgetWindow; retryAfter?: number }

type KeyWithQuota = Pick<KeyRecord, 'tenant' | 'lineage' | 'quota'>

/** Counted per lineage, so that a rotation gives no new quota. */
const linesOf = ({ lineage, quota = {} }: KeyWithQuota): BudgetLine[] =>
  budgetWindows.flatMap((window) => {
    const limit = quota[window]
    return limit === undefined ? [] : [{ subject: `key:${lineage}`, window, limit }]
  })

/** Counts the calls of keys with a quota. */
export function createQuotas(ledger: Ledger | undefined, now: () => number) {
  const counting = (): Ledger => {
    if (!ledger) throw new TypeError('createApiKeys: "ledger" is missing, and this key has a quota')
    return ledger
  }

  return {
    /** @throws StoreError when the call cannot be counted: then refuse it */
    async spend(key: KeyWithQuota, cost: number): Promise<QuotaResult> {
      const lines = linesOf(key)
      if (!lines.length || cost === 0) return { ok: true }
      const answer = await counting().spend({ tenant: key.tenant, lines, amount: cost })
      if (answer.ok) return answer
      const { line, resetsAt, retryAfter = resetsAt && Math.max(1, resetsAt - now()) } = answer
      return { ok: false, window: line.window, ...(retryAfter !== undefined && { retryAfter }) }
    },

    /** The used quota of each window. `at`: another time, in epoch seconds. */
    async use(key: KeyWithQuota, at?: number): Promise<Partial<Record<BudgetWindow, QuotaUse>>> {
      const entries = await Promise.all(
        linesOf(key).map(async ({ subject, window, limit }) => {
          const { committed, resetsAt } = await counting().read(
            { subject, window },
            { tenant: key.tenant, ...(at !== undefined && { at }) },
          )
          const use: QuotaUse = { used: committed, ...(limit !== undefined && { limit }) }
          return [window, resetsAt === undefined ? use : { ...use, resetsAt }] as const
        }),
      )
      return Object.fromEntries(entries)
    },
  }
}

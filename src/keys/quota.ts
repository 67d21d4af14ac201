import type { BudgetLine, BudgetWindow, Ledger } from '../store/ledger.js'

/** How many calls a key and all its successors have together, in each of these windows (UTC). Absent: as many as they like. */
export type Quota = Readonly<Partial<Record<BudgetWindow, number>>>

/** What has been used of a window. `resetsAt` in epoch seconds; never for `total`. */
export interface QuotaUse {
  used: number
  limit?: number
  resetsAt?: number
}

/** Whether a call may go on; `retryAfter` in seconds, where waiting helps. */
export type QuotaResult = { ok: true } | { ok: false; window: BudgetWindow; retryAfter?: number }

export const quotaWindows: readonly BudgetWindow[] = ['minute', 'day', 'month', 'total']

interface KeyWithQuota {
  tenant: string
  lineage: string
  quota?: Quota
}

/** Of the lineage: a key that is rotated brings no new budget. */
const linesOf = ({ lineage, quota = {} }: KeyWithQuota): BudgetLine[] =>
  quotaWindows.flatMap((window) => {
    const limit = quota[window]
    return limit === undefined ? [] : [{ subject: `key:${lineage}`, window, limit }]
  })

/** Counts what keys with a quota use. */
export function createQuotas(ledger: Ledger | undefined, now: () => number) {
  const counting = (): Ledger => {
    if (!ledger) throw new TypeError('createApiKeys: "ledger" is missing, and this key has a quota')
    return ledger
  }

  return {
    /** @throws StoreError when it cannot be counted: then the call must not go on */
    async spend(key: KeyWithQuota, cost: number): Promise<QuotaResult> {
      const lines = linesOf(key)
      if (!lines.length || cost === 0) return { ok: true }
      const answer = await counting().spend({ tenant: key.tenant, lines, amount: cost })
      if (answer.ok) return answer
      const { line, resetsAt, retryAfter = resetsAt && Math.max(1, resetsAt - now()) } = answer
      return { ok: false, window: line.window, ...(retryAfter !== undefined && { retryAfter }) }
    },

    /** What the windows of the quota have come to; `at` in epoch seconds for earlier ones. */
    async use(key: KeyWithQuota, at?: number): Promise<Partial<Record<BudgetWindow, QuotaUse>>> {
      const entries = await Promise.all(
        linesOf(key).map(async ({ subject, window, limit }) => {
          const { committed, resetsAt } = await counting().read(key.tenant, { subject, window }, at)
          const use: QuotaUse = { used: committed, ...(limit !== undefined && { limit }) }
          return [window, resetsAt === undefined ? use : { ...use, resetsAt }] as const
        }),
      )
      return Object.fromEntries(entries)
    },
  }
}

import type { BudgetLine, Ledger } from 'sallyport/store'

export interface Owner {
  tenant: string
  owner: string
}

/** Seconds: longer than anything here lives. */
const year = 366 * 86_400

/**
 * At most so many things of one kind for each person. Counting what there is and then making one more lets everybody through who
 * asks at the same time; the ledger says yes once for each place, in all processes together.
 */
export function createPlaces(ledger: Ledger, kind: string, most: number) {
  return {
    /**
     * Takes a place for what has just been made: `false` where there is none, and then it has to go again. `living` says what
     * the person has that still works; other places are given back.
     */
    async take({ tenant, owner }: Owner, id: string, living: () => Promise<readonly string[]>): Promise<boolean> {
      const subject: BudgetLine['subject'] = `user:${kind} of ${owner}`
      const place = { tenant, id, amount: 1, lines: [{ subject, window: 'total', limit: most }] } as const
      const reserve = async () => (await ledger.reserve({ ...place, ttl: year })).ok
      if (await reserve()) return true
      const taken = await ledger.holds(tenant, subject)
      // Read after the places: what has one was there before.
      const kept = new Set(await living())
      const over = taken.filter((hold) => !kept.has(hold.id))
      await Promise.all(over.map((hold) => ledger.release(hold)))
      return over.length > 0 && (await reserve())
    },
  }
}

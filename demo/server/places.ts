import type { BudgetLine, Ledger } from 'sallyport/store'

export interface Owner {
  tenant: string
  owner: string
}

/** Seconds: longer than any lifetime in the demo. */
const year = 366 * 86_400

/**
 * Limits the number of objects of one kind for each user. With "count, then create", concurrent requests could exceed the limit.
 * The ledger admits each place once, over all processes.
 */
export function createPlaces(ledger: Ledger, kind: string, most: number) {
  return {
    /**
     * Takes a place for a new object. `false`: there is none, and the caller must remove the object. `living` returns
     * the user's active objects; all other places are released.
     */
    async take({ tenant, owner }: Owner, id: string, living: () => Promise<readonly string[]>): Promise<boolean> {
      const subject: BudgetLine['subject'] = `user:${kind} of ${owner}`
      const place = { tenant, id, amount: 1, lines: [{ subject, window: 'total', limit: most }] } as const
      const reserve = async () => (await ledger.reserve({ ...place, ttl: year })).ok
      if (await reserve()) return true
      const taken = await ledger.holds(subject, { tenant })
      // Read after the places: every object with a place existed before.
      const kept = new Set(await living())
      const over = taken.filter((hold) => !kept.has(hold.id))
      await Promise.all(over.map((hold) => ledger.release(hold)))
      return over.length > 0 && (await reserve())
    },
  }
}

import { withTimeout } from '../../protocol/timeout.js'
import { StoreError } from '../../store/contract.js'
import type { Settings } from '../settings.js'

/** Milliseconds between two tries to store a result. */
const SOONEST = 100
const LATEST = 2000

/**
 * Results that the provider has given and the store has not taken yet. They are held in memory and tried again until
 * they are in: forgetting one would lose the session, since its refresh token is spent.
 */
export function createPendingWrites({ emit }: Pick<Settings, 'emit'>) {
  const held = new Map<string, Promise<unknown>>()
  let closing = false

  async function persist<Result>(save: () => Promise<Result>): Promise<Result> {
    for (let wait = SOONEST; ; wait = Math.min(wait * 2, LATEST))
      try {
        return await save()
      } catch (error) {
        if (!(error instanceof StoreError)) throw error
        if (wait === SOONEST) emit({ type: 'store_unavailable', detail: 'a refresh waits to be stored' })
        if (closing && wait === LATEST) throw error
        await new Promise((resolve) => setTimeout(resolve, wait))
      }
  }

  return {
    /**
     * Saves, again and again while the store is out of reach. After `patience` seconds the caller goes on, served with
     * what is `'saved'` only in this memory; saving does not stop.
     */
    async keepSaving<Result>(id: string, save: () => Promise<Result>, patience: number): Promise<Result | 'saved'> {
      const saving = persist(save)
      const kept = saving.then(
        () => {},
        () => {},
      )
      held.set(id, kept)
      kept.then(() => {
        if (held.get(id) === kept) held.delete(id)
      })
      return withTimeout(saving, patience, 'saved')
    },

    /** Resolves when nothing of this session waits to be stored. @throws StoreError if that takes longer than 2 s */
    async settled(id: string): Promise<void> {
      const waiting = held.get(id)
      if (waiting && (await withTimeout(waiting, 2, 'late')) === 'late') throw new StoreError()
    },

    async drain(): Promise<void> {
      closing = true
      await Promise.all(held.values())
    },
  }
}

import { withTimeout } from '../../protocol/timeout.js'
import { StoreError } from '../../store/contract.js'
import type { Settings } from '../settings.js'

/** Milliseconds between two tries. */
const MIN_DELAY = 100
const MAX_DELAY = 2000

/**
 * Refreshed tokens that could not be stored yet. They stay in memory, and the write is repeated until it succeeds. The old
 * refresh token is used up, so dropping the new one would lose the session.
 */
export function createPendingWrites({ emit }: Pick<Settings, 'emit'>) {
  const pending = new Map<string, Promise<unknown>>()
  let closing = false

  async function persist<Result>(save: () => Promise<Result>): Promise<Result> {
    for (let delay = MIN_DELAY; ; delay = Math.min(delay * 2, MAX_DELAY))
      try {
        return await save()
      } catch (error) {
        if (!(error instanceof StoreError)) throw error
        if (delay === MIN_DELAY)
          emit({ type: 'store_unavailable', detail: 'the tokens of a refresh could not be stored yet' })
        if (closing && delay === MAX_DELAY) throw error
        await new Promise((resolve) => setTimeout(resolve, delay))
      }
  }

  return {
    /**
     * Repeats `save` while the store is down. Resolves to `'saved'` after `timeout` seconds, so that the caller is not held up;
     * the tries go on.
     */
    async saveWithRetries<Result>(id: string, save: () => Promise<Result>, timeout: number): Promise<Result | 'saved'> {
      const saving = persist(save)
      const settled = saving.then(
        () => {},
        () => {},
      )
      pending.set(id, settled)
      settled.then(() => {
        if (pending.get(id) === settled) pending.delete(id)
      })
      return withTimeout(saving, timeout, 'saved')
    },

    /** Resolves when no write of this session is pending. @throws StoreError if that takes longer than 2 s */
    async settled(id: string): Promise<void> {
      const waiting = pending.get(id)
      if (waiting && (await withTimeout(waiting, 2, 'timeout')) === 'timeout') throw new StoreError()
    },

    async drain(): Promise<void> {
      closing = true
      await Promise.all(pending.values())
    },
  }
}

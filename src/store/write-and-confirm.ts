import { type Change, type Put, type RecordStore, StoreError } from './contract.js'

/** Milliseconds before each read. */
const CONFIRM_DELAYS = [0, 200]

/**
 * Writes, and if the answer is lost, reads whether it was written. Otherwise a caller who repeats the call would be
 * told that somebody else was faster. The last change has a value that no other writer has.
 *
 * @throws StoreError if the result is unknown
 */
export async function writeAndConfirm(store: RecordStore, ...changes: readonly [...Change[], Put]): Promise<boolean> {
  try {
    return await store.write(changes)
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'store_unavailable') throw error
    const proof = changes.at(-1) as Put
    for (const wait of CONFIRM_DELAYS) {
      if (wait) await new Promise((resolve) => setTimeout(resolve, wait))
      const stored = await store.get(proof.id).catch(() => undefined)
      if (stored?.value === proof.value) return true
    }
    throw error
  }
}

import type { RecordStore } from './contract.js'

/**
 * Tells once, at the first use, what a store's server is set up to lose. To be called wherever the store is used: creating starts
 * nothing.
 */
export function warnOnce(store: RecordStore, tell: (detail: string) => void): () => void {
  let asked = store.warnings === undefined
  return () => {
    if (asked) return
    asked = true
    warningsOf(store).then(
      (all) => all.forEach(tell),
      () => {
        // The server could not be reached: the next use asks again.
        asked = false
      },
    )
  }
}

/** What a store says of its server. @throws StoreError */
export const warningsOf = async (store: RecordStore): Promise<readonly string[]> => (await store.warnings?.()) ?? []

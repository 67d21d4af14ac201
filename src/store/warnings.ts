import type { RecordStore } from './contract.js'

/**
 * Reports once, at the first use, the store's warnings about its server. Call the returned function wherever the store
 * is used: `warnOnce()` itself makes no request.
 */
export function warnOnce(store: RecordStore, report: (detail: string) => void): () => void {
  let asked = store.warnings === undefined
  return () => {
    if (asked) return
    asked = true
    warningsOf(store).then(
      (all) => all.forEach(report),
      () => {
        // The server is down: the next use asks again.
        asked = false
      },
    )
  }
}

/** The store's warnings about its server. @throws StoreError */
export const warningsOf = async (store: RecordStore): Promise<readonly string[]> => (await store.warnings?.()) ?? []

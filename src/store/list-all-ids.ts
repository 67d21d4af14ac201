import type { RecordId, RecordStore } from './contract.js'

/** All records under an index value, page by page; some may have expired. */
export async function* listAllIds(store: RecordStore, index: string, value: string): AsyncGenerator<RecordId> {
  let cursor: string | undefined
  do {
    const page = await store.list(index, value, cursor === undefined ? {} : { cursor })
    yield* page.ids
    cursor = page.cursor
  } while (cursor !== undefined)
}

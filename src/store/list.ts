import { integer, optional, type Shape, text } from '../protocol/shape.js'
import type { RecordStore } from './contract.js'
import { mapConcurrently } from './map-concurrently.js'

/** A page of a list. With a `cursor` there may be more: ask again with it. */
export interface List<Item> {
  items: Item[]
  cursor?: string
}

/** Which page of a list. */
export interface PageOptions {
  cursor?: string
  /** Default 100. */
  limit?: number
}

export const pageShape: Shape<PageOptions> = { cursor: optional(text), limit: optional(integer({ least: 1 })) }

/** A page of what `read` finds under an index value. `undefined`: the entry is stale, or its record is not to be shown. */
export async function readPage<Item>(
  store: RecordStore,
  [index, value]: readonly [index: string, value: string],
  { cursor, limit = 100 }: PageOptions,
  read: (id: string) => Promise<Item | undefined>,
): Promise<List<Item>> {
  const page = await store.list(index, value, { limit, ...(cursor !== undefined && { cursor }) })
  const found = await mapConcurrently(page.ids, ({ id }) => read(id))
  const items = found.filter((item) => item !== undefined)
  return { items, ...(page.cursor !== undefined && { cursor: page.cursor }) }
}

import type { IndexEntry, RecordId } from '../contract.js'

/** Which records are under an index value, by their keys. */
export interface MemoryIndex {
  add(entry: IndexEntry, key: string, id: RecordId): void
  remove(entry: IndexEntry, key: string): void
  /** In the order of keys, from the first one after `after`. */
  under(index: string, value: string, after: string): Iterable<[key: string, id: RecordId]>
}

interface Entries {
  readonly ids: Map<string, RecordId>
  /** The keys in order, also of some that are gone; made when it is asked for. */
  order?: string[] | undefined
}

export function createMemoryIndex(): MemoryIndex {
  const indexes = new Map<string, Entries>()
  const nameOf = (index: string, value: string): string => `${index}\n${value}`

  return {
    add({ index, value }, key, id) {
      const name = nameOf(index, value)
      const entries: Entries = indexes.get(name) ?? { ids: new Map() }
      if (!entries.ids.has(key)) entries.order = undefined
      entries.ids.set(key, id)
      indexes.set(name, entries)
    },

    remove({ index, value }, key) {
      const name = nameOf(index, value)
      const entries = indexes.get(name)
      if (!entries?.ids.delete(key)) return
      if (!entries.ids.size) indexes.delete(name)
      else if (entries.order && entries.order.length > 2 * entries.ids.size) entries.order = undefined
    },

    *under(index, value, after) {
      const entries = indexes.get(nameOf(index, value))
      if (!entries) return
      entries.order ??= [...entries.ids.keys()].sort()
      const { ids, order } = entries
      for (let at = placeAfter(order, after); at < order.length; at++) {
        const key = order[at] as string
        const id = ids.get(key)
        if (id) yield [key, id]
      }
    },
  }
}

/** Of the first key that is greater. */
function placeAfter(order: readonly string[], after: string): number {
  let [low, high] = [0, order.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((order[middle] as string) > after) high = middle
    else low = middle + 1
  }
  return low
}

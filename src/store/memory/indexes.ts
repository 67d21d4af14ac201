import type { IndexEntry, RecordId } from '../contract.js'
import { createOrderedMap, type OrderedMap } from './ordered-map.js'

/** Which records are under an index value, by their keys. */
interface MemoryIndex {
  add(entry: IndexEntry, key: string, id: RecordId): void
  remove(entry: IndexEntry, key: string): void
  /** In a stable order, from the first key after `after`. */
  under(index: string, value: string, after?: string): Iterable<readonly [key: string, id: RecordId]>
}

export function createMemoryIndex(): MemoryIndex {
  const indexes = new Map<string, OrderedMap<RecordId>>()
  const nameOf = (index: string, value: string): string => `${index}\n${value}`

  return {
    add({ index, value }, key, id) {
      const name = nameOf(index, value)
      const entries = indexes.get(name) ?? createOrderedMap<RecordId>()
      entries.set(key, id)
      indexes.set(name, entries)
    },

    remove({ index, value }, key) {
      const name = nameOf(index, value)
      const entries = indexes.get(name)
      entries?.delete(key)
      if (entries?.isEmpty) indexes.delete(name)
    },

    under: (index, value, after) => indexes.get(nameOf(index, value))?.from(after) ?? [],
  }
}

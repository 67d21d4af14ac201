import type { IndexEntry } from '../contract.js'
import { createOrderedKeys, type OrderedKeys } from './ordered-keys.js'

/** Which records are under an index value, by their keys. */
interface MemoryIndex {
  add(entry: IndexEntry, key: string): void
  remove(entry: IndexEntry, key: string): void
  /** In a stable order, from the first key after `after`. */
  under(index: string, value: string, after?: string): Iterable<string>
}

export function createMemoryIndex(): MemoryIndex {
  const indexes = new Map<string, OrderedKeys>()
  const nameOf = (index: string, value: string): string => `${index}\n${value}`

  return {
    add({ index, value }, key) {
      const name = nameOf(index, value)
      const entries = indexes.get(name) ?? createOrderedKeys()
      entries.add(key)
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

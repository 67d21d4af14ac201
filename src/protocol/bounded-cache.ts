/** A map of bounded size that removes the least recently used entries. */
export interface BoundedCache<Value> {
  get(key: string): Value | undefined
  /** `size` in the unit of the limit. */
  set(key: string, value: Value, size?: number): void
  delete(key: string): void
  /** Removes all entries that `useless` returns true for. */
  sweep(useless: (value: Value) => boolean): void
}

/**
 * Two generations. An entry that is read moves into the young generation. When that is full it becomes the old one, and
 * what was left in the old one is removed. So a hit costs one look-up, and nothing is ever sorted.
 */
export function createBoundedCache<Value>(limit: number): BoundedCache<Value> {
  let young = new Map<string, { value: Value; size: number }>()
  let old = new Map<string, { value: Value; size: number }>()
  let filled = 0

  function keep(key: string, entry: { value: Value; size: number }): void {
    filled += entry.size - (young.get(key)?.size ?? 0)
    young.set(key, entry)
    if (filled * 2 <= limit) return
    old = young
    young = new Map()
    filled = 0
  }

  return {
    get(key) {
      const found = young.get(key)
      if (found) return found.value
      const aged = old.get(key)
      if (aged) keep(key, aged)
      return aged?.value
    },
    set: (key, value, size = 1) => keep(key, { value, size }),
    delete(key) {
      filled -= young.get(key)?.size ?? 0
      young.delete(key)
      old.delete(key)
    },
    sweep(useless) {
      for (const half of [young, old])
        for (const [key, { value, size }] of half)
          if (useless(value)) {
            half.delete(key)
            if (half === young) filled -= size
          }
    },
  }
}

/** What was done with maps meanwhile: entries that were looked at, and how many all of those that were written to hold now. */
export interface Work {
  readonly looked: number
  readonly kept: number
}

/** Counts instead of timing: the machine may be busy. */
export async function workOf(run: () => Promise<void>): Promise<Work> {
  const iterator = Object.getPrototypeOf(new Map().entries())
  const { next } = iterator
  const { set } = Map.prototype
  const written = new Set<Map<unknown, unknown>>()
  let looked = 0
  iterator.next = function (this: MapIterator<unknown>) {
    looked++
    return next.call(this)
  }
  Map.prototype.set = function (this: Map<unknown, unknown>, key: unknown, value: unknown) {
    written.add(this)
    return set.call(this, key, value)
  }
  try {
    await run()
    return { looked, kept: [...written].reduce((sum, map) => sum + map.size, 0) }
  } finally {
    iterator.next = next
    Map.prototype.set = set
  }
}

/**
 * What was done meanwhile: entries of maps that were looked at, items of arrays that made room or were copied, and how many all maps
 * that were written to hold now.
 */
export interface Work {
  readonly looked: number
  readonly moved: number
  readonly kept: number
}

/** Counts instead of timing: the machine may be busy. */
export async function workOf(run: () => Promise<void>): Promise<Work> {
  const iterator = Object.getPrototypeOf(new Map().entries())
  const { next } = iterator
  const { set } = Map.prototype
  const { slice, splice } = Array.prototype
  const written = new Set<Map<unknown, unknown>>()
  let looked = 0
  let moved = 0
  iterator.next = function (this: MapIterator<unknown>) {
    looked++
    return next.call(this)
  }
  Map.prototype.set = function (this: Map<unknown, unknown>, key: unknown, value: unknown) {
    written.add(this)
    return set.call(this, key, value)
  }
  const countMoved = (name: 'slice' | 'splice', original: typeof slice | typeof splice) =>
    Object.defineProperty(Array.prototype, name, {
      configurable: true,
      writable: true,
      value(this: unknown[], ...args: never[]) {
        moved += this.length - Number(args[0] ?? 0)
        return (original as (...args: never[]) => unknown[]).apply(this, args)
      },
    })
  countMoved('slice', slice)
  countMoved('splice', splice)
  try {
    await run()
    return { looked, moved, kept: [...written].reduce((sum, map) => sum + map.size, 0) }
  } finally {
    iterator.next = next
    Map.prototype.set = set
    Object.assign(Array.prototype, { slice, splice })
  }
}

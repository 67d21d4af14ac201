/** Values by their keys, in the order of these. What a change costs hardly grows with how many there are. */
export interface Ordered<Value> {
  readonly isEmpty: boolean
  set(key: string, value: Value): void
  delete(key: string): void
  /** From the first key that is greater than `after`. What is asked for may be deleted meanwhile. */
  from(after: string): Generator<readonly [key: string, value: Value]>
}

/** Entries of one block. */
const SIZE = 256

/**
 * Sorted blocks, each of which is full at most. A change moves the entries of one block; the list of blocks itself changes once for many
 * of them.
 */
export function createOrdered<Value>(): Ordered<Value> {
  type Entry = readonly [key: string, value: Value]
  const blocks: Entry[][] = []

  /** The block that a key is in, or would be. */
  const blockOf = (key: string): number => Math.max(0, firstGreater(blocks, key, ([entry]) => entry?.[0]) - 1)
  const placeIn = (block: readonly Entry[], key: string): number => firstGreater(block, key, ([known]) => known)

  return {
    get isEmpty() {
      return !blocks.length
    },

    set(key, value) {
      const at = blockOf(key)
      const block = blocks[at] ?? []
      const place = placeIn(block, key)
      if (block[place - 1]?.[0] === key) block[place - 1] = [key, value]
      else block.splice(place, 0, [key, value])
      if (!blocks.length) blocks.push(block)
      else if (block.length > SIZE) blocks.splice(at + 1, 0, block.splice(SIZE / 2))
    },

    delete(key) {
      const at = blockOf(key)
      const block = blocks[at] ?? []
      const place = placeIn(block, key) - 1
      if (block[place]?.[0] !== key) return
      block.splice(place, 1)
      if (!block.length) blocks.splice(at, 1)
    },

    *from(after) {
      let last = after
      while (true) {
        const at = blockOf(last)
        // At the end of a block the next one begins.
        const place = placeIn(blocks[at] ?? [], last)
        const rest = blocks[at]?.length === place ? blocks[at + 1]?.slice() : blocks[at]?.slice(place)
        if (!rest?.length) return
        for (const entry of rest) {
          last = entry[0]
          yield entry
        }
      }
    },
  }
}

/** The place of the first one that is greater, by bisection. */
function firstGreater<Item>(items: readonly Item[], key: string, keyOf: (item: Item) => string | undefined): number {
  let [low, high] = [0, items.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((keyOf(items[middle] as Item) ?? '') > key) high = middle
    else low = middle + 1
  }
  return low
}

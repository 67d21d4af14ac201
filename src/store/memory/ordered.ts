/** Values by their keys, in the order of these. What a change costs hardly grows with how many there are. */
export interface Ordered<Value> {
  readonly isEmpty: boolean
  set(key: string, value: Value): void
  delete(key: string): void
  /** From the first key that is greater than `after`. What is asked for may be deleted meanwhile. */
  from(after: string): Generator<readonly [key: string, value: Value]>
}

/** Keys of one block. */
const SIZE = 128

interface Block<Value> {
  readonly keys: string[]
  readonly values: Value[]
}

/**
 * Sorted blocks, each of which is full at most. A change moves the entries of one block; the list of blocks itself changes once for many
 * of them.
 */
export function createOrdered<Value>(): Ordered<Value> {
  const blocks: Block<Value>[] = []
  /** Where each block begins; the first one takes what is before as well. By themselves, so that a search touches one block. */
  const firsts: string[] = []

  const blockOf = (key: string): number => Math.max(0, countUpTo(firsts, key) - 1)

  function split(at: number, { keys, values }: Block<Value>): void {
    const later = { keys: keys.splice(SIZE / 2), values: values.splice(SIZE / 2) }
    blocks.splice(at + 1, 0, later)
    firsts.splice(at + 1, 0, later.keys[0] as string)
  }

  return {
    get isEmpty() {
      return !blocks.length
    },

    set(key, value) {
      const at = blockOf(key)
      const block = blocks[at]
      if (!block) {
        blocks.push({ keys: [key], values: [value] })
        firsts.push(key)
        return
      }
      const { keys, values } = block
      const place = countUpTo(keys, key)
      if (keys[place - 1] === key) {
        values[place - 1] = value
        return
      }
      keys.splice(place, 0, key)
      values.splice(place, 0, value)
      if (keys.length > SIZE) split(at, block)
    },

    delete(key) {
      const at = blockOf(key)
      const { keys = [], values = [] } = blocks[at] ?? {}
      const place = countUpTo(keys, key) - 1
      if (keys[place] !== key) return
      keys.splice(place, 1)
      values.splice(place, 1)
      if (keys.length) return
      blocks.splice(at, 1)
      firsts.splice(at, 1)
    },

    *from(after) {
      let last = after
      while (true) {
        let at = blockOf(last)
        let place = countUpTo(blocks[at]?.keys ?? [], last)
        // At the end of a block the next one begins.
        if (place === blocks[at]?.keys.length) [at, place] = [at + 1, 0]
        const block = blocks[at]
        if (!block) return
        const values = block.values.slice(place)
        for (const [offset, key] of block.keys.slice(place).entries()) {
          last = key
          yield [key, values[offset] as Value]
        }
      }
    },
  }
}

/** How many of sorted keys are not after this one, by bisection. */
function countUpTo(sorted: readonly string[], key: string): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] as string) > key) high = middle
    else low = middle + 1
  }
  return low
}

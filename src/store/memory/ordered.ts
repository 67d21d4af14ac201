/** Values by their keys, in an order that is always the same. What a change costs hardly grows with how many there are. */
export interface Ordered<Value> {
  readonly isEmpty: boolean
  set(key: string, value: Value): void
  delete(key: string): void
  /** From the first one that comes after a key, be that there or not. What is asked for may be deleted meanwhile. */
  from(after?: string): Generator<readonly [key: string, value: Value]>
}

/** Keys of one block. */
const SIZE = 128

/** Keys by their ranks, and those of one rank by themselves. */
interface Ranked {
  readonly ranks: number[]
  readonly keys: string[]
}

interface Block<Value> extends Ranked {
  readonly values: Value[]
}

/**
 * Sorted blocks, each of which is full at most. A change moves the entries of one block; the list of blocks itself changes once for many
 * of them. Sorted by a digest of the key: a search in a list of numbers reads that list alone, and one in a list of texts
 * all over the memory.
 */
export function createOrdered<Value>(): Ordered<Value> {
  const blocks: Block<Value>[] = []
  /** Where each block begins; the first one takes what is before as well. */
  const firsts: Ranked = { ranks: [], keys: [] }

  const blockOf = (rank: number, key: string): number => Math.max(0, countUpTo(firsts, rank, key) - 1)

  function addBlock(at: number, block: Block<Value>): void {
    blocks.splice(at, 0, block)
    firsts.ranks.splice(at, 0, block.ranks[0] as number)
    firsts.keys.splice(at, 0, block.keys[0] as string)
  }

  return {
    get isEmpty() {
      return !blocks.length
    },

    set(key, value) {
      const rank = rankOf(key)
      const at = blockOf(rank, key)
      const block = blocks[at]
      if (!block) return addBlock(0, { ranks: [rank], keys: [key], values: [value] })
      const { ranks, keys, values } = block
      const place = countUpTo(block, rank, key)
      const isThere = keys[place - 1] === key
      if (isThere) values[place - 1] = value
      else {
        ranks.splice(place, 0, rank)
        keys.splice(place, 0, key)
        values.splice(place, 0, value)
      }
      if (keys.length <= SIZE) return undefined
      const half = SIZE / 2
      return addBlock(at + 1, { ranks: ranks.splice(half), keys: keys.splice(half), values: values.splice(half) })
    },

    delete(key) {
      const rank = rankOf(key)
      const at = blockOf(rank, key)
      const block = blocks[at]
      if (!block) return
      const place = countUpTo(block, rank, key) - 1
      if (block.keys[place] !== key) return
      for (const list of [block.ranks, block.keys, block.values]) list.splice(place, 1)
      if (!block.keys.length) for (const list of [blocks, firsts.ranks, firsts.keys]) list.splice(at, 1)
    },

    *from(after) {
      let last = after
      while (true) {
        const rank = last === undefined ? Number.NEGATIVE_INFINITY : rankOf(last)
        let at = blockOf(rank, last ?? '')
        let place = countUpTo(blocks[at] ?? firsts, rank, last ?? '')
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

/** FNV-1a: whoever finds keys of one rank makes them be compared as texts, no more. */
function rankOf(key: string): number {
  let rank = 0x811c9dc5
  for (let at = 0; at < key.length; at++) rank = Math.imul(rank ^ key.charCodeAt(at), 0x01000193)
  return rank | 0
}

/** How many do not come after this one, by bisection. */
function countUpTo({ ranks, keys }: Ranked, rank: number, key: string): number {
  let [low, high] = [0, ranks.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    const found = ranks[middle] as number
    if (found > rank || (found === rank && (keys[middle] as string) > key)) high = middle
    else low = middle + 1
  }
  return low
}

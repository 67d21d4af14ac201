/** A map in a stable order. The cost of a change hardly grows with the size. */
export interface OrderedMap<Value> {
  readonly isEmpty: boolean
  set(key: string, value: Value): void
  delete(key: string): void
  /** From the first key after `after`, whether that exists or not. Entries may be deleted meanwhile. */
  from(after?: string): Generator<readonly [key: string, value: Value]>
}

/** The most keys in one block. */
const BLOCK_SIZE = 128

/** Keys with their ranks, sorted by rank, then by key. */
interface Ranked {
  readonly ranks: number[]
  readonly keys: string[]
}

interface Block<Value> extends Ranked {
  readonly values: Value[]
}

/**
 * Sorted blocks. A change moves the entries of one block; the list of blocks changes once for many of them. The order
 * is that of a hash of the key: a search in an array of numbers stays in that array, one in an array of texts jumps all
 * over the memory.
 */
export function createOrderedMap<Value>(): OrderedMap<Value> {
  const blocks: Block<Value>[] = []
  /** The first key of each block. Smaller keys belong to the first block, too. */
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
      if (keys.length <= BLOCK_SIZE) return undefined
      const half = BLOCK_SIZE / 2
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
        // At the end of a block, continue with the next one.
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

/** FNV-1a. Keys with the same hash are compared as texts: crafted collisions cost no more than that. */
function rankOf(key: string): number {
  let rank = 0x811c9dc5
  for (let at = 0; at < key.length; at++) rank = Math.imul(rank ^ key.charCodeAt(at), 0x01000193)
  return rank | 0
}

/** How many entries are not after this one, by bisection. */
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

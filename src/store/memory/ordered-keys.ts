/** Keys in a stable order. The cost of a change hardly grows with the size. */
export interface OrderedKeys {
  readonly isEmpty: boolean
  add(key: string): void
  delete(key: string): void
  /** From the first key after `after`, whether that exists or not. Keys may be deleted meanwhile. */
  from(after?: string): Generator<string>
}

/** The most keys in one block. */
const BLOCK_SIZE = 64

/** Keys with their ranks, sorted by rank, then by key. */
interface Ranked {
  readonly ranks: number[]
  readonly keys: string[]
}

/**
 * Sorted blocks. A change moves the entries of one block; the list of blocks changes once for many of them. The order
 * is that of a hash of the key: a search in an array of numbers stays in that array, one in an array of texts jumps all
 * over the memory.
 */
export function createOrderedKeys(): OrderedKeys {
  const blocks: Ranked[] = []
  /** The first key of each block. Smaller keys belong to the first block, too. */
  const firsts: Ranked = { ranks: [], keys: [] }

  const blockOf = (rank: number, key: string): number => Math.max(0, countUpTo(firsts, rank, key) - 1)

  function addBlock(at: number, block: Ranked): void {
    blocks.splice(at, 0, block)
    firsts.ranks.splice(at, 0, block.ranks[0] as number)
    firsts.keys.splice(at, 0, block.keys[0] as string)
  }

  return {
    get isEmpty() {
      return !blocks.length
    },

    add(key) {
      const rank = rankOf(key)
      const at = blockOf(rank, key)
      const block = blocks[at]
      if (!block) return addBlock(0, { ranks: [rank], keys: [key] })
      const { ranks, keys } = block
      const place = countUpTo(block, rank, key)
      if (keys[place - 1] === key) return
      ranks.splice(place, 0, rank)
      keys.splice(place, 0, key)
      const half = BLOCK_SIZE / 2
      if (keys.length > BLOCK_SIZE) addBlock(at + 1, { ranks: ranks.splice(half), keys: keys.splice(half) })
    },

    delete(key) {
      const rank = rankOf(key)
      const at = blockOf(rank, key)
      const block = blocks[at]
      if (!block) return
      const place = countUpTo(block, rank, key) - 1
      if (block.keys[place] !== key) return
      block.ranks.splice(place, 1)
      block.keys.splice(place, 1)
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
        for (const key of block.keys.slice(place)) {
          last = key
          yield key
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

import { describe, expect, it } from 'vitest'
import { createOrdered } from '../../src/store/memory/ordered.js'

/** Numbers in no order, the same ones in each run. */
function* shuffled(count: number, below: number): Generator<number> {
  let state = 1
  for (let at = 0; at < count; at++) {
    state = (state * 48271) % 2147483647
    yield state % below
  }
}
const keyOf = (number: number) => `key ${number.toString(36)}`

describe('values in the order of their keys', () => {
  it('are what a sorted map would have, from any key on, whatever is set and deleted', () => {
    const ordered = createOrdered<number>()
    const model = new Map<string, number>()
    let turn = 0
    for (const number of shuffled(6000, 1500)) {
      const key = keyOf(number)
      // More is set first, more is deleted later, until nothing is left.
      if (turn++ % 6000 < 3000 ? number % 3 : number % 3 === 0) {
        ordered.set(key, turn)
        model.set(key, turn)
      } else {
        ordered.delete(key)
        model.delete(key)
      }
      if (turn % 500) continue
      const sorted = [...model].sort(([one], [other]) => (one < other ? -1 : 1))
      for (const after of ['', key, sorted.at(-1)?.[0] ?? '', 'zzz'])
        expect([...ordered.from(after)]).toEqual(sorted.filter(([one]) => one > after))
    }
    for (const key of model.keys()) ordered.delete(key)
    expect(ordered.isEmpty).toBe(true)
    expect([...ordered.from('')]).toEqual([])
  })

  it('go on where they were when what has been seen is deleted meanwhile, block after block', () => {
    const ordered = createOrdered<number>()
    for (let at = 0; at < 1000; at++) ordered.set(keyOf(at), at)
    const seen = new Set<number>()
    for (const [key, value] of ordered.from('')) {
      seen.add(value)
      ordered.delete(key)
    }
    expect(seen.size).toBe(1000)
    expect(ordered.isEmpty).toBe(true)
  })
})

import { describe, expect, it } from 'vitest'
import { createOrderedMap } from '../../src/store/memory/ordered-map.js'

/** Numbers in no order, the same ones in each run. */
function* shuffled(count: number, below: number): Generator<number> {
  let state = 1
  for (let at = 0; at < count; at++) {
    state = (state * 48271) % 2147483647
    yield state % below
  }
}
const keyOf = (number: number) => `key ${number.toString(36)}`

describe('values in an order by their keys', () => {
  it('are what a map would have, in the same order from any key on, whatever is set and deleted', () => {
    const ordered = createOrderedMap<number>()
    const model = new Map<string, number>()
    let turn = 0
    for (const number of shuffled(6000, 1500)) {
      const key = keyOf(number)
      // More is set first, more is deleted later.
      if (turn++ < 3000 ? number % 3 : number % 3 === 0) {
        ordered.set(key, turn)
        model.set(key, turn)
      } else {
        ordered.delete(key)
        model.delete(key)
      }
      if (turn % 500) continue
      const all = [...ordered.from()]
      expect(all).toHaveLength(model.size)
      expect(new Map(all)).toEqual(model)
      for (const at of [0, 1, all.length >> 1, all.length - 1])
        expect([...ordered.from(all[at]?.[0])]).toEqual(all.slice(at + 1))
    }
    for (const key of model.keys()) ordered.delete(key)
    expect(ordered.isEmpty).toBe(true)
    expect([...ordered.from()]).toEqual([])
  })

  it('go on after a key that is gone, in the first block and in the last', () => {
    const ordered = createOrderedMap<number>()
    for (let at = 0; at < 1000; at++) ordered.set(keyOf(at), at)
    const all = [...ordered.from()]
    for (const at of [0, 1, 500, 998, 999]) {
      const [key = '', value = 0] = all[at] ?? []
      ordered.delete(key)
      expect([...ordered.from(key)]).toEqual(all.slice(at + 1))
      ordered.set(key, value)
    }
    for (const [key] of all.slice(0, 300)) ordered.delete(key)
    expect([...ordered.from(all[10]?.[0])]).toEqual(all.slice(300))
    for (const [key, value] of all.slice(0, 300)) ordered.set(key, value)
    expect([...ordered.from()]).toEqual(all)
  })

  it('keep keys of one digest apart', () => {
    const ordered = createOrderedMap<string>()
    const same = ['costarring', 'liquid', 'declinate', 'macallums', 'altarage', 'zinke']
    for (const key of same) ordered.set(key, key)
    expect([...ordered.from()].map(([key]) => key).sort()).toEqual([...same].sort())
    for (const key of same) {
      const rest = [...ordered.from()].filter(([one]) => one !== key)
      ordered.delete(key)
      expect([...ordered.from()]).toEqual(rest)
    }
  })

  it('go on where they were when what has been seen is deleted meanwhile, block after block', () => {
    const ordered = createOrderedMap<number>()
    for (let at = 0; at < 1000; at++) ordered.set(keyOf(at), at)
    const seen = new Set<number>()
    for (const [key, value] of ordered.from()) {
      seen.add(value)
      ordered.delete(key)
    }
    expect(seen.size).toBe(1000)
    expect(ordered.isEmpty).toBe(true)
  })
})

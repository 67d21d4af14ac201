import { describe, expect, it } from 'vitest'
import { createOrderedKeys } from '../../src/store/memory/ordered-keys.js'

/** Numbers in no order, the same ones in each run. */
function* shuffled(count: number, below: number): Generator<number> {
  let state = 1
  for (let at = 0; at < count; at++) {
    state = (state * 48271) % 2147483647
    yield state % below
  }
}
const keyOf = (number: number) => `key ${number.toString(36)}`

describe('keys in an order', () => {
  it('are what a set would have, in the same order from any key on, whatever is added and deleted', () => {
    const ordered = createOrderedKeys()
    const model = new Set<string>()
    let turn = 0
    for (const number of shuffled(6000, 1500)) {
      const key = keyOf(number)
      // More is added first, more is deleted later.
      if (turn++ < 3000 ? number % 3 : number % 3 === 0) {
        ordered.add(key)
        model.add(key)
      } else {
        ordered.delete(key)
        model.delete(key)
      }
      if (turn % 500) continue
      const all = [...ordered.from()]
      expect(all).toHaveLength(model.size)
      expect(new Set(all)).toEqual(model)
      for (const at of [0, 1, all.length >> 1, all.length - 1])
        expect([...ordered.from(all[at])]).toEqual(all.slice(at + 1))
    }
    for (const key of model) ordered.delete(key)
    expect(ordered.isEmpty).toBe(true)
    expect([...ordered.from()]).toEqual([])
  })

  it('go on after a key that is gone, in the first block and in the last', () => {
    const ordered = createOrderedKeys()
    for (let at = 0; at < 1000; at++) ordered.add(keyOf(at))
    const all = [...ordered.from()]
    for (const at of [0, 1, 500, 998, 999]) {
      const key = all[at] ?? ''
      ordered.delete(key)
      expect([...ordered.from(key)]).toEqual(all.slice(at + 1))
      ordered.add(key)
    }
    for (const key of all.slice(0, 300)) ordered.delete(key)
    expect([...ordered.from(all[10])]).toEqual(all.slice(300))
    for (const key of all.slice(0, 300)) ordered.add(key)
    expect([...ordered.from()]).toEqual(all)
  })

  it('keep keys of one digest apart', () => {
    const ordered = createOrderedKeys()
    const same = ['costarring', 'liquid', 'declinate', 'macallums', 'altarage', 'zinke']
    for (const key of same) ordered.add(key)
    expect([...ordered.from()].sort()).toEqual([...same].sort())
    for (const key of same) {
      const rest = [...ordered.from()].filter((one) => one !== key)
      ordered.delete(key)
      expect([...ordered.from()]).toEqual(rest)
    }
  })

  it('go on where they were when what has been seen is deleted meanwhile, block after block', () => {
    const ordered = createOrderedKeys()
    for (let at = 0; at < 1000; at++) ordered.add(keyOf(at))
    const seen = new Set<string>()
    for (const key of ordered.from()) {
      seen.add(key)
      ordered.delete(key)
    }
    expect(seen.size).toBe(1000)
    expect(ordered.isEmpty).toBe(true)
  })
})

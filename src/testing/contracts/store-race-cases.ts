import { type StoreContractCase, same } from './checks.js'
import type { Check } from './store-name-cases.js'

/** Cases of two concurrent calls, of which one must see the other. */
export const raceCases = (check: Check): StoreContractCase[] => [
  check('of a concurrent consume and write of an absent record, one succeeds', async (store, { id, put }) => {
    for (let at = 0; at < 20; at++) {
      const all = [() => store.consume(id(`${at}`), 30), () => store.write([put(`${at}`, 'written', 'absent')])]
      const results = await Promise.all((at % 2 ? all.reverse() : all).map((call) => call()))
      same(results.filter(Boolean).length, 1)
    }
  }),
  check('a check holds during a concurrent write of the checked record', async (store, { id, put }) => {
    for (let at = 0; at < 10; at++) {
      const [checked, done, ended] = [id(`end ${at}`), `done ${at}`, `end ${at}`]
      const [went] = await Promise.all([
        store.write([{ type: 'check', id: checked, ifVersion: 'absent' }, put(done, '1')]),
        store.write([put(ended, 'ended'), { type: 'check', id: id(done), ifVersion: 'absent' }]),
      ])
      // Otherwise both: done after the end, or ended without having seen it done.
      same([went, !went], [!(await store.get(checked)), !(await store.get(id(done)))])
    }
  }),
]

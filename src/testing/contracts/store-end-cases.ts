import type { RecordStore } from '../../store/contract.js'
import { type StoreContractCase, same } from './checks.js'
import { allOf, type Check } from './store-name-cases.js'

/** Removes all expired records, if the engine does not do it itself. */
export const swept = async (store: RecordStore) => {
  if (store.sweep) while ((await store.sweep(1000)) > 0);
}

/** Cases about expiry: of records, of consumed ids, of index entries. */
export const endCases = (check: Check, wait: (seconds: number) => Promise<void> | void): StoreContractCase[] => [
  check('consume is true once, for its ttl', async (store, { id }) => {
    const results = await Promise.all(Array.from({ length: 10 }, () => store.consume(id('once'), 2)))
    same(results.filter(Boolean).length, 1)
    same(await store.consume(id('other'), 2), true)
    await wait(2.5)
    same(await store.consume(id('once'), 2), true)
  }),
  check(
    'a record that is put again without a ttl stays, one that is put again with a ttl expires',
    async (store, names) => {
      const { id, put } = names
      await store.write([{ ...put('stays', '1'), ttl: 0.3 }, put('goes', '1')])
      await store.write([put('stays', '2'), { ...put('goes', '2'), ttl: 0.3 }])
      await wait(0.5)
      await swept(store)
      same((await store.get(id('stays')))?.value, '2')
      same(await store.get(id('goes')), undefined)
    },
  ),
  check('sweep keeps live records, consumed ids and entries', async (store, { id, put, index }) => {
    const entries = index('color', 'red')
    await store.write([
      { ...put('over', '1', 'any', entries), ttl: 0.2 },
      { ...put('alive', '1', 'any', entries), ttl: 60 },
      put('for ever', '1', 'any', entries),
      { ...put('again', '1', 'any', entries), ttl: 0.2 },
    ])
    same(await store.consume(id('spent'), 60), true)
    await store.write([{ ...put('again', '2', 'any', entries), ttl: 60 }])
    await wait(0.4)
    await swept(store)
    same(await store.consume(id('spent'), 60), false)
    for (const name of ['alive', 'for ever', 'again']) same((await store.get(id(name))) !== undefined, true)
    same(await allOf(store, entries), ['again', 'alive', 'for ever'])
  }),
  check(
    'the id of a live record cannot be consumed, that of an expired or deleted one can',
    async (store, { id, put }) => {
      await store.write([put('there', '1'), { ...put('over', '1'), ttl: 0.2 }, put('deleted', '1')])
      await store.write([{ type: 'delete', id: id('deleted'), ifVersion: 'any' }])
      await wait(0.4)
      const all = await Promise.all(['there', 'over', 'deleted'].map((name) => store.consume(id(name), 30)))
      same(all, [false, true, true])
      same((await store.get(id('there')))?.value, '1')
    },
  ),
  check('a consumed id exists until its ttl ends', async (store, { id, put }) => {
    same(await store.consume(id('one'), 3), true)
    same((await store.get(id('one'))) !== undefined, true)
    same(await store.write([put('one', '1', 'absent')]), false)
    same(await store.write([{ type: 'check', id: id('one'), ifVersion: 'absent' }, put('other', '1')]), false)
    same(await store.get(id('other')), undefined)
    // A second attempt does not extend the ttl.
    await wait(2)
    same(await store.consume(id('one'), 60), false)
    await wait(1.5)
    same(await store.write([put('one', '1', 'absent')]), true)
  }),
  check('an entry lasts as long as its record, whatever else is written to the record', async (store, names) => {
    const { id, put, index } = names
    const entries = index('color', 'red')
    await store.write([{ ...put('short, then long', '1', 'any', entries), ttl: 0.3 }])
    await store.write([{ ...put('short, then for ever', '1', 'any', entries), ttl: 0.3 }])
    await store.write([{ ...put('without entries', '1', 'any', entries), ttl: 60 }])
    await store.write([{ ...put('short, then long', '2', 'any', entries), ttl: 60 }])
    await store.write([put('short, then for ever', '2', 'any', entries)])
    await store.write([{ ...put('without entries', '2'), ttl: 60 }])
    await wait(0.5)
    await swept(store)
    same(await allOf(store, entries), ['short, then for ever', 'short, then long', 'without entries'])
    await store.write([{ type: 'delete', id: id('short, then long'), ifVersion: 'any' }])
    await store.write([{ ...put('short, then long', '3', 'absent', entries), ttl: 60 }])
    same((await allOf(store, entries)).includes('short, then long'), true)
  }),
  check('a visible record is in its index', async (store, { id, put, index }) => {
    const entries = index('color', 'red')
    for (let turn = 0; turn < 20; turn++) {
      const writing = store.write([put(`${turn}`, '1', 'absent', entries)])
      while (!(await store.get(id(`${turn}`)))) await Promise.resolve()
      same((await allOf(store, entries)).includes(`${turn}`), true)
      await writing
    }
  }),
  check('the longest and very short ttls are accepted', async (store, { id, put }) => {
    await store.write([
      { ...put('long', '1'), ttl: 1e10 },
      { ...put('short', '1'), ttl: 0.001 },
    ])
    await wait(0.1)
    same((await store.get(id('long')))?.value, '1')
    same(await store.get(id('short')), undefined)
  }),
]

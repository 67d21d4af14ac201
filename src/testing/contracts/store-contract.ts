import type { Change, IndexEntry, RecordId, RecordStore } from '../../store/contract.js'
import { rejects, type StoreContractCase, type StoreContractOptions, same, sleep } from './checks.js'
import { endCases, swept } from './store-end-cases.js'
import { type Check, nameCases, uniqueNames } from './store-name-cases.js'
import { raceCases } from './store-race-cases.js'

/**
 * What every RecordStore must do, for authors of engines: run each case with any test runner. The cases share a store;
 * each uses its own random names, and leaves its records there.
 *
 * Not covered: outages. Stop your server and check that calls reject with StoreError.
 */
export function recordStoreContract(
  open: () => RecordStore | Promise<RecordStore>,
  { wait = sleep }: StoreContractOptions = {},
): StoreContractCase[] {
  const check: Check = (name, run) => ({ name, run: async () => run(await open(), uniqueNames()) })
  return [
    check('a value is read unchanged, in any script and length', async (store, { id, put }) => {
      for (const value of ['', ' ', '1 2', 'ünïcödé 🗝', '{"a":"\\u0000"}', 'x'.repeat(100_000)]) {
        same(await store.write([put('text', value)]), true)
        same((await store.get(id('text')))?.value, value)
      }
    }),
    check('an absent record is undefined', async (store, { id }) => {
      same(await store.get(id('nothing')), undefined)
    }),
    check('similar kinds, partitions and ids are kept apart', async (store, { id, partition }) => {
      const ids: RecordId[] = [
        id('a:b'),
        { kind: 'test:a', partition, id: 'b' },
        { kind: 'test', partition: `${partition}:a`, id: 'b' },
        { kind: 'test', partition, id: 'a}b{' },
        { kind: 'test', partition: `{${partition}}`, id: 'a%3Ab' },
      ]
      for (const [at, one] of ids.entries())
        await store.write([{ type: 'put', id: one, value: `${at}`, ifVersion: 'absent' }])
      for (const [at, one] of ids.entries()) same((await store.get(one))?.value, `${at}`)
    }),
    check('"absent" writes once', async (store, { id, put }) => {
      same(await store.write([put('one', 'first', 'absent')]), true)
      same(await store.write([put('one', 'second', 'absent')]), false)
      same((await store.get(id('one')))?.value, 'first')
    }),
    check('an outdated version is refused, the current one is accepted', async (store, { id, put }) => {
      await store.write([put('one', 'first')])
      const read = await found(store, id('one'))
      same(await store.write([put('one', 'second', read.version)]), true)
      same(await store.write([put('one', 'third', read.version)]), false)
      same((await store.get(id('one')))?.value, 'second')
    }),
    check('a version of a record that was never there is refused', async (store, { id, put }) => {
      same(await store.write([put('one', 'value', 1)]), false)
      same(await store.get(id('one')), undefined)
    }),
    check('a record that was deleted and put again has another version', async (store, { id, put }) => {
      await store.write([put('one', 'first')])
      const { version } = await found(store, id('one'))
      same(await store.write([{ type: 'delete', id: id('one'), ifVersion: version }]), true)
      same(await store.get(id('one')), undefined)
      same(await store.write([put('one', 'again', 'absent')]), true)
      same(await store.write([put('one', 'stale', version)]), false)
    }),
    check('deleting an absent record succeeds with "any" and "absent", not with a version', async (store, { id }) => {
      same(await store.write([{ type: 'delete', id: id('one'), ifVersion: 'any' }]), true)
      same(await store.write([{ type: 'delete', id: id('one'), ifVersion: 'absent' }]), true)
      same(await store.write([{ type: 'delete', id: id('one'), ifVersion: 7 }]), false)
    }),
    check('all changes or none, wherever the condition fails', async (store, { id, put }) => {
      await store.write([put('guard', 'old')])
      const { version } = await found(store, id('guard'))
      const changes = (ifVersion: number): Change[] => [
        put('a', 'new'),
        { type: 'check', id: id('guard'), ifVersion },
        put('b', 'new', 'absent'),
      ]
      same(await store.write(changes(version + 1)), false)
      same(await store.get(id('a')), undefined)
      same(await store.get(id('b')), undefined)
      same(await store.write(changes(version)), true)
      same((await found(store, id('a'))).value, 'new')
      same(await store.write(changes(version)), false)
      same((await found(store, id('guard'))).version, version)
    }),
    check('a check for "absent" holds until it is there', async (store, { id, put }) => {
      const changes: Change[] = [{ type: 'check', id: id('gone'), ifVersion: 'absent' }, put('a', 'new')]
      same(await store.write(changes), true)
      await store.write([put('gone', 'back')])
      same(await store.write(changes), false)
    }),
    check('of twenty concurrent writes with one version, one succeeds', async (store, { id, put }) => {
      await store.write([put('one', '0')])
      const { version } = await found(store, id('one'))
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, at) => store.write([put('one', `${at + 1}`, version), put('by', `${at + 1}`)])),
      )
      same(results.filter(Boolean).length, 1)
      const winner = `${results.indexOf(true) + 1}`
      same((await found(store, id('one'))).value, winner)
      same((await found(store, id('by'))).value, winner)
    }),
    check('twenty concurrent read-and-compare counters lose no update', async (store, { id, put }) => {
      await store.write([put('count', '0')])
      const add = async (): Promise<void> => {
        const { value, version } = await found(store, id('count'))
        if (!(await store.write([put('count', `${Number(value) + 1}`, version)]))) return add()
      }
      await Promise.all(Array.from({ length: 20 }, add))
      same((await found(store, id('count'))).value, '20')
    }),
    check(
      'a record with a ttl expires, one without stays, one put again gets a new ttl',
      async (store, { id, put }) => {
        await store.write([
          { ...put('short', 'value'), ttl: 2 },
          put('long', 'value'),
          { ...put('again', '1'), ttl: 2 },
        ])
        same((await found(store, id('short'))).value, 'value')
        await store.write([{ ...put('again', '2'), ttl: 30 }])
        await wait(2.5)
        same(await store.get(id('short')), undefined)
        same((await found(store, id('again'))).value, '2')
        same((await found(store, id('long'))).value, 'value')
      },
    ),
    check('an expired record is absent to a write, and its version is gone', async (store, { id, put }) => {
      await store.write([{ ...put('one', 'value'), ttl: 2 }])
      const { version } = await found(store, id('one'))
      await wait(2.5)
      same(await store.write([put('one', 'stale', version)]), false)
      same(await store.write([put('one', 'new', 'absent')]), true)
    }),
    check('an index lists what was put under it, and nothing else', async (store, { id, put, index }) => {
      await store.write([put('a', '1', 'any', index('color', 'red'))])
      await store.write([put('b', '2', 'any', index('color', 'red')), put('c', '3', 'any', index('color', 'blue'))])
      same(await listed(store, index('color', 'red')), [id('a'), id('b')])
      same(await listed(store, index('color', 'blue')), [id('c')])
      same(await listed(store, index('shape', 'red')), [])
    }),
    check('an entry may outlive its record, and is written before it', async (store, { id, put, index }) => {
      await store.write([{ ...put('a', '1', 'any', index('color', 'red')), ttl: 3 }])
      await store.write([{ ...put('b', '1', 'any', index('color', 'red')), ttl: 3 }])
      await store.write([{ ...put('b', '2', 'any', index('color', 'red')), ttl: 30 }])
      same(await listed(store, index('color', 'red')), [id('a'), id('b')])
      await wait(3.5)
      same(await listed(store, index('color', 'red')), [id('b')])
    }),
    check('pages contain every entry once, whatever is written meanwhile', async (store, names) => {
      const { id, put, index } = names
      const all = Array.from({ length: 25 }, (_, at) => `m${String(at).padStart(2, '0')}`)
      for (const one of all) await store.write([put(one, '1', 'any', index('color', 'red'))])
      const seen: string[] = []
      let cursor: string | undefined
      let pages = 0
      do {
        const [entry] = index('color', 'red')
        const page = await store.list(entry.index, entry.value, { limit: 10, ...(cursor && { cursor }) })
        if (page.ids.length > 10) throw new Error('a page is longer than its limit')
        seen.push(...page.ids.map((one) => one.id))
        cursor = page.cursor
        pages++
        // Everything is put again, in another order: no record moves to an earlier page.
        for (const one of [...all].reverse()) await store.write([put(one, '2', 'any', index('color', 'red'))])
      } while (cursor !== undefined)
      same(
        seen.sort(),
        all.map((one) => id(one).id),
      )
      same(pages, 3)
    }),
    ...raceCases(check),
    ...nameCases(check),
    ...endCases(check, wait),
    check('misuse is a TypeError and writes nothing', async (store, { id, put, partition }) => {
      const elsewhere = { kind: 'test', partition: `${partition}-2`, id: 'x' }
      const wrong: Change[][] = [
        [],
        [put('a', '1'), { type: 'put', id: elsewhere, value: '1', ifVersion: 'any' }],
        [put('a', '1'), put('a', '2')],
        [{ ...put('a', '1'), ttl: 0 }],
        [{ ...put('a', '1'), ttl: Number.NaN }],
        [{ ...put('a', '1'), ttl: 1e300 }],
        [put('a', 'nul \0')],
        [put('a', 'half \ud800')],
        [put('half \udc00', '1')],
        [put('nul \0', '1')],
        [put('a', '1', 'any', [{ index: 'nul \0', value: 'v' }])],
        [put('a', '1', 'any', [{ index: 'i', value: 'half \ud800' }])],
        [put('a', '1', 1.5)],
        [put('a\n', '1')],
        [put('x'.repeat(201), '1')],
      ]
      for (const changes of wrong) await rejects(() => store.write(changes))
      await rejects(() => store.consume(id('a'), -1))
      await rejects(() => store.list('color', 'red', { limit: 0 }))
      for (const wrongId of [id('nul \0'), id('half \ud800'), id('')]) {
        await rejects(() => store.get(wrongId))
        await rejects(() => store.consume(wrongId, 1))
      }
      await rejects(() => store.list('nul \0', 'red'))
      await rejects(() => store.list('color', 'half \ud800'))
      same(await store.get(id('a')), undefined)
    }),
    check('a cursor that did not come from a page is a TypeError', async (store, { put, index }) => {
      for (const one of ['a', 'b', 'c']) await store.write([put(one, '1', 'any', index('color', 'red'))])
      const [entry] = index('color', 'red')
      const list = (cursor: string) => store.list(entry.index, 'red', { cursor, limit: 1 })
      const wrong = [
        '',
        'x',
        '[]',
        '["a"]',
        '["a","b"]',
        '["a","b","c","d"]',
        '["a","b",7]',
        'null',
        '{}',
        '[[],[],[]]',
      ]
      wrong.push('["a","b","\\u0000"]', '["a","b","\\ud800"]', '["a", "b", "c"]', `["a","b","${'x'.repeat(201)}"]`)
      for (const cursor of wrong) await rejects(() => list(cursor))
      const { ids, cursor } = await store.list(entry.index, 'red', { limit: 1 })
      const next = await list(cursor ?? '')
      same(new Set([...ids, ...next.ids].map(({ id }) => id)).size, 2)
    }),
    check('warnings, if present, are texts for an operator', async (store) => {
      const all = (await store.warnings?.()) ?? []
      same(
        all.map((one) => typeof one),
        all.map(() => 'string'),
      )
    }),
    check(
      'a check for "absent" and a concurrent write of that record do not both come first',
      async (store, { id, put }) => {
        for (let turn = 0; turn < 20; turn++) {
          const ended = id(`ended ${turn}`)
          const [goesOn] = await Promise.all([
            store.write([{ type: 'check', id: ended, ifVersion: 'absent' }, put(`next ${turn}`, 'made')]),
            store.write([put(`ended ${turn}`, 'ended')]),
          ])
          // A write that succeeded came before the end: a later read sees both, or the end only.
          same((await store.get(id(`next ${turn}`))) !== undefined, goesOn)
          same((await store.get(ended))?.value, 'ended')
          const late = [{ type: 'check', id: ended, ifVersion: 'absent' } as const, put(`late ${turn}`, 'made')]
          same(await store.write(late), false)
        }
      },
    ),
    check('sweep, if present, removes expired records', async (store, { id, put }) => {
      await store.write([{ ...put('one', 'value'), ttl: 0.2 }])
      await wait(0.4)
      await swept(store)
      same(await store.get(id('one')), undefined)
    }),
  ]
}

async function found(store: RecordStore, id: RecordId) {
  const stored = await store.get(id)
  if (!stored) throw new Error(`${id.id} is not there`)
  return stored
}

async function listed(store: RecordStore, [{ index, value }]: readonly [IndexEntry]): Promise<RecordId[]> {
  const { ids } = await store.list(index, value)
  return [...ids].sort((a, b) => (a.id < b.id ? -1 : 1))
}

import type { Change, RecordId } from 'sallyport/store'
import { changed, each, keyOf, type Make, puts, turn } from './broken-engine.js'
import { brokenNames } from './broken-names.js'

/** Conditions are looked at first, and the rest is done later: nothing is locked in between. */
const careless = changed((store) => ({
  async write(changes) {
    for (const { id, ifVersion } of changes) {
      const found = await store.get(id)
      if (ifVersion === 'absent' ? found : ifVersion !== 'any' && found?.version !== ifVersion) return false
    }
    await turn()
    return store.write(each(changes, (one) => ({ ...one, ifVersion: 'any' }) as Change))
  },
}))

const apart = changed((store) => {
  const id = ({ kind, ...rest }: RecordId) => ({ ...rest, kind: `${kind} spent` })
  return { consume: (of, ttl) => store.consume(id(of), ttl) }
})

/** Defect → the engine that has it, and the cases that find it. */
export const brokenStores: Readonly<Record<string, [make: Make, ...cases: string[]]>> = {
  ...brokenNames,
  'an end stays when a record is put again without one': [
    changed((store, now) => {
      const ends = new Map<string, number>()
      return puts(store, (one) => {
        if (one.type !== 'put') return one
        const end = ends.get(keyOf(one.id)) ?? 0
        if (one.ttl !== undefined) ends.set(keyOf(one.id), now() + one.ttl)
        return one.ttl === undefined && end > now() ? { ...one, ttl: end - now() } : one
      })
    }),
    'a record that is put again without a ttl stays, one that is put again with a ttl expires',
    'an entry lasts as long as its record, whatever else is written to the record',
  ],
  'an end is never read': [
    changed((store) => puts(store, (one) => ({ ...one, ...(one.type === 'put' && { ttl: 1e9 }) }))),
    'a record with a ttl expires, one without stays, one put again gets a new ttl',
    'an expired record is absent to a write, and its version is gone',
    'an entry may outlive its record, and is written before it',
    'sweep, if present, removes expired records',
  ],
  'an end is a number of 32 bits': [
    changed((store) =>
      puts(store, (one) => ({
        ...one,
        ...(one.type === 'put' && one.ttl !== undefined && one.ttl > 2 ** 31 / 1000 && { ttl: 0.001 }),
      })),
    ),
    'the longest and very short ttls are accepted',
  ],
  'seconds are whole': [
    changed((store) =>
      puts(store, (one) => ({
        ...one,
        ...(one.type === 'put' && one.ttl !== undefined && { ttl: Math.ceil(one.ttl) }),
      })),
    ),
    'the longest and very short ttls are accepted',
  ],
  'sweeping takes what was consumed along': [
    changed((store) => {
      const spent: RecordId[] = []
      return {
        consume(id, ttl) {
          spent.push(id)
          return store.consume(id, ttl)
        },
        async sweep() {
          for (const id of spent.splice(0)) await store.write([{ type: 'delete', id, ifVersion: 'any' }])
          return 0
        },
      }
    }),
    'sweep keeps live records, consumed ids and entries',
  ],
  'consuming has a table of its own': [
    apart,
    'the id of a live record cannot be consumed, that of an expired or deleted one can',
    'a consumed id exists until its ttl ends',
    'of a concurrent consume and write of an absent record, one succeeds',
  ],
  'consuming again makes it last': [
    changed((store) => ({
      async consume(id, ttl) {
        const first = await store.consume(id, ttl)
        if (!first) await store.write([{ type: 'put', id, value: '', ttl, ifVersion: 'any' }])
        return first
      },
    })),
    'a consumed id exists until its ttl ends',
    'the id of a live record cannot be consumed, that of an expired or deleted one can',
  ],
  'consuming looks first': [
    changed((store) => ({
      async consume(id, ttl) {
        if (await store.get(id)) return false
        await turn()
        return store.write([{ type: 'put', id, value: '', ttl, ifVersion: 'any' }])
      },
    })),
    'consume is true once, for its ttl',
    'of a concurrent consume and write of an absent record, one succeeds',
  ],
  'conditions are looked at without a lock': [
    careless,
    'of twenty concurrent writes with one version, one succeeds',
    'twenty concurrent read-and-compare counters lose no update',
    'a check holds during a concurrent write of the checked record',
    'of a concurrent consume and write of an absent record, one succeeds',
  ],
  'a version is not looked at': [
    changed((store) => ({
      write: (changes) =>
        store.write(
          each(changes, (one) => (typeof one.ifVersion === 'number' ? ({ ...one, ifVersion: 'any' } as Change) : one)),
        ),
    })),
    'an outdated version is refused, the current one is accepted',
    'a version of a record that was never there is refused',
    'deleting an absent record succeeds with "any" and "absent", not with a version',
  ],
  '"absent" is not looked at': [
    changed((store) => ({
      write: (changes) =>
        store.write(
          each(changes, (one) => (one.ifVersion === 'absent' ? ({ ...one, ifVersion: 'any' } as Change) : one)),
        ),
    })),
    '"absent" writes once',
    'a check for "absent" holds until it is there',
  ],
  'what is not there is an empty record': [
    changed((store) => ({ get: async (id) => (await store.get(id)) ?? { value: '', version: 0 } })),
    'an absent record is undefined',
  ],
  'an entry has the end of the first write': [
    changed((store, now) => {
      const ends = new Map<string, number>()
      return {
        ...puts(store, (one) => {
          if (one.type === 'put' && one.ttl !== undefined && !ends.has(keyOf(one.id)))
            ends.set(keyOf(one.id), now() + one.ttl)
          return one
        }),
        async list(...of) {
          const page = await store.list(...of)
          return { ...page, ids: page.ids.filter((id) => (ends.get(keyOf(id)) ?? Number.POSITIVE_INFINITY) > now()) }
        },
      }
    }),
    'an entry lasts as long as its record, whatever else is written to the record',
  ],
  'a record comes before its entries': [
    changed((store) => ({
      async write(changes) {
        const done = await store.write(each(changes, (one) => (one.type === 'put' ? { ...one, index: [] } : one)))
        await turn()
        for (const one of changes) if (done && one.type === 'put') await store.write([{ ...one, ifVersion: 'any' }])
        return done
      },
    })),
    'a visible record is in its index',
  ],
  'an index has one value': [
    changed((store) => ({
      ...puts(store, (one) => ({
        ...one,
        ...(one.type === 'put' && one.index && { index: one.index.map(({ index }) => ({ index, value: 'v' })) }),
      })),
      list: (index, _, page) => store.list(index, 'v', page),
    })),
    'an index lists what was put under it, and nothing else',
  ],
  'the order is that of the last write': [
    changed((store) => {
      const order: string[] = []
      return {
        ...puts(store, (one) => {
          order.push(keyOf(one.id))
          return one
        }),
        async list(index, value, { cursor = '0', limit = 100 } = {}) {
          const { ids } = await store.list(index, value, { limit: 1000 })
          const at = (id: RecordId) => order.lastIndexOf(keyOf(id))
          const sorted = [...ids].sort((one, other) => at(one) - at(other))
          const end = Number(cursor) + limit
          return { ids: sorted.slice(Number(cursor), end), ...(end < ids.length && { cursor: `${end}` }) }
        },
      }
    }),
    'pages contain every entry once, whatever is written meanwhile',
  ],
  'what an operator is told is no text': [
    changed(() => ({ warnings: async () => [7 as unknown as string] })),
    'warnings, if present, are texts for an operator',
  ],
}

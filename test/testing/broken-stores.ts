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
    'a record that is put again without a ttl stays, one that is put again with one goes',
    'an entry is there as long as its record, whatever else is written to that',
  ],
  'an end is never read': [
    changed((store) => puts(store, (one) => ({ ...one, ...(one.type === 'put' && { ttl: 1e9 }) }))),
    'a record with a ttl goes, one without stays, one put again lives anew',
    'an expired record is absent to a write, and its version is gone',
    'an entry outlives its record at most, and comes before it',
    'what has expired is removed by sweep, where there is one',
  ],
  'an end is a number of 32 bits': [
    changed((store) =>
      puts(store, (one) => ({
        ...one,
        ...(one.type === 'put' && one.ttl !== undefined && one.ttl > 2 ** 31 / 1000 && { ttl: 0.001 }),
      })),
    ),
    'a ttl may be as long as it may be, and very short',
  ],
  'seconds are whole': [
    changed((store) =>
      puts(store, (one) => ({
        ...one,
        ...(one.type === 'put' && one.ttl !== undefined && { ttl: Math.ceil(one.ttl) }),
      })),
    ),
    'a ttl may be as long as it may be, and very short',
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
    'sweeping leaves what is alive: records, what was consumed, entries',
  ],
  'consuming has a table of its own': [
    apart,
    'what is there cannot be consumed, what is gone can',
    'what was consumed is there, until it is over',
    'of a consume and a write of what is absent, at once, one succeeds',
  ],
  'consuming again makes it last': [
    changed((store) => ({
      async consume(id, ttl) {
        const first = await store.consume(id, ttl)
        if (!first) await store.write([{ type: 'put', id, value: '', ttl, ifVersion: 'any' }])
        return first
      },
    })),
    'what was consumed is there, until it is over',
    'what is there cannot be consumed, what is gone can',
  ],
  'consuming looks first': [
    changed((store) => ({
      async consume(id, ttl) {
        if (await store.get(id)) return false
        await turn()
        return store.write([{ type: 'put', id, value: '', ttl, ifVersion: 'any' }])
      },
    })),
    'consume is true once, for as long as it was asked to',
    'of a consume and a write of what is absent, at once, one succeeds',
  ],
  'conditions are looked at without a lock': [
    careless,
    'of twenty that spend one version at once, one succeeds',
    'twenty that count with read and compare lose none',
    'a check holds while another writes what was checked',
    'of a consume and a write of what is absent, at once, one succeeds',
  ],
  'a version is not looked at': [
    changed((store) => ({
      write: (changes) =>
        store.write(
          each(changes, (one) => (typeof one.ifVersion === 'number' ? ({ ...one, ifVersion: 'any' } as Change) : one)),
        ),
    })),
    'a version that has moved is refused, the one that was read is not',
    'a version of a record that was never there is refused',
    'deleting what is not there: "any" and "absent" may, a version may not',
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
    'what was never put is undefined',
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
    'an entry is there as long as its record, whatever else is written to that',
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
    'whoever sees a record finds it in its index',
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
    'pages hold every entry once, whatever is written meanwhile',
  ],
  'what an operator is told is no text': [
    changed(() => ({ warnings: async () => [7 as unknown as string] })),
    'warnings are texts for an operator, where there are any',
  ],
}

import type { Change, RecordId, Stored } from 'sallyport/store'
import { changed, each, type Make, puts, renaming } from './broken-engine.js'

/** Defects of names, values and conditions → the engine that has it, and the cases that find it. */
export const brokenNames: Readonly<Record<string, [make: Make, ...cases: string[]]>> = {
  'names are cut': [renaming((name) => name.slice(0, 100)), 'names of the maximum length, in any script, are accepted'],
  'names of more than 250 bytes are refused': [
    renaming((name) => {
      if (new TextEncoder().encode(name).length > 250) throw new TypeError('too long')
      return name
    }),
    'names of the maximum length, in any script, are accepted',
  ],
  'case does not count': [
    renaming((name) => name.toLowerCase()),
    'ids and index values that look alike are kept apart',
  ],
  'accents are normalized': [
    renaming((name) => name.normalize()),
    'ids and index values that look alike are kept apart',
  ],
  'blanks at the end do not count': [
    renaming((name) => name.trimEnd()),
    'ids and index values that look alike are kept apart',
  ],
  'names are decoded': [
    renaming((name) => decodeURIComponent(name.replace(/%(?![0-9A-F]{2})/g, '%25'))),
    'ids and index values that look alike are kept apart',
  ],
  'braces are taken out, as for a hash tag': [
    renaming((name) => name.replace(/[{}]/g, '') || 'x'),
    'ids and index values that look alike are kept apart',
  ],
  'the parts of an id are joined': [
    changed((store) => {
      const joined = ({ kind, partition, id }: RecordId) => ({
        kind: 'k',
        partition: 'p',
        id: `${partition}:${kind}:${id}`,
      })
      return {
        get: (id) => store.get(joined(id)),
        write: (changes) => store.write(each(changes, (one) => ({ ...one, id: joined(one.id) }))),
      }
    }),
    'similar kinds, partitions and ids are kept apart',
  ],
  'a check is not looked at': [
    changed((store) => ({
      write: async (changes) => {
        const rest = changes.filter(({ type }) => type !== 'check')
        return rest.length ? store.write(rest) : true
      },
    })),
    'a check for "absent" and a concurrent write of that record do not both come first',
    'a check for "absent" holds until it is there',
    'a check holds during a concurrent write of the checked record',
    'all changes or none, wherever the condition fails',
    'a consumed id exists until its ttl ends',
  ],
  'an index and its value are joined': [
    changed((store) => ({
      ...puts(store, (one) => ({
        ...one,
        ...(one.type === 'put' &&
          one.index && { index: one.index.map((of) => ({ index: 'i', value: `${of.index}:${of.value}` })) }),
      })),
      list: (index, value, page) => store.list('i', `${index}:${value}`, page),
    })),
    'an index and its value are separate names',
  ],
  'a cursor is a number of entries': [
    changed((store) => ({
      async list(index, value, { cursor = '0', limit = 100 } = {}) {
        const { ids } = await store.list(index, value, { limit: 1000 })
        const end = Number(cursor) + limit
        return { ids: ids.slice(Number(cursor), end), ...(end < ids.length && { cursor: `${end}` }) }
      },
    })),
    'pages continue over ids in any script, and after deleted records',
    'a cursor that did not come from a page is a TypeError',
  ],
  'values are cut': [
    changed((store) =>
      puts(store, (one) => ({ ...one, ...('value' in one && { value: one.value.slice(0, 65_535) }) })),
    ),
    'a value is read unchanged, in any script and length',
    'a long value, and many changes at once, are written whole',
  ],
  'changes are written fifty at a time': [
    changed((store) => ({
      async write(changes) {
        for (let at = 0; at < Math.max(1, changes.length); at += 50)
          if (!(await store.write(changes.slice(at, at + 50)))) return false
        return true
      },
    })),
    'a long value, and many changes at once, are written whole',
  ],
  'changes are written one by one': [
    changed((store) => ({
      async write(changes) {
        for (const one of changes) if (!(await store.write([one]))) return false
        return true
      },
    })),
    'all changes or none, wherever the condition fails',
    'misuse is a TypeError and writes nothing',
  ],
  'a version is a digest of the value': [
    changed((store) => {
      const of = (stored: Stored | undefined) => stored && { ...stored, version: stored.value.length }
      return {
        get: async (id) => of(await store.get(id)),
        async write(changes) {
          const all: Change[] = []
          for (const one of changes) {
            const stored = await store.get(one.id)
            const same = typeof one.ifVersion === 'number' && stored?.value.length === one.ifVersion
            all.push(same ? ({ ...one, ifVersion: stored?.version } as Change) : one)
          }
          return store.write(all)
        },
      }
    }),
    'every write makes a new version, which is a safe integer',
    'a record that was deleted and put again has another version',
  ],
}

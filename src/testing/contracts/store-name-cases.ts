import type { IndexEntry, Put, RecordId, RecordStore } from '../../store/contract.js'
import { type StoreContractCase, same } from './checks.js'

/** Names that no other case uses. */
export function uniqueNames() {
  const partition = crypto.randomUUID()
  const id = (name: string): RecordId => ({ kind: 'test', partition, id: name })
  return {
    partition,
    id,
    index: (index: string, value: string): readonly [IndexEntry] => [{ index: `${partition} ${index}`, value }],
    put: (name: string, value: string, ifVersion: Put['ifVersion'] = 'any', index?: Put['index']): Put => ({
      type: 'put',
      id: id(name),
      value,
      ifVersion,
      ...(index && { index }),
    }),
  }
}

type Names = ReturnType<typeof uniqueNames>
export type Check = (name: string, run: (store: RecordStore, names: Names) => Promise<void>) => StoreContractCase

/** A new name of the maximum length each time; of letters with one, three and four bytes in UTF-8. */
export const longest = (letter: string, most = 200): string =>
  `${crypto.randomUUID().slice(0, 8)}${letter.repeat(most)}`.slice(0, most).replace(/[\ud800-\udbff]$/, 'x')
export const letters = ['x', '語', '😀', '"', '%']

/** Different texts that an engine might confuse. */
export const alike = [
  'a',
  'A',
  'a ',
  ' a',
  'é',
  'e\u0301',
  '%C3%A9',
  'a%20',
  '😀',
  '\ufffd',
  '{a}',
  'a}b{',
  'a:b',
  'a/b',
  "'",
  '\\',
]

export async function allOf(store: RecordStore, [{ index, value }]: readonly [IndexEntry], limit = 100) {
  const ids: RecordId[] = []
  let cursor: string | undefined
  do {
    const page = await store.list(index, value, { limit, ...(cursor !== undefined && { cursor }) })
    ids.push(...page.ids)
    cursor = page.cursor
  } while (cursor !== undefined)
  return ids.map(({ id }) => id).sort()
}

/** Cases about names, sizes and pages. */
export const nameCases = (check: Check): StoreContractCase[] => [
  check('names of the maximum length, in any script, are accepted', async (store) => {
    for (const letter of letters) {
      const id = { kind: longest(letter), partition: longest(letter), id: longest(letter) }
      const index = [{ index: longest(letter), value: longest(letter) }] as const
      same(await store.write([{ type: 'put', id, value: letter, ifVersion: 'absent', index }]), true)
      same((await store.get(id))?.value, letter)
      same(await store.consume(id, 30), false)
      same(await allOf(store, index), [id.id])
    }
  }),
  check('ids and index values that look alike are kept apart', async (store, { id, put, index }) => {
    for (const one of alike) same(await store.write([put(one, one, 'absent', index('looks', one))]), true)
    for (const one of alike) {
      same((await store.get(id(one)))?.value, one)
      same(await allOf(store, index('looks', one)), [one])
    }
  }),
  check('an index and its value are separate names', async (store, { put, partition }) => {
    const pairs = [
      ['a:b', 'c'],
      ['a', 'b:c'],
      ['a', '{b}:c'],
      ['{a}', 'b:c'],
    ].map(([index, value]) => [{ index: `${partition} ${index}`, value: `${value}` }] as const)
    for (const [at, index] of pairs.entries()) await store.write([put(`${at}`, '1', 'any', index)])
    for (const [at, index] of pairs.entries()) same(await allOf(store, index), [`${at}`])
  }),
  check('pages continue over ids in any script, and after deleted records', async (store, { id, put, index }) => {
    const entries = index('color', 'red')
    for (const one of alike) await store.write([put(one, '1', 'any', entries)])
    for (const limit of [1, 3, 5000]) same(await allOf(store, entries, limit), [...alike].sort())
    const [{ index: color }] = entries
    const first = await store.list(color, 'red', { limit: 3 })
    const last = first.ids.at(-1)
    if (!last || first.cursor === undefined) throw new Error('no page')
    // The page continues after a record that no longer exists.
    await store.write([{ type: 'delete', id: id(last.id), ifVersion: 'any' }])
    const rest = await store.list(color, 'red', { cursor: first.cursor })
    same([...first.ids, ...rest.ids].map((one) => one.id).sort(), [...alike].sort())
  }),
  check('a long value, and many changes at once, are written whole', async (store, { id, put }) => {
    const value = 'ü🗝"\\'.repeat(50_000)
    same(await store.write([put('long', value)]), true)
    same((await store.get(id('long')))?.value === value, true)
    const many = Array.from({ length: 100 }, (_, at) => put(`many ${at}`, `${at}`, 'absent'))
    same(await store.write(many), true)
    same((await store.get(id('many 99')))?.value, '99')
    // The last of them already exists.
    const more = Array.from({ length: 60 }, (_, at) => put(`more ${at}`, `${at}`, 'absent'))
    same(await store.write([...more, put('many 99', '1', 'absent')]), false)
    same(await store.get(id('more 0')), undefined)
  }),
  check('every write makes a new version, which is a safe integer', async (store, { id, put }) => {
    const seen = new Set<number>()
    for (let at = 0; at < 10; at++) {
      await store.write([put('one', 'the same')])
      const { version } = (await store.get(id('one'))) ?? { version: Number.NaN }
      same(Number.isSafeInteger(version), true)
      seen.add(version)
    }
    same(seen.size, 10)
    for (const version of [0, -1, Number.MAX_SAFE_INTEGER]) same(await store.write([put('one', 'x', version)]), false)
  }),
]

import { readdirSync, readFileSync } from 'node:fs'
import { StoreError } from 'sallyport/store'
import { describe, expect, it } from 'vitest'
import { bendable, common, later, NOW, unversioned } from './forms.js'
import { kinds, marks, sealedKinds } from './kinds.js'

const now = () => NOW
const forms = JSON.parse(readFileSync(new URL('forms.json', import.meta.url), 'utf8'))

describe.each(kinds)('records of kind $kind', ({ kind, write, later: seen, unversioned: bare = unversioned }) => {
  async function look(how: ((value: string) => string) | undefined) {
    const bent = bendable(now)
    const ask = await write(bent, now)
    if (how) bent.bend(kind, how)
    return { ask, bent }
  }

  it('have the form that forms.json says, and its number', async () => {
    const runs = await Promise.all([look(undefined), look(undefined)])
    const [one, another] = runs.map(({ bent }) => JSON.parse(bent.last(kind)?.value ?? '{}'))
    expect(common(one, another)).toEqual(forms[kind])
    expect(one.v).toBe(1)
  })

  it('are read with their format, and without one, as 0.1.0 wrote them', async () => {
    const present = await (await look(undefined)).ask()
    expect(present).toBeDefined()
    expect(present).not.toEqual([])
    const reordered = (value: string) => JSON.stringify({ v: 1, ...JSON.parse(value) })
    for (const how of [bare, reordered])
      expect(common(await (await look(how)).ask(), present)).toEqual(
        common(present, await (await look(undefined)).ask()),
      )
  })

  it('of a later release, or of nobody, are not guessed at, and left as they are', async () => {
    for (const how of [
      later,
      () => 'junk',
      () => '[1',
      () => 'null',
      (value: string) => value.replace('"v":1', '"v":"1"'),
    ]) {
      // Some of 0.1.0's were any text.
      if (how !== later && bare !== unversioned) continue
      const { ask, bent } = await look(how)
      const before = bent.last(kind)
      const answer = await ask().catch((error) => error)
      if (answer instanceof StoreError) expect(answer).toMatchObject({ code: 'store_format_unknown', retryable: false })
      else expect(answer).toEqual(seen)
      expect(bent.last(kind)).toBe(before)
    }
  })
})

it('every kind of record in the tree is in one of the tables', () => {
  const found = new Set<string>()
  for (const file of readdirSync('src', { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts') || /^(testing|store)\//.test(file)) continue
    const text = readFileSync(`src/${file}`, 'utf8')
    for (const [, one, another = one] of text.matchAll(/kind: '([a-z-]+)',\s*partition|recordOf\('([a-z-]+)',/g))
      found.add(`${another}`)
  }
  const listed = [...kinds.map(({ kind }) => kind), ...sealedKinds, ...marks]
  expect([...found].sort()).toEqual(listed.sort())
  expect(new Set(listed).size).toBe(listed.length)
})

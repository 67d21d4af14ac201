import { memoryStore, type RecordId, type RecordStore } from 'sallyport/store'

/**
 * The clock of what is written here, and so of `forms.json`. Whoever changes a form changes it there too, and says in CHANGELOG what
 * a release without the change does with it; from 0.2.0 on it needs another number, or members that may be absent.
 */
export const NOW = 1_790_000_000

/** The kind of a record, without the digest of its app. */
export const kindOf = ({ kind }: RecordId): string => kind.split('.')[0] ?? ''

/** A store that remembers what was written, and can show every value of a kind as another release would have written it. */
export function bendable(now: () => number = () => NOW) {
  const memory = memoryStore({ now })
  const bent = new Map<string, (value: string) => string>()
  const written: { id: RecordId; value: string }[] = []
  const store: RecordStore = {
    ...memory,
    async get(id) {
      const stored = await memory.get(id)
      const bend = bent.get(kindOf(id)) ?? ((value: string) => value)
      return stored && { ...stored, value: bend(stored.value) }
    },
    async write(changes) {
      const done = await memory.write(changes)
      if (done) for (const change of changes) if (change.type === 'put') written.push(change)
      return done
    },
  }
  return {
    store,
    memory,
    /** From here on values of this kind are shown so. */
    bend: (kind: string, how: (value: string) => string) => bent.set(kind, how),
    first: (kind: string) => written.find(({ id }) => kindOf(id) === kind),
    /** The last value written of a kind. */
    last: (kind: string) => written.findLast(({ id }) => kindOf(id) === kind),
  }
}

/** As 0.1.0 wrote it: without a format. */
export const unversioned = (value: string): string => {
  const { v: _, ...content } = JSON.parse(value)
  return JSON.stringify(content)
}

/** As some later release may write it. */
export const later = (value: string): string => JSON.stringify({ ...JSON.parse(value), v: 2 })

/** The same of a sealed text: the format stands in its header. */
export function laterSealed(value: string): string {
  const [header = '', ...rest] = value.split('.')
  const { kid, ...others } = JSON.parse(Buffer.from(header, 'base64url').toString())
  const next = JSON.stringify({ ...others, kid: kid.replace(/^1\./, '2.') })
  return [Buffer.from(next).toString('base64url'), ...rest].join('.')
}

/** What two runs have in common: texts that differ are random, and everything else is the form. */
export function common(one: unknown, another: unknown): unknown {
  if (typeof one === 'string') return one === another ? one : '<random>'
  if (Array.isArray(one)) return one.map((item, at) => common(item, (another as unknown[])[at]))
  if (one instanceof Object)
    return Object.fromEntries(
      Object.entries(one).map(([name, value]) => [name, common(value, (another as Record<string, unknown>)[name])]),
    )
  return one === another ? one : '<other>'
}

import { isName, nameRule } from '../protocol/names.js'
import type { Change, RecordId } from './contract.js'

/** For engines: the limit of a page as it is kept to. */
export const pageLimit = (limit = 100): number => {
  if (!Number.isInteger(limit) || limit < 1) throw new TypeError('list: "limit" must be a whole number, 1 at least')
  return Math.min(limit, 1000)
}

/** PostgreSQL takes no NUL, and UTF-8 has no bytes for half a surrogate pair. */
const unstorable = /[\0\p{Cs}]/u
/** Seconds, 300 years: no engine's clock goes on for ever. */
const LONGEST_TTL = 1e10

/** For engines: what no engine could store is refused alike by all, before anything is written. */
export function examineChanges(changes: readonly Change[]): void {
  const [first] = changes
  if (!first) throw new TypeError('write: there is nothing to write')
  const seen = new Set<string>()
  for (const change of changes) {
    const { id, ifVersion } = change
    examineId(id)
    if (id.partition !== first.id.partition) throw new TypeError('write: all changes must lie in one partition')
    const name = `${id.kind}\n${id.id}`
    if (seen.has(name)) throw new TypeError(`write: a record of kind "${id.kind}" is named twice`)
    seen.add(name)
    if (ifVersion !== 'absent' && ifVersion !== 'any' && !Number.isSafeInteger(ifVersion))
      throw new TypeError('write: "ifVersion" is a version that was read, "absent" or "any"')
    if (change.type !== 'put') continue
    if (typeof change.value !== 'string' || unstorable.test(change.value))
      throw new TypeError('write: "value" must be a text without U+0000 and halves of surrogate pairs')
    if (change.ttl !== undefined) examineTtl(change.ttl)
    for (const { index, value } of change.index ?? []) examineEntry(index, value)
  }
}

export function examineId({ kind, partition, id }: RecordId): void {
  // One by one: every session check comes through here.
  examineText('kind', kind)
  examineText('partition', partition)
  examineText('id', id)
}

export function examineEntry(index: string, value: string): void {
  examineText('index', index)
  examineText('value of an index', value)
}

export function examineTtl(ttl: number): void {
  if (!(ttl > 0 && ttl <= LONGEST_TTL)) throw new TypeError('"ttl" must be a number of seconds above 0, 10^10 at most')
}

export function examineText(name: string, text: unknown): void {
  if (!isName(text)) throw new TypeError(`"${name}" must be ${nameRule}`)
}

/** Where a page ends: the name of its last record. All engines write it alike. */
export const writeCursor = ({ partition, kind, id }: RecordId): string => JSON.stringify([partition, kind, id])

/** A cursor may have been anywhere since, and come back as anything. @throws TypeError for what is none */
export function readCursor(cursor: string): RecordId {
  try {
    const [partition, kind, id] = JSON.parse(cursor) as string[]
    const read = { partition, kind, id } as RecordId
    examineId(read)
    if (writeCursor(read) === cursor) return read
  } catch {}
  throw new TypeError('list: "cursor" is not one that a page has had')
}

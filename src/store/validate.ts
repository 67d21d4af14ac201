import { isName } from '../protocol/names.js'
import { type Check, check, integer, list, name, object, oneOf, optional, seconds } from '../protocol/shape.js'
import { asyncCall, type Calls, validateArguments } from '../protocol/validate.js'
import type { Change, IfVersion, IndexEntry, Put, RecordId, RecordStore } from './contract.js'

/** For engines: the limit of a page as it is kept to. */
export const pageLimit = (limit = 100): number => Math.min(limit, 1000)

/** PostgreSQL takes no NUL, and UTF-8 has no bytes for half a surrogate pair. */
const unstorable = /[\0\p{Cs}]/u
/** 300 years: no engine's clock goes on for ever. */
export const ttlCheck = seconds({ above: 0, most: 1e10 })

const idShape = object<RecordId>({ kind: name, partition: name, id: name })
const recordId: Check<RecordId> = {
  ...idShape,
  flaw(value) {
    // Every session check comes through here: one that has all three is looked at without a list.
    const { kind, partition, id } = (value ?? {}) as Partial<RecordId>
    return isName(kind) && isName(partition) && isName(id) ? undefined : idShape.flaw(value)
  },
}
const ifVersion = check<IfVersion>(
  'a version that was read, "absent" or "any"',
  (value) => value === 'absent' || value === 'any' || Number.isSafeInteger(value),
)
const put = object<Omit<Put, 'type'> & Pick<Change, 'type'>>({
  type: oneOf('put', 'delete', 'check'),
  id: recordId,
  value: check<string>(
    'a text without U+0000 and halves of surrogate pairs',
    (value) => typeof value === 'string' && !unstorable.test(value),
  ),
  ifVersion,
  ttl: optional(ttlCheck),
  index: optional(list(object<IndexEntry>({ index: name, value: name }))),
})
const end = object<Exclude<Change, Put>>({ type: oneOf('delete', 'check'), id: recordId, ifVersion })

/** What there is to say of a change depends on its type. */
const change: Check<Change> = {
  expected: put.expected,
  ...(put.members && { members: put.members }),
  flaw(value) {
    const { type } = (value ?? {}) as { type?: unknown }
    return (type === 'delete' || type === 'check' ? end : put).flaw(value)
  },
}

const page = object<{ cursor?: string; limit?: number }>({
  // It may have been anywhere, and come back as anything.
  cursor: optional(check<string>('one that a page has had', (value) => cursorOf(value) !== undefined)),
  limit: optional(integer({ least: 1 })),
})

/** What the functions of a store take. Engines look at it in each function: stores are asked for every request. */
export const storeCalls = {
  get: asyncCall(['id', recordId]),
  write: asyncCall(['changes', list(change, 1)]),
  list: asyncCall(['index', name], ['value', name], ['page', optional(page)]),
  consume: asyncCall(['id', recordId], ['ttl', ttlCheck]),
  sweep: asyncCall(['limit', integer({ least: 1 })]),
  warnings: asyncCall(),
  migrate: asyncCall(),
} satisfies Calls<Required<RecordStore> & { migrate(): Promise<void> }>

/** For engines: what no engine could store is refused alike by all, before anything is written. */
export function validateChanges(changes: readonly Change[]): void {
  validateArguments('store.write', storeCalls.write, changes)
  const partition = changes[0]?.id.partition
  const seen = new Set<string>()
  for (const { id } of changes) {
    if (id.partition !== partition) throw new TypeError('store.write: "changes" must lie in one partition')
    const one = `${id.kind}\n${id.id}`
    if (seen.has(one)) throw new TypeError(`store.write: "changes" name a record of kind "${id.kind}" twice`)
    seen.add(one)
  }
}

/** Where a page ends: the name of its last record. All engines write it alike. */
export const writeCursor = ({ partition, kind, id }: RecordId): string => JSON.stringify([partition, kind, id])

/** Of a cursor that was examined. */
export const readCursor = (cursor: string): RecordId => cursorOf(cursor) as RecordId

function cursorOf(cursor: unknown): RecordId | undefined {
  try {
    const [partition, kind, id] = JSON.parse(cursor as string) as string[]
    const read = { partition, kind, id } as RecordId
    return !recordId.flaw(read) && writeCursor(read) === cursor ? read : undefined
  } catch {
    return undefined
  }
}

import { isName } from '../protocol/names.js'
import {
  type Check,
  check,
  type Flaw,
  integer,
  list,
  name,
  object,
  oneOf,
  optional,
  seconds,
} from '../protocol/shape.js'
import { asyncCall, type Calls } from '../protocol/validate.js'
import type { Change, IfVersion, IndexEntry, Put, RecordId, RecordStore } from './contract.js'

/** For engines: the effective limit of a page. */
export const pageLimit = (limit = 100): number => Math.min(limit, 1000)

/** PostgreSQL cannot store NUL, and UTF-8 cannot encode lone surrogates. */
const unstorable = /[\0\p{Cs}]/u
/** 300 years: clocks of engines have a maximum. */
export const ttlCheck = seconds({ above: 0, most: 1e10 })

const idShape = object<RecordId>({ kind: name, partition: name, id: name })
const recordId: Check<RecordId> = {
  ...idShape,
  flaw(value) {
    // Every session check runs this: a valid id is checked without allocating a list.
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

/** The members of a change depend on its type. */
const change: Check<Change> = {
  expected: put.expected,
  ...(put.members && { members: put.members }),
  flaw(value) {
    const { type } = (value ?? {}) as { type?: unknown }
    return (type === 'delete' || type === 'check' ? end : put).flaw(value)
  },
}

const page = object<{ cursor?: string; limit?: number }>({
  // The cursor may have been changed outside.
  cursor: optional(check<string>('one that a page has had', (value) => cursorOf(value) !== undefined)),
  limit: optional(integer({ least: 1 })),
})

const anyChanges = list(change, 1)
const changes: typeof anyChanges = {
  ...anyChanges,
  flaw: (value) => anyChanges.flaw(value) ?? conflictIn(value as readonly Change[]),
}

function conflictIn(changes: readonly Change[]): Flaw | undefined {
  const partition = changes[0]?.id.partition
  const seen = new Set<string>()
  for (const { id } of changes) {
    if (id.partition !== partition) return { at: '', remedy: 'must lie in one partition' }
    const one = `${id.kind}\n${id.id}`
    if (seen.has(one)) return { at: '', remedy: `name a record of kind "${id.kind}" twice` }
    seen.add(one)
  }
  return undefined
}

/** All engines refuse what one of them could not store, before anything is written. */
export const storeCalls = {
  get: asyncCall(['id', recordId]),
  write: asyncCall(['changes', changes]),
  list: asyncCall(['index', name], ['value', name], ['page', optional(page)]),
  consume: asyncCall(['id', recordId], ['ttl', ttlCheck]),
  sweep: asyncCall(['limit', integer({ least: 1 })]),
  warnings: asyncCall(),
  migrate: asyncCall(),
} satisfies Calls<Required<RecordStore> & { migrate(): Promise<void> }>

/** The end of a page: the name of its last record. All engines write it in the same way. */
export const writeCursor = ({ partition, kind, id }: RecordId): string => JSON.stringify([partition, kind, id])

/** Reads a cursor that was validated. */
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

import type { Change, RecordId } from './contract.js'

/** For engines: the limit of a page as it is kept to. */
export const pageLimit = (limit = 100): number => {
  if (!Number.isInteger(limit) || limit < 1) throw new TypeError('list: "limit" must be a whole number, 1 at least')
  return Math.min(limit, 1000)
}

const unusable = /[\u0000-\u001f\u007f]/

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
    if (typeof change.value !== 'string' || change.value.includes('\0'))
      throw new TypeError('write: "value" must be a text without U+0000')
    if (change.ttl !== undefined) examineTtl(change.ttl)
    for (const { index, value } of change.index ?? []) examineEntry(index, value)
  }
}

export function examineId({ kind, partition, id }: RecordId): void {
  for (const [name, part] of Object.entries({ kind, partition, id })) examineText(name, part)
}

export function examineEntry(index: string, value: string): void {
  examineText('index', index)
  examineText('value of an index', value)
}

export function examineTtl(ttl: number): void {
  if (!Number.isFinite(ttl) || ttl <= 0) throw new TypeError('"ttl" must be a number of seconds above 0')
}

export function examineText(name: string, text: unknown): void {
  if (typeof text !== 'string' || !text || text.length > 200 || unusable.test(text))
    throw new TypeError(`"${name}" must be 1 to 200 characters without control characters`)
}

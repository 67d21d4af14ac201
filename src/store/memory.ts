import { examine } from '../protocol/examine.js'
import { systemNow } from '../protocol/time.js'
import type { Change, Put, RecordId, RecordStore, Stored } from './contract.js'
import { examineChanges, examineEntry, examineId, examineTtl, pageLimit, readCursor, writeCursor } from './examine.js'
import { type MemoryOptions, memoryOptions } from './examine-store.js'

interface Held extends Stored {
  /** Epoch seconds; `Infinity` without a ttl. */
  readonly until: number
}

/** Writes between two looks for expired records: each write removes about as many as it may have added. */
const SWEEP = 100

/**
 * Records in the memory of this process: for one process, for tests, for development. Follows `now`; what has expired
 * is removed bit by bit by later writes, so memory is bounded by what is alive. Never rejects with a StoreError.
 */
export function memoryStore(options: MemoryOptions = {}): RecordStore {
  examine('memoryStore', memoryOptions, options)
  const { now = systemNow } = options
  const records = new Map<string, Held>()
  const indexes = new Map<string, Map<string, { id: RecordId; until: number }>>()
  let versions = 0
  let writes = 0

  function read(key: string): Held | undefined {
    const held = records.get(key)
    if (!held || held.until > now()) return held
    records.delete(key)
    return undefined
  }

  const holds = ({ id, ifVersion }: Change): boolean => {
    if (ifVersion === 'any') return true
    const held = read(keyOf(id))
    return ifVersion === 'absent' ? !held : held?.version === ifVersion
  }

  function put({ id, value, ttl, index }: Put): void {
    const until = ttl === undefined ? Number.POSITIVE_INFINITY : now() + ttl
    const key = keyOf(id)
    for (const entry of index ?? []) {
      const name = indexKey(entry.index, entry.value)
      const entries = indexes.get(name) ?? new Map()
      entries.set(key, { id, until: Math.max(until, entries.get(key)?.until ?? 0) })
      indexes.set(name, entries)
    }
    // Deleted first, so that the map is in the order of writing.
    records.delete(key)
    records.set(key, { value, version: ++versions, until })
  }

  function sweep(limit: number): number {
    const instant = now()
    let removed = 0
    for (const [key, { until }] of records) {
      if (removed >= limit) break
      if (until <= instant && records.delete(key)) removed++
    }
    for (const [name, entries] of indexes) {
      for (const [key, { until }] of entries) if (until <= instant) entries.delete(key)
      if (!entries.size) indexes.delete(name)
    }
    return removed
  }

  return {
    async get(id) {
      examineId(id)
      const held = read(keyOf(id))
      return held && { value: held.value, version: held.version }
    },

    async write(changes) {
      examineChanges(changes)
      if (!changes.every(holds)) return false
      for (const change of changes) {
        if (change.type === 'put') put(change)
        else if (change.type === 'delete') records.delete(keyOf(change.id))
      }
      if (++writes % Math.max(SWEEP, records.size) === 0) sweep(Number.POSITIVE_INFINITY)
      return true
    },

    async list(index, value, { cursor, limit } = {}) {
      examineEntry(index, value)
      const size = pageLimit(limit)
      const after = cursor === undefined ? '' : keyOf(readCursor(cursor))
      const instant = now()
      const found = [...(indexes.get(indexKey(index, value)) ?? [])]
        .filter(([key, { until }]) => until > instant && key > after)
        .sort(([a], [b]) => (a < b ? -1 : 1))
      const page = found.slice(0, size)
      const last = page.at(-1)
      return {
        ids: page.map(([, { id }]) => id),
        ...(last && found.length > size && { cursor: writeCursor(last[1].id) }),
      }
    },

    async consume(id, ttl) {
      examineId(id)
      examineTtl(ttl)
      const key = keyOf(id)
      if (read(key)) return false
      records.set(key, { value: '', version: ++versions, until: now() + ttl })
      return true
    },

    sweep: async (limit) => sweep(limit),
  }
}

const keyOf = ({ partition, kind, id }: RecordId): string => `${partition}\n${kind}\n${id}`
const indexKey = (index: string, value: string): string => `${index}\n${value}`

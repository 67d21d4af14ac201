import { systemNow } from '../../protocol/time.js'
import { validate, validated } from '../../protocol/validate.js'
import type { Change, IndexEntry, Put, RecordId, RecordStore, Stored } from '../contract.js'
import { type MemoryOptions, memoryOptions } from '../engine-checks.js'
import { pageLimit, readCursor, storeCalls, writeCursor } from '../validate.js'
import { createMemoryIndex } from './indexes.js'
import { createSweep } from './sweep.js'

interface StoredRecord extends Stored {
  readonly id: RecordId
  /** Epoch seconds; `Infinity` without a ttl. */
  readonly until: number
  /** Its index entries: they are removed with it. */
  readonly index: readonly IndexEntry[]
}

/** Records that are checked for expiry for each one that is written. */
const SWEEP_STEPS = 2

/**
 * Records in the memory of this process: for one process, for tests, for development. Uses `now` as its clock. Later
 * writes and `consume()` calls remove expired records a few at a time, so memory is limited to twice the live records.
 * Never rejects with a StoreError.
 */
export function memoryStore(options: MemoryOptions = {}): RecordStore {
  validate('memoryStore', memoryOptions, options)
  const { now = systemNow } = options
  const records = new Map<string, StoredRecord>()
  const indexes = createMemoryIndex()
  const sweepSome = createSweep(records, ({ until }) => until <= now(), remove)
  let versions = 0

  function remove(key: string, held = records.get(key)): void {
    for (const entry of held?.index ?? []) indexes.remove(entry, key)
    records.delete(key)
  }

  function read(key: string): StoredRecord | undefined {
    const held = records.get(key)
    if (!held || held.until > now()) return held
    remove(key, held)
    return undefined
  }

  const holds = ({ id, ifVersion }: Change): boolean => {
    if (ifVersion === 'any') return true
    const held = read(keyOf(id))
    return ifVersion === 'absent' ? !held : held?.version === ifVersion
  }

  function put({ id, value, ttl, index = [] }: Omit<Put, 'type' | 'ifVersion'>): void {
    const until = ttl === undefined ? Number.POSITIVE_INFINITY : now() + ttl
    const key = keyOf(id)
    const earlier = read(key)?.index ?? []
    const known = (entry: IndexEntry) => earlier.some((one) => one.index === entry.index && one.value === entry.value)
    const fresh = earlier.length ? index.filter((entry) => !known(entry)) : index
    for (const entry of fresh) indexes.add(entry, key)
    records.set(key, { id, value, version: ++versions, until, index: fresh.length ? [...earlier, ...fresh] : earlier })
    sweepSome(SWEEP_STEPS)
  }

  const store: RecordStore = {
    async get(id) {
      const held = read(keyOf(id))
      return held && { value: held.value, version: held.version }
    },

    async write(changes) {
      if (!changes.every(holds)) return false
      for (const change of changes) {
        if (change.type === 'put') put(change)
        else if (change.type === 'delete') remove(keyOf(change.id))
      }
      return true
    },

    async list(index, value, { cursor, limit } = {}) {
      const size = pageLimit(limit)
      const after = cursor === undefined ? undefined : keyOf(readCursor(cursor))
      const ids: RecordId[] = []
      let more = false
      for (const key of indexes.under(index, value, after)) {
        const held = read(key)
        if (!held) continue
        more = ids.length === size
        if (more) break
        ids.push(held.id)
      }
      const last = ids.at(-1)
      return { ids, ...(last && more && { cursor: writeCursor(last) }) }
    },

    async consume(id, ttl) {
      if (read(keyOf(id))) return false
      put({ id, value: '', ttl })
      return true
    },
  }
  return validated('store', store, storeCalls)
}

// `join` makes a flat string. A template makes a rope, which is slower to read letter by letter.
const keyOf = ({ partition, kind, id }: RecordId): string => [partition, kind, id].join('\n')

import type { Now } from '../protocol/time.js'
import type { RecordStore, Stored } from '../store/contract.js'
import { writeAndConfirm } from '../store/write-and-confirm.js'
import { keyError } from './errors.js'
import type { KeyEvent } from './events.js'
import { partitionOf } from './format.js'
import { type KeyRecord, type KeyRow, putRow, recordOf } from './record.js'
import type { RotateOptions } from './requests.js'

/** The result of a rotation. */
export type RotatedApiKey = { record: KeyRecord; previous: KeyRecord } & (
  | {
      /** Show it now: it is not stored and cannot be shown again. */
      key: string
    }
  | {
      key?: never
      /** An earlier call created the successor and returned its key. If that response was lost, rotate `record.id`. */
      shown: 'before'
    }
)

interface RotationContext {
  store: RecordStore
  emit: (event: KeyEvent) => void
  now: Now
  find: (id: string, tenant: string) => Promise<{ row: KeyRow; stored: Stored } | undefined>
  make: (newRow: NewKeyRow, partition: string) => Promise<{ key: string; row: KeyRow }>
}

/** A row without the members that are generated. */
export type NewKeyRow = Omit<KeyRow, 'id' | 'digest' | 'createdAt' | 'expiresAt'>

/** Attempts with one `idempotencyKey`, while others change the key. */
const MAX_ATTEMPTS = 5

export function createRotation({ store, emit, now, find, make }: RotationContext) {
  return async (id: string, { tenant, grace = 0, idempotencyKey }: RotateOptions): Promise<RotatedApiKey> => {
    for (let turn = 0; turn < MAX_ATTEMPTS; turn++) {
      const found = await find(id, tenant)
      if (!found) throw keyError('key_not_found')
      const { row: old, stored } = found
      if (old.replacedBy !== undefined && idempotencyKey !== undefined) {
        const successor = await find(old.replacedBy, tenant)
        if (successor?.row.idempotencyKey === idempotencyKey)
          return { shown: 'before', record: recordOf(successor.row), previous: recordOf(old) }
      }
      if (old.replacedBy !== undefined || old.revokedAt !== undefined || now() >= old.expiresAt)
        throw keyError('key_ended')
      const { id: _, digest: __, createdAt: ___, expiresAt: ____, idempotencyKey: _____, ...kept } = old
      const newRow = { ...kept, ...(idempotencyKey !== undefined && { idempotencyKey }) }
      const { key, row } = await make(newRow, partitionOf(id))
      const previous: KeyRow = { ...old, expiresAt: Math.min(old.expiresAt, now() + grace), replacedBy: row.id }
      const ended = await putRow(previous, stored.version, now())
      if (await writeAndConfirm(store, ended, await putRow(row, 'absent', now()))) {
        emit({ type: 'key_rotated', id, replacedBy: row.id, tenant })
        return { key, record: recordOf(row), previous: recordOf(previous) }
      }
      // Of two calls with one `idempotencyKey`, the second finds the successor on its next attempt.
      if (idempotencyKey === undefined) break
    }
    throw keyError('key_conflict')
  }
}

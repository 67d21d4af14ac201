import { indexValue } from '../crypto/hash.js'
import type { Put, RecordId, Stored } from '../store/contract.js'
import { storedJson } from '../store/stored-json.js'
import { partitionOf } from './format.js'
import type { Quota } from './quota.js'

/** What is known of a key. Never the key: of that there is a digest, which opens nothing. */
export interface KeyRecord {
  /** Public: may be logged and shown. */
  id: string
  /** Shared by a key and what replaced it. */
  lineage: string
  tenant: string
  /** The person or service that the key acts for. */
  owner: string
  name: string
  scopes: readonly string[]
  /** Epoch seconds, like all of these. */
  createdAt: number
  expiresAt: number
  revokedAt?: number
  reason?: string
  /** The id of the key that took its place. */
  replacedBy?: string
  /** Networks from which it may be used; absent: from anywhere. */
  ips?: readonly string[]
  /** Calls in each window, shared by the lineage. */
  quota?: Quota
  metadata?: Readonly<Record<string, string>>
}

/** As it is stored. */
export interface KeyRow extends KeyRecord {
  /** SHA-256 of the whole key, base64url. */
  digest: string
  /** Seconds that it was made for: its successor gets the same. */
  lifetime: number
  /** Of the rotation that made it: asked for again, it is found and not made twice. */
  idempotencyKey?: string
}

export const idOf = (id: string): RecordId => ({ kind: 'api-key', partition: partitionOf(id), id })

const rows = storedJson<KeyRow>()

/** @throws StoreError */
export const readRow = ({ value }: Stored): KeyRow => rows.read(value)

export const tenantIndex = 'api-key-tenant'
export const ownerIndex = 'api-key-owner'
export const expiryIndex = 'api-key-expiry'

/** Two names as one, so that no pair reads like another. Only what is too long is hashed: 0.2.0 has written all others as they are. */
export const ownerValue = (tenant: string, owner: string): Promise<string> =>
  indexValue(JSON.stringify([tenant, owner]))

export const dayOf = (instant: number): string => new Date(instant * 1000).toISOString().slice(0, 10)

/** Kept for a year after it has ended: whoever finds it in a log can still learn what it was. */
const RETENTION = 365 * 86_400

export const putRow = async (row: KeyRow, ifVersion: Put['ifVersion'], now: number): Promise<Put> => ({
  type: 'put',
  id: idOf(row.id),
  value: rows.write(row),
  ifVersion,
  ttl: Math.max(1, row.expiresAt - now) + RETENTION,
  index: [
    { index: tenantIndex, value: row.tenant },
    { index: ownerIndex, value: await ownerValue(row.tenant, row.owner) },
    { index: expiryIndex, value: dayOf(row.expiresAt) },
  ],
})

export function recordOf({ digest: _, lifetime: __, idempotencyKey: ___, ...record }: KeyRow): KeyRecord {
  return record
}

import { indexValue } from '../crypto/hash.js'
import type { Put, RecordId, Stored } from '../store/contract.js'
import type { BudgetWindow } from '../store/ledger.js'
import { storedJson } from '../store/stored-json.js'
import { partitionOf } from './format.js'

/** Calls of a key and all its successors together, in each of these windows (UTC). Absent: no limit. */
export type Quota = Readonly<Partial<Record<BudgetWindow, number>>>

/** What is stored about a key, without the key and its digest. */
export interface KeyRecord {
  /** Public: for logs and lists. */
  id: string
  /** Shared by a key and its successors. */
  lineage: string
  tenant: string
  /** The user or service that the key acts for. */
  owner: string
  name: string
  scopes: readonly string[]
  /** Epoch seconds, as all times here. */
  createdAt: number
  expiresAt: number
  revokedAt?: number
  reason?: string
  /** The id of the successor. */
  replacedBy?: string
  /** Networks from which it can be used. Absent: no restriction. */
  ips?: readonly string[]
  /** Calls in each window, for the whole lineage. */
  quota?: Quota
  metadata?: Readonly<Record<string, string>>
}

/** A key as it is stored. */
export interface KeyRow extends KeyRecord {
  /** SHA-256 of the whole key, base64url. */
  digest: string
  /** Seconds. Its successor gets the same lifetime. */
  lifetime: number
  /** Of the rotation that created it, so that a repeated call finds this key. */
  idempotencyKey?: string
}

export const idOf = (id: string): RecordId => ({ kind: 'api-key', partition: partitionOf(id), id })

const rows = storedJson<KeyRow>()

/** @throws StoreError */
export const readRow = ({ value }: Stored): KeyRow => rows.read(value)

export const tenantIndex = 'api-key-tenant'
export const ownerIndex = 'api-key-owner'
export const expiryIndex = 'api-key-expiry'

/** Tenant and owner as one unambiguous value. Only long values are hashed: release 0.2.0 stored all values unhashed. */
export const ownerValue = (tenant: string, owner: string): Promise<string> =>
  indexValue(JSON.stringify([tenant, owner]))

export const dayOf = (instant: number): string => new Date(instant * 1000).toISOString().slice(0, 10)

/** Seconds that a key is kept after its expiry, so that an id from an old log can still be looked up. */
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

import { CLOCK_TOLERANCE } from '../protocol/time.js'
import type { RecordId, RecordStore } from '../store/contract.js'
import { listAllIds } from '../store/list-all-ids.js'
import { storedJson } from '../store/stored-json.js'
import { keyRingError } from './errors.js'

/**
 * A key of a provider, and its state. `creating`: requested. `testing`: made, not known to work yet. `current`: in use. `overlap`:
 * replaced, and still valid for running calls. `retiring`: being revoked, until the provider refuses it. `lost`: its creation was
 * interrupted; the provider may have it.
 *
 * The secret is only in the vault, under `name`. Times are epoch seconds.
 */
export type RingKey = {
  readonly name: string
  readonly createdAt: number
  /** When its state began. */
  readonly since: number
  /** Seconds for which its predecessor still works beside it. */
  readonly overlap: number
} & (
  | { readonly state: 'creating' | 'lost' }
  /** `id`: the provider's id of the key. */
  | { readonly state: 'testing' | 'current' | 'retiring'; readonly id: string }
  | { readonly state: 'overlap'; readonly id: string; readonly until: number }
)

interface RingRow {
  readonly keys: readonly RingKey[]
  /** Which process is rotating, and until when the others wait. */
  readonly lease?: { readonly by: string; readonly until: number }
}

const rings = storedJson<RingRow>()

/** Seconds without a write, after which the rotating process counts as dead. */
const LEASE = 120

/** A lease that ends later than possible was written with a wrong clock, and does not count. */
const isHeld = (until: number, now: number): boolean => now < until && until - now <= LEASE + CLOCK_TOLERANCE

/** The record of a ring, leased by this process. Writes fail once another process has the lease. */
export interface LeasedRing {
  readonly keys: readonly RingKey[]
  /** @throws SallyportError `key_ring_busy` @throws StoreError */
  save(keys: readonly RingKey[]): Promise<void>
  /** Ends the lease. */
  release(): Promise<void>
}

/** Records of rings: one for each tenant, or one for all. */
export function createRingRecords(store: RecordStore, ring: string, now: () => number) {
  const idOf = (tenant: string | undefined): RecordId =>
    tenant === undefined
      ? { kind: 'key-ring', partition: ring, id: ring }
      : { kind: 'tenant-key-ring', partition: tenant, id: ring }

  async function load(tenant: string | undefined) {
    const stored = await store.get(idOf(tenant))
    return { row: stored ? rings.read(stored.value) : { keys: [] }, version: stored?.version }
  }

  return {
    read: async (tenant: string | undefined): Promise<readonly RingKey[]> => (await load(tenant)).row.keys,

    /** @throws SallyportError `key_ring_busy` @throws StoreError */
    async acquire(tenant: string | undefined): Promise<LeasedRing> {
      const by = crypto.randomUUID()
      let { row, version } = await load(tenant)
      if (row.lease && isHeld(row.lease.until, now())) throw keyRingError('key_ring_busy')

      async function write(next: RingRow): Promise<void> {
        const index = [{ index: 'key-ring', value: ring }]
        const change = { type: 'put', id: idOf(tenant), value: rings.write(next), index } as const
        if (!(await store.write([{ ...change, ifVersion: version ?? 'absent' }]))) throw keyRingError('key_ring_busy')
      }

      async function save(keys: readonly RingKey[]): Promise<void> {
        const next = { keys, lease: { by, until: now() + LEASE } }
        await write(next)
        const stored = await load(tenant)
        if (stored.row.lease?.by !== by) throw keyRingError('key_ring_busy')
        row = next
        version = stored.version
      }

      await save(row.keys)
      return {
        get keys() {
          return row.keys
        },
        save,
        release: () => write({ keys: row.keys }),
      }
    },

    /** The tenants that have a ring. */
    async *tenants(): AsyncGenerator<string> {
      for await (const { kind, partition } of listAllIds(store, 'key-ring', ring))
        if (kind === 'tenant-key-ring') yield partition
    },
  }
}

export type RingRecords = ReturnType<typeof createRingRecords>

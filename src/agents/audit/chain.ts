import { createBoundedCache } from '../../protocol/bounded-cache.js'
import type { Change, IfVersion, RecordId, RecordStore } from '../../store/contract.js'
import { storedJson } from '../../store/stored-json.js'
import { canonical } from '../canonical-json.js'
import { agentError } from '../errors.js'
import type { AgentEvent } from '../events.js'
import { type AuditEntry, type AuditHead, type AuditRow, genesis, hashOf, RESUMED, ROW_FORMAT } from './row.js'

/** An entry with its time. */
export type DatedEntry = AuditEntry & { at: number }

/** Attempts to write, while other processes write first. */
const MAX_ATTEMPTS = 200
/** Milliseconds at most between two of them. */
const MAX_WAIT = 25
/** Tenants whose last row is remembered in this process. */
const MAX_HEADS = 10_000

const heads = storedJson<AuditHead>()
const headId = (tenant: string): RecordId => ({ kind: 'audit-head', partition: tenant, id: 'head' })
export const rowId = (tenant: string, seq: number): RecordId => ({ kind: 'audit-row', partition: tenant, id: `${seq}` })

const put = (id: RecordId, value: string, ifVersion: IfVersion): Change => ({ type: 'put', id, value, ifVersion })

/** The head after each entry, and whether rows were lost or found before them. */
interface Written {
  heads: AuditHead[]
  resumed: boolean
}

/**
 * The chains in a store. A row and the new head are written together, and only if the head has not changed and there is no row of
 * that number.
 */
export function createChains(store: RecordStore, emit: (event: AgentEvent) => void, now: () => number) {
  /** By tenant: the last row that this process has written and the store has acknowledged. */
  const lastHeads = createBoundedCache<AuditHead>(MAX_HEADS)

  async function readHead(tenant: string): Promise<AuditHead | undefined> {
    const stored = await store.get(headId(tenant))
    return stored && heads.read(stored.value)
  }

  async function rowAt(tenant: string, seq: number): Promise<AuditHead | undefined> {
    const stored = await store.get(rowId(tenant, seq))
    return stored && { tenant, seq, hash: hashIn(stored.value) }
  }

  /** The head in the store, and the last row of this process if the store has lost it. */
  async function readState(tenant: string) {
    const expected = lastHeads.get(tenant)
    const [stored, row] = await Promise.all([store.get(headId(tenant)), expected && rowAt(tenant, expected.seq)])
    const head = stored ? heads.read(stored.value) : { tenant, seq: 0, hash: genesis }
    const lost = expected && (head.seq < expected.seq || row?.hash !== expected.hash) ? expected : undefined
    return { head, version: stored?.version ?? ('absent' as const), lost }
  }

  /** The last of the rows that come after the head; `undefined`: there are none. */
  async function lastRowAfter({ tenant, seq }: AuditHead): Promise<AuditHead | undefined> {
    let lastRow: AuditHead | undefined
    for (let row = await rowAt(tenant, seq + 1); row; row = await rowAt(tenant, row.seq + 1)) lastRow = row
    return lastRow
  }

  async function link(head: AuditHead, entries: readonly DatedEntry[]): Promise<AuditRow[]> {
    const rows: AuditRow[] = []
    for (const entry of entries) {
      const { seq, hash: prev } = rows.at(-1) ?? head
      const row = { ...entry, seq: seq + 1, prev, v: ROW_FORMAT }
      rows.push({ ...row, hash: await hashOf(row) })
    }
    return rows
  }

  return {
    readHead,

    /**
     * Writes all rows after the current head, or none. If rows were lost (a failover, a restored backup) or are already there, the
     * first new row says so, with the hash of the last of those rows.
     */
    async write(tenant: string, entries: readonly DatedEntry[]): Promise<Written> {
      let reported = false
      let before: IfVersion | undefined
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const { head, version, lost } = await readState(tenant)
        // The head has not changed since the last attempt, so the write failed because of a row.
        const rowsAhead = version === before ? await lastRowAfter(head) : undefined
        const unexpected = lost ?? rowsAhead
        if (unexpected && !reported) {
          emit({ type: 'audit_head_unexpected', tenant, seq: head.seq, expected: unexpected.seq })
          reported = true
        }
        const notes = unexpected ? [noteOf(unexpected, lost ? 'rows_lost' : 'rows_found', now())] : []
        const rows = await link(rowsAhead ?? head, [...notes, ...entries])
        const newHeads = rows.map(({ seq, hash }) => ({ tenant, seq, hash }))
        const next = newHeads.at(-1) ?? head
        const changes = rows.map((row) => put(rowId(tenant, row.seq), canonical(row), 'absent'))
        if (await store.write([...changes, put(headId(tenant), heads.write(next), version)])) {
          lastHeads.set(tenant, next)
          return { heads: newHeads.slice(notes.length), resumed: notes.length > 0 }
        }
        before = version
        // The same range every time: a process that has tried often must not wait longer than a new one.
        await new Promise((resolve) => setTimeout(resolve, Math.random() * MAX_WAIT))
      }
      throw agentError('audit_conflict')
    },
  }
}

/** The hash in a stored row, not verified: `verifyAudit` finds a row that was written by hand. */
function hashIn(row: string): string {
  try {
    return `${JSON.parse(row).hash}`
  } catch {
    return ''
  }
}

const noteOf = ({ tenant, seq, hash }: AuditHead, reason: 'rows_lost' | 'rows_found', at: number): DatedEntry => ({
  tenant,
  action: RESUMED,
  decision: 'allowed',
  reason,
  resource: `row:${seq}`,
  digest: hash,
  at,
})

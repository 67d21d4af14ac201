import { emitTo } from '../../protocol/emit-to.js'
import type { Secret } from '../../protocol/secret.js'
import { check, func, integer, name, object, optional, secret } from '../../protocol/shape.js'
import { type Now, systemNow } from '../../protocol/time.js'
import { callWithTimeout } from '../../protocol/timeout.js'
import { asyncCall, call, validate, validated } from '../../protocol/validate.js'
import { type RecordStore, StoreError } from '../../store/contract.js'
import { storeCheck } from '../../store/engine-checks.js'
import type { List } from '../../store/list.js'
import { mapConcurrently } from '../../store/map-concurrently.js'
import { warnOnce } from '../../store/warnings.js'
import type { AgentEvent } from '../events.js'
import { withoutUndefined } from '../without-undefined.js'
import { createChains, type DatedEntry, rowId } from './chain.js'
import { createSigner, type PublicKeys } from './checkpoint.js'
import { type AuditEntry, type AuditHead, type AuditRow, entryCheck, isKnownRow } from './row.js'

export interface AuditOptions {
  /** Keeps the rows, without end. With `memoryStore()` they are lost with the process. */
  store: RecordStore
  /** Signs checkpoints: a private key (P-256 or Ed25519) as a JWK in JSON, or a function that gets it. */
  sign?: Secret
  /** Rows of a tenant between two checkpoints. Default 100. */
  checkpointEvery?: number
  /**
   * Saves a checkpoint in a place that nobody who can write the store can change. Only that shows that a trail was rewritten or
   * shortened. If it fails, or takes more than five seconds, there is the event `checkpoint_failed`.
   */
  keep?: (checkpoint: AuditCheckpoint) => void | Promise<void>
  onEvent?: (event: AgentEvent) => void
  now?: Now
}

/** A head to keep outside the store. */
export interface AuditCheckpoint extends AuditHead {
  /** The head, signed, for `verifyCheckpoint`; only with `sign`. */
  jws?: string
}

export const auditOptions = object<AuditOptions>({
  store: storeCheck,
  sign: optional(secret),
  checkpointEvery: optional(integer({ least: 1 }, 'a whole number of rows')),
  keep: optional(func),
  onEvent: optional(func),
  now: optional(func),
})

interface AuditQuery {
  tenant: string
  /** The number of the first row. Default 1. */
  from?: number
  cursor?: string
  /** Default 100. */
  limit?: number
}

const rowNumber = optional(integer({ least: 1 }, 'the number of a row'))
const rowCursor = check<string>(
  'the cursor of a page',
  (value) => typeof value === 'string' && /^[1-9]\d{0,14}$/.test(value),
)

export const auditCalls = {
  append: asyncCall(['entry', entryCheck]),
  checkpoint: asyncCall(['which', object<{ tenant: string }>({ tenant: name })]),
  publicKeys: asyncCall(),
  read: asyncCall([
    'which',
    object<AuditQuery>({
      tenant: name,
      from: rowNumber,
      cursor: optional(rowCursor),
      limit: optional(integer({ least: 1 })),
    }),
  ]),
  exportLines: call(['which', object<{ tenant: string; from?: number }>({ tenant: name, from: rowNumber })]),
}

export type Audit = ReturnType<typeof createAudit>

interface PendingEntry {
  entry: DatedEntry
  resolve: (head: AuditHead) => void
  reject: (error: unknown) => void
}

/** Rows in one write. */
const BATCH = 50

/**
 * An audit trail of what agents did, one hash chain per tenant: `verifyAudit` finds rows that were changed, moved or removed, up to
 * the newest head that is kept outside the store.
 *
 * Appends in any number of processes make one chain. Rows that wait for a write are written together.
 *
 * A store may lose rows that it has acknowledged (a failover, a restored backup). The process that wrote the last of them notices:
 * there is an event, and the chain goes on with a row `audit.resumed`, which has the hash of the lost row as its `digest`.
 *
 * Not prevented: an attacker who can write the store can write a new chain from any row on. Keep heads outside the store.
 *
 * @throws TypeError naming the option
 */
export function createAudit(options: AuditOptions) {
  validate('createAudit', auditOptions, options)
  const { store, sign, checkpointEvery = 100, keep, onEvent, now = systemNow } = options
  const emit = emitTo(onEvent)
  const reportUnreadableKey = () =>
    emit({
      type: 'operator_error',
      detail: 'The key that signs checkpoints cannot be read again; the previous one is used',
    })
  const signer = sign === undefined ? undefined : createSigner(sign, now, reportUnreadableKey)
  const warnAboutStore = warnOnce(store, (detail) => emit({ type: 'store_warning', detail }))
  const queues = new Map<string, PendingEntry[]>()
  const chains = createChains(store, emit, now)

  async function drain(tenant: string, queue: PendingEntry[]): Promise<void> {
    while (queue.length) {
      const batch = queue.splice(0, BATCH)
      try {
        const { heads: found, resumed } = await chains.write(
          tenant,
          batch.map(({ entry }) => entry),
        )
        const last = found.at(-1)
        if (resumed && last) await keepCheckpoint(last)
        for (const [index, head] of found.entries()) batch[index]?.resolve(head)
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    queues.delete(tenant)
  }

  const enqueue = (entry: DatedEntry): Promise<AuditHead> =>
    new Promise((resolve, reject) => {
      const pending = { entry, resolve, reject }
      const queue = queues.get(entry.tenant)
      if (queue) queue.push(pending)
      else {
        const first = [pending]
        queues.set(entry.tenant, first)
        void drain(entry.tenant, first)
      }
    })

  const signed = async (head: AuditHead): Promise<AuditCheckpoint> => ({
    ...head,
    ...(signer && { jws: await signer.sign(head, now()) }),
  })

  async function keepCheckpoint(head: AuditHead): Promise<void> {
    try {
      const checkpoint = await signed(head)
      await callWithTimeout(() => keep?.(checkpoint))
    } catch {
      emit({ type: 'checkpoint_failed', tenant: head.tenant, seq: head.seq })
    }
  }

  async function page(tenant: string, from: number, limit: number) {
    const last = (await chains.readHead(tenant))?.seq ?? 0
    const size = Math.max(0, Math.min(limit, 1000, last - from + 1))
    const numbers = Array.from({ length: size }, (_, index) => from + index)
    const stored = await mapConcurrently(numbers, (seq) => store.get(rowId(tenant, seq)))
    const next = from + size <= last ? from + size : undefined
    // A missing row is left out: `verifyAudit` notices the gap in the numbers.
    return { lines: stored.flatMap((row) => row?.value ?? []), next }
  }

  const methods = {
    /**
     * Writes a row, and resolves to the new head. Await it before an action that must not happen without a row, and do not act if it
     * rejects. After a StoreError the row may have been written.
     *
     * @throws TypeError naming the member that is not valid
     * @throws StoreError
     * @throws SallyportError `audit_conflict`
     */
    async append(entry: AuditEntry): Promise<AuditHead> {
      warnAboutStore()
      const head = await enqueue({ ...withoutUndefined(entry), at: now() })
      if (head.seq % checkpointEvery === 0) await keepCheckpoint(head)
      return head
    },

    /**
     * The current head of a tenant in the store, signed if there is `sign`: keep it outside the store. `undefined`: there are no rows.
     */
    async checkpoint({ tenant }: { tenant: string }): Promise<AuditCheckpoint | undefined> {
      const head = await chains.readHead(tenant)
      return head && signed(head)
    },

    /** The public half of `sign`, for `verifyCheckpoint`. Publish it or keep it with the checkpoints. */
    publicKeys: async (): Promise<PublicKeys> => (signer ? signer.publicKeys() : { keys: [] }),

    /**
     * Rows from a number on, in their order, a page at a time. `limit` is 100 by default, 1,000 at most.
     *
     * @throws StoreError `store_format_unknown` if a later release wrote one of them: `exportLines` returns it unchanged
     */
    async read({ tenant, from = 1, cursor, limit = 100 }: AuditQuery): Promise<List<AuditRow>> {
      const { lines, next } = await page(tenant, cursor === undefined ? from : Number(cursor), limit)
      return { items: lines.map(readStored), ...(next !== undefined && { cursor: `${next}` }) }
    },

    /** All rows as lines of JSON, as they are stored: for `verifyAudit`, or for a file. */
    async *exportLines({
      tenant,
      from = 1,
    }: {
      tenant: string
      from?: number
    }): AsyncGenerator<string, void, undefined> {
      for (let index: number | undefined = from; index !== undefined; ) {
        const { lines, next } = await page(tenant, index, 100)
        for (const line of lines) yield `${line}\n`
        index = next
      }
    },
  }
  return validated('audit', methods, auditCalls)
}

/** A row as it is stored, not verified. @throws StoreError */
function readStored(line: string): AuditRow {
  try {
    const row: AuditRow = JSON.parse(line)
    if (isKnownRow(row)) return row
  } catch {}
  throw new StoreError('store_format_unknown')
}

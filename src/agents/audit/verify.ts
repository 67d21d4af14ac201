import { check, object, optional } from '../../protocol/shape.js'
import { validate } from '../../protocol/validate.js'
import { canonical } from '../canonical-json.js'
import { type AuditHead, type AuditRow, genesis, hashOf, headCheck, isKnownRow, RESUMED } from './row.js'

/** What is wrong with a trail. */
export type AuditFault =
  /** The row is not as it was exported: other members, another spelling, not JSON. */
  | 'malformed'
  /** Its content was changed. */
  | 'edited'
  /** Another row is here: this one was removed or moved. */
  | 'missing'
  /** It appears a second time. */
  | 'repeated'
  /** The row is valid, but does not follow the previous one. */
  | 'unlinked'
  /** It belongs to another tenant. */
  | 'foreign'
  /** The chain is valid, but it is not the chain of the head. */
  | 'rewritten'
  /** The trail ends before the head: this is the first missing row. */
  | 'cut'
  /** A later release wrote it in an unknown format: verify the trail with that release. */
  | 'later'

/**
 * `covered`: the rows up to this one are unchanged since the head was kept. The rows in `uncovered` are consistent, but an
 * attacker who can write the store may have rewritten them. `resumed`: rows that say that the store had lost rows before them.
 */
export type AuditResult =
  | {
      ok: true
      head: AuditHead | undefined
      covered: number
      uncovered?: { from: number; to: number }
      resumed?: readonly number[]
    }
  | { ok: false; fault: AuditFault; seq: number }

interface VerifyAuditOptions {
  /** The newest head that was kept elsewhere: out of `audit.append`, out of `verifyCheckpoint`, never out of the store of the rows. */
  head?: AuditHead | undefined
  /** A head up to which the trail was verified before. */
  after?: AuditHead
}

const rowsCheck = check<Iterable<unknown> | AsyncIterable<unknown>>('rows or lines, one after the other', (value) => {
  const { [Symbol.iterator]: now, [Symbol.asyncIterator]: later } = Object(value ?? {})
  return typeof value !== 'string' && (typeof now === 'function' || typeof later === 'function')
})

export const verifyAuditParameters = [
  ['rows', rowsCheck],
  ['options', optional(object<VerifyAuditOptions>({ head: optional(headCheck), after: optional(headCheck) }))],
] as const

/**
 * Verifies that a trail was not changed. `rows` are rows of `audit.read`, or lines of `audit.exportLines` or of a file, of any
 * number. With `after`, they start directly after that head.
 *
 * Not detected: rows after `head` that an attacker with write access to the store has rewritten. Lines are compared character by
 * character: pass parsed rows if a tool has formatted them.
 */
export async function verifyAudit(
  rows: Iterable<unknown> | AsyncIterable<unknown>,
  options: VerifyAuditOptions = {},
): Promise<AuditResult> {
  for (const [at, [argument, check]] of verifyAuditParameters.entries())
    validate('verifyAudit', check, [rows, options][at], argument)
  const { head, after } = options
  let tenant = head?.tenant ?? after?.tenant
  let { seq, hash } = after ?? { seq: 0, hash: genesis }
  const resumed: number[] = []
  const fail = (fault: AuditFault, at: number): AuditResult => ({ ok: false, fault, seq: at })
  if (head && head.seq === seq && head.hash !== hash) return fail('rewritten', seq)

  for await (const item of rows) {
    const expectedSeq = seq + 1
    const row = readRow(item)
    if (!row) return fail('malformed', expectedSeq)
    if (!isKnownRow(row)) return fail('later', expectedSeq)
    tenant ??= row.tenant
    if (row.tenant !== tenant) return fail('foreign', expectedSeq)
    if (row.seq !== expectedSeq) return row.seq > expectedSeq ? fail('missing', expectedSeq) : fail('repeated', row.seq)
    if ((await hashOf(row)) !== row.hash) return fail('edited', expectedSeq)
    if (row.prev !== hash) return fail('unlinked', expectedSeq)
    if (head?.seq === expectedSeq && head.hash !== row.hash) return fail('rewritten', expectedSeq)
    if (row.action === RESUMED) resumed.push(expectedSeq)
    seq = expectedSeq
    hash = row.hash
  }

  if (head && head.seq > seq) return fail('cut', seq + 1)
  const covered = Math.max(head?.seq ?? 0, after?.seq ?? 0)
  return {
    ok: true,
    head: tenant === undefined ? undefined : { tenant, seq, hash },
    covered,
    ...(seq > covered && { uncovered: { from: covered + 1, to: seq } }),
    ...(resumed.length > 0 && { resumed }),
  }
}

/** `undefined` for anything that is not a row as it was written. */
function readRow(item: unknown): AuditRow | undefined {
  try {
    const row = typeof item === 'string' ? JSON.parse(item) : item
    const text = canonical(row)
    if (typeof item === 'string' && item.trimEnd() !== text) return undefined
    const { seq, tenant, prev, hash } = row as Partial<AuditRow>
    const whole = Number.isSafeInteger(seq) && [tenant, prev, hash].every((field) => typeof field === 'string')
    return whole ? row : undefined
  } catch {
    return undefined
  }
}

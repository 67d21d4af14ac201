import { sha256 } from '../../crypto/hash.js'
import { type Check, check, integer, name, object, oneOf, optional, subject } from '../../protocol/shape.js'
import { canonical } from '../canonical-json.js'

/**
 * What happened. Only names and ids: no prompts, no arguments, no free objects. For content that must be provable but not stored,
 * use `digest`.
 */
export interface AuditEntry {
  tenant: string
  agent?: string
  /** The person on whose behalf: who vouches for `sub`, and `sub`. */
  iss?: string
  sub?: string
  /** A name: `tool:db.update`, `agent.decommissioned`. Letters, digits and `_ . : / -`. */
  action: string
  /** The object of the action. */
  resource?: string
  decision: 'allowed' | 'refused'
  /** A name like an error code, not a sentence. */
  reason?: string
  /** The id that connects rows, logs and traces of one request. */
  correlation?: string
  approvalId?: string
  /** SHA-256 of the call, base64url, as in approvals. */
  digest?: string
}

/** A row of the chain. */
export interface AuditRow extends AuditEntry {
  /** 1, 2, 3, … in each tenant. */
  seq: number
  /** Epoch seconds. */
  at: number
  /** The `hash` of the previous row; {@link genesis} in the first. */
  prev: string
  /** The format of the row. 0.1.0 wrote none. */
  v?: number
  /** SHA-256 of `prev` and the canonical JSON of everything else, base64url. */
  hash: string
}

/** The format of the rows that this release writes. */
export const ROW_FORMAT = 1

/** The action of the row with which a chain goes on after rows were lost or found. Applications cannot write it. */
export const RESUMED = 'audit.resumed'

/** Whether this release knows the format of a row. */
export const isKnownRow = ({ v }: { v?: unknown }): boolean => v === undefined || v === ROW_FORMAT

/** The end of a chain. Kept outside the store, it proves every row up to this one. */
export interface AuditHead {
  tenant: string
  seq: number
  hash: string
}

/** `prev` of the first row: 32 zero bytes. */
export const genesis = 'A'.repeat(43)

const matching = (pattern: RegExp, words: string): Check<string> =>
  check(words, (value) => typeof value === 'string' && pattern.test(value))
const label = matching(/^[\w.:/-]{1,100}$/, 'a name: up to 100 letters, digits and _ . : / -')
const digest = matching(/^[\w-]{43}$/, 'a SHA-256 in base64url')

export const entryCheck = object<AuditEntry>({
  tenant: name,
  agent: optional(name),
  iss: optional(subject),
  sub: optional(subject),
  action: matching(
    /^(?!audit\.resumed$)[\w.:/-]{1,100}$/,
    'a name: up to 100 letters, digits and _ . : / -, and not audit.resumed',
  ),
  resource: optional(name),
  decision: oneOf('allowed', 'refused'),
  reason: optional(label),
  correlation: optional(name),
  approvalId: optional(name),
  digest: optional(digest),
})

/** A head; other members of a checkpoint are allowed. */
export const headCheck = object<AuditHead>(
  { tenant: name, seq: integer(), hash: digest },
  'a head: { tenant, seq, hash }',
  'open',
)

/** The hash that a row must have, over all other members. @throws TypeError if it is not plain data */
export const hashOf = ({ prev, hash: _, ...content }: Omit<AuditRow, 'hash'> & { hash?: unknown }): Promise<string> =>
  sha256(prev + canonical(content))

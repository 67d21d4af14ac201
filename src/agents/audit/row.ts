import { sha256 } from '../../crypto/hash.js'
import { type Check, check, integer, name, object, oneOf, optional, subject } from '../../protocol/shape.js'
import { canonical } from '../canonical-json.js'

/**
 * What happened. Names and ids, never what was said: no prompts, no arguments, no free objects. What must be provable and may not
 * be kept goes in as a `digest`.
 */
export interface AuditEntry {
  tenant: string
  agent?: string
  /** The person on whose behalf: who vouches for `sub`, and `sub`. */
  iss?: string
  sub?: string
  /** A name: `tool:db.update`, `agent.decommissioned`. Letters, digits and `_ . : / -`. */
  action: string
  /** What it was done to. */
  resource?: string
  decision: 'allowed' | 'refused'
  /** A name like an error code, no sentence. */
  reason?: string
  /** What ties rows, logs and traces of one request together. */
  correlation?: string
  approvalId?: string
  /** SHA-256, base64url: of the call, as approvals have it. */
  digest?: string
}

/** A link of the chain. */
export interface AuditRow extends AuditEntry {
  /** 1, 2, 3, … in each tenant. */
  seq: number
  /** Epoch seconds. */
  at: number
  /** The `hash` of the row before; of the first, {@link genesis}. */
  prev: string
  /** The format of the row. 0.1.0 wrote none. */
  v?: number
  /** SHA-256 of `prev` and the canonical JSON of everything else, base64url. */
  hash: string
}

/** The form of the rows that this release writes. */
export const ROW_FORMAT = 1

/** The action of the row with which a chain goes on after others were lost or stood in its way. Nobody else writes it. */
export const RESUMED = 'audit.resumed'

/** Whether this release knows what a row says, and how it is hashed. */
export const isKnownRow = ({ v }: { v?: unknown }): boolean => v === undefined || v === ROW_FORMAT

/** Where a chain ends. Kept elsewhere, it vouches for every row up to this one. */
export interface AuditHead {
  tenant: string
  seq: number
  hash: string
}

/** What stands before the first row: 32 zero bytes. */
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

/** A head, with whatever stands beside it in a checkpoint. */
export const headCheck = object<AuditHead>(
  { tenant: name, seq: integer(), hash: digest },
  'a head: { tenant, seq, hash }',
  'open',
)

/** The entry alone, without what is not there. */
export const entryOf = (entry: AuditEntry): AuditEntry =>
  Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined)) as unknown as AuditEntry

/** The hash that a row must have, over everything that it says. @throws TypeError for what is no plain data */
export const hashOf = ({ prev, hash: _, ...content }: Omit<AuditRow, 'hash'> & { hash?: unknown }): Promise<string> =>
  sha256(prev + canonical(content))

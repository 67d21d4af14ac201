import { sha256 } from '../crypto/hash.js'
import { canonical } from './canonical.js'
import { isText, textRule } from './names.js'

/**
 * What happened. Names and ids, never what was said: no prompts, no arguments, no free objects. What must be provable and may not
 * be kept goes in as a `digest`.
 */
export interface AuditEntry {
  tenant: string
  agent?: string
  /** The person on whose behalf. */
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
  /** SHA-256 of `prev` and the canonical JSON of everything else, base64url. */
  hash: string
}

/** Where a chain ends. Kept elsewhere, it vouches for every row up to this one. */
export interface AuditHead {
  tenant: string
  seq: number
  hash: string
}

/** What stands before the first row: 32 zero bytes. */
export const genesis = 'A'.repeat(43)

interface Form {
  fits(value: string): boolean
  words: string
}

const like = (pattern: RegExp, words: string): Form => ({ fits: (value) => pattern.test(value), words })
const text: Form = { fits: isText, words: textRule }
const name = like(/^[\w.:/-]{1,100}$/, 'a name: up to 100 letters, digits and _ . : / -')
const digest = like(/^[\w-]{43}$/, 'a SHA-256 in base64url')

const forms: Readonly<Record<keyof AuditEntry, Form>> = {
  tenant: text,
  agent: text,
  sub: text,
  action: name,
  resource: text,
  decision: like(/^(allowed|refused)$/, 'allowed or refused'),
  reason: name,
  correlation: text,
  approvalId: text,
  digest,
}
const required: readonly string[] = ['tenant', 'action', 'decision']

/** The entry alone, each member of its form. @throws TypeError naming the member, not what it holds */
export function examineEntry(entry: AuditEntry): AuditEntry {
  const kept = Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined))
  for (const member of new Set([...required, ...Object.keys(kept)])) {
    const form = Object.hasOwn(forms, member) ? forms[member as keyof AuditEntry] : undefined
    if (!form) throw new TypeError(`audit.append: "${member}" is not kept in audit rows`)
    const value = kept[member]
    if (typeof value !== 'string' || !form.fits(value))
      throw new TypeError(`audit.append: "${member}" must be ${form.words}`)
  }
  return kept as unknown as AuditEntry
}

/** The hash that a row must have, over everything that it says. @throws TypeError for what is no plain data */
export const hashOf = ({ prev, hash: _, ...content }: Omit<AuditRow, 'hash'> & { hash?: unknown }): Promise<string> =>
  sha256(prev + canonical(content))

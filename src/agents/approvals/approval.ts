import { sha256 } from '../../crypto/hash.js'
import { isName, isSubject, nameRule, subjectRule } from '../../protocol/names.js'
import { canonical, digestOf } from '../canonical-json.js'
import { agentError } from '../errors.js'

/** What an agent wants to do, exactly. Two calls are the same if their canonical JSON is (RFC 8785). */
export interface Call {
  tenant: string
  agent: string
  /** The person on whose behalf: who vouches for `sub`, and `sub`. */
  iss?: string
  sub?: string
  tool: string
  /** Plain data. */
  args: unknown
  /** What the tool is used on, where the arguments do not say. */
  resource?: string
  /** The model that is called, and what it may cost at most. */
  model?: string
  estimate?: number
}

/** Who decides: the person concerned, or an administrator. */
export type ApprovalKind = 'user' | 'admin'

/** A call that a person is to be asked about. */
export interface ApprovalRequest extends Call {
  kind: ApprovalKind
  /** Seconds since whoever decides signed in, at most. @see RFC 9470 */
  freshWithin?: number
  /** How whoever decides must have signed in: one of these. @see RFC 9470 */
  acr?: readonly string[]
}

/** A question to a person, and what became of it. */
export interface Approval extends ApprovalRequest {
  id: string
  /** Shown to whoever asks and to whoever decides: the same code, the same call. No secret. */
  code: string
  /** The call as canonical JSON, and the SHA-256 of that, base64url. */
  call: string
  digest: string
  /** `expired`: not decided, or not used, in time. `void`: taken back, or shown with another call. */
  status: 'pending' | 'approved' | 'denied' | 'consumed' | 'void' | 'expired'
  /** Epoch seconds, like all of these. From `expiresAt` on it is worth nothing. */
  requestedAt: number
  expiresAt: number
  decidedAt?: number
  /** `sub` of whoever decided, and who vouches for it. */
  decidedBy?: string
  decidedByIss?: string
  /** When it was used or taken back. */
  endedAt?: number
}

/** What whoever asks is told. */
export type RequestedApproval = Pick<Approval, 'id' | 'expiresAt' | 'code' | 'digest'>

export const requestedApproval = ({ id, expiresAt, code, digest }: Approval): RequestedApproval => ({
  id,
  expiresAt,
  code,
  digest,
})

export const isOpen = ({ status }: Approval): boolean => status === 'pending' || status === 'approved'

/** Characters of a call: what a person can still look through. */
const MAX_LENGTH = 32_768

/** The call in its one form. @throws SallyportError `call_invalid`, its cause says why */
export async function readCall({ tenant, agent, iss, sub, tool, args, resource, model, estimate }: Call) {
  try {
    const target = { resource, model }
    const person = { iss, sub }
    if ((iss === undefined) !== (sub === undefined)) throw new TypeError('"iss" and "sub" name a person together')
    const present = (texts: object) => Object.entries(texts).filter(([, value]) => value !== undefined)
    for (const [name, text] of [...Object.entries({ tenant, agent, tool }), ...present(target)])
      if (!isName(text)) throw new TypeError(`"${name}" must be ${nameRule}`)
    for (const [name, text] of present(person))
      if (!isSubject(text)) throw new TypeError(`"${name}" must be ${subjectRule}`)
    const optional = Object.fromEntries([...present(person), ...present(target)])
    const call = canonical(
      { tenant, agent, tool, args, ...optional, ...(estimate !== undefined && { estimate }) },
      MAX_LENGTH,
    )
    return { call, digest: await sha256(call) }
  } catch (error) {
    throw agentError('call_invalid', error)
  }
}

/** Two requests with this in common ask the same of the same people. */
export const questionDigest = (digest: string, { kind, freshWithin, acr }: ApprovalRequest): Promise<string> =>
  digestOf([digest, kind, freshWithin ?? null, acr ? [...acr] : null])

/** Consonants only, so that no code is a word. @see RFC 8628 section 6.1 */
const letters = 'BCDFGHJKLMNPQRSTVWXZ'

/** Eight letters, `WDJB-MJHT`: 34 bits, so that two that wait are not taken for each other. */
export function newCode(): string {
  let code = ''
  while (code.length < 9)
    // Bytes that would favour some letters are thrown away.
    for (const byte of crypto.getRandomValues(new Uint8Array(16)))
      if (byte < 240 && code.length < 9) code += (code.length === 4 ? '-' : '') + letters[byte % 20]
  return code
}

/** Whether a person has typed this code, whatever the case and what stands between. */
export const isCode = (typed: string, code: string): boolean =>
  `${typed}`.toUpperCase().replace(/[^A-Z]/g, '') === code.replace('-', '')

import { sha256 } from '../../crypto/hash.js'
import { isName, isSubject, nameRule, subjectRule } from '../../protocol/names.js'
import { canonical, digestOf } from '../canonical-json.js'
import { agentError } from '../errors.js'

/** The exact call that an agent wants to make. Two calls are equal if their canonical JSON is (RFC 8785). */
export interface Call {
  tenant: string
  agent: string
  /** The person on whose behalf: issuer and `sub`. */
  iss?: string
  sub?: string
  tool: string
  /** Plain data. */
  args: unknown
  /** The object of the call, if the arguments do not say it. */
  resource?: string
  /** The model that is called, and the maximum cost. */
  model?: string
  estimate?: number
}

/** Who decides: the person on whose behalf the call is, or an administrator. */
export type ApprovalKind = 'user' | 'admin'

/** A call that needs the approval of a person. */
export interface ApprovalRequest extends Call {
  kind: ApprovalKind
  /** Seconds since the approver signed in, at most. @see RFC 9470 */
  freshWithin?: number
  /** How the approver must have signed in: one of these. @see RFC 9470 */
  acr?: readonly string[]
}

/** A request for approval, and its status. */
export interface Approval extends ApprovalRequest {
  id: string
  /** Shown to the requester and to the approver, to compare. Not a secret. */
  code: string
  /** The call as canonical JSON, and the SHA-256 of that, base64url. */
  call: string
  digest: string
  /** `expired`: not decided, or not used, in time. `void`: taken back, or presented with another call. */
  status: 'pending' | 'approved' | 'denied' | 'consumed' | 'void' | 'expired'
  /** Epoch seconds, like the following. From `expiresAt` on it is not valid. */
  requestedAt: number
  expiresAt: number
  decidedAt?: number
  /** `sub` and issuer of the approver. */
  decidedBy?: string
  decidedByIss?: string
  /** When it was used or taken back. */
  endedAt?: number
}

/** The part of an approval that the requester gets. */
export type RequestedApproval = Pick<Approval, 'id' | 'expiresAt' | 'code' | 'digest'>

export const requestedApproval = ({ id, expiresAt, code, digest }: Approval): RequestedApproval => ({
  id,
  expiresAt,
  code,
  digest,
})

export const isOpen = ({ status }: Approval): boolean => status === 'pending' || status === 'approved'

/** Maximum characters of a call: a person must be able to read it. */
const MAX_LENGTH = 32_768

/** The call as canonical JSON. @throws SallyportError `call_invalid`, its cause says why */
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

/** Equal for two requests of the same call to the same approvers. */
export const questionDigest = (digest: string, { kind, freshWithin, acr }: ApprovalRequest): Promise<string> =>
  digestOf([digest, kind, freshWithin ?? null, acr ? [...acr] : null])

/** Only consonants, so that no code is a word. @see RFC 8628 section 6.1 */
const letters = 'BCDFGHJKLMNPQRSTVWXZ'

/** Eight letters, `WDJB-MJHT`: 34 bits, so that two pending approvals do not have the same code. */
export function newCode(): string {
  let code = ''
  while (code.length < 9)
    // Other bytes would make some letters more likely.
    for (const byte of crypto.getRandomValues(new Uint8Array(16)))
      if (byte < 240 && code.length < 9) code += (code.length === 4 ? '-' : '') + letters[byte % 20]
  return code
}

/** Compares a typed code. Case and other characters between the letters do not matter. */
export const isCode = (typed: string, code: string): boolean =>
  `${typed}`.toUpperCase().replace(/[^A-Z]/g, '') === code.replace('-', '')

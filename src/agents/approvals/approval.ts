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

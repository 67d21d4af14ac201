import { SallyportError } from '../protocol/error.js'

/** What can be wrong with what agents ask for, and with what people decide, code → message. */
export const agentErrors = {
  approval_decided: 'Somebody else has decided this already.',
  approval_denied: 'The person who was asked said no.',
  approval_expired: 'The approval has expired: ask again.',
  approval_mismatch: 'This is not the call that the approval is for.',
  approval_not_found: 'There is no such approval in this tenant.',
  approval_required: 'This call waits for the approval of a person.',
  approval_used: 'The approval has been used: it was good for one call.',
  approval_void: 'The approval was taken back: ask again.',
  approver_refused: 'This caller may not decide about this.',
  audit_conflict: 'Too many write to this audit trail at once: the row was not written.',
  call_invalid: 'The call is not plain data, or is too large.',
  checkpoint_invalid: 'This is not a checkpoint signed with one of these keys.',
  insufficient_user_authentication: 'This needs a stronger or fresher sign-in.',
  tenant_missing: 'The credential names no tenant.',
} as const

export type AgentErrorCode = keyof typeof agentErrors

/** The ones that the same call may overcome later. */
const passing: readonly AgentErrorCode[] = ['audit_conflict']

export const agentError = (code: AgentErrorCode, cause?: unknown): SallyportError<AgentErrorCode> =>
  new SallyportError(code, agentErrors[code], {
    retryable: passing.includes(code),
    ...(cause !== undefined && { cause }),
  })

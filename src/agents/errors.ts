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
  key_ring_busy: 'Another process is rotating this key at this moment: ask again when it is done.',
  key_ring_failed:
    'The provider or the vault did not do what the key ring asked; what was done is kept, and the next step goes on from there.',
  provider_key_missing: 'The vault holds no key for this call: rotate once, or put a key there by hand.',
  vault_read_only: 'This vault is read only: its keys are rotated where they come from.',
} as const

export type AgentErrorCode = keyof typeof agentErrors

/** The ones that the same call may overcome later. */
const passing: readonly AgentErrorCode[] = ['audit_conflict', 'key_ring_busy', 'key_ring_failed']

export const agentError = (code: AgentErrorCode, cause?: unknown): SallyportError<AgentErrorCode> =>
  new SallyportError(code, agentErrors[code], {
    retryable: passing.includes(code),
    ...(cause !== undefined && { cause }),
  })

import { SallyportError } from '../protocol/error.js'

/** What can be wrong with what agents do, code → message. */
export const agentErrors = {
  key_ring_busy: 'Another process is rotating this key at this moment: ask again when it is done.',
  key_ring_failed:
    'The provider or the vault did not do what the key ring asked; what was done is kept, and the next step goes on from there.',
  provider_key_missing: 'The vault holds no key for this call: rotate once, or put a key there by hand.',
  vault_read_only: 'This vault is read only: its keys are rotated where they come from.',
} as const

export type AgentErrorCode = keyof typeof agentErrors

/** The ones that the same call may overcome later. */
const passing: readonly AgentErrorCode[] = ['key_ring_busy', 'key_ring_failed']

export const agentError = (code: AgentErrorCode, cause?: unknown): SallyportError<AgentErrorCode> =>
  new SallyportError(code, agentErrors[code], {
    retryable: passing.includes(code),
    ...(cause !== undefined && { cause }),
  })

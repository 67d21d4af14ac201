import { errorTest, SallyportError } from '../protocol/error.js'
import { type StoreErrorCode, storeErrors } from '../store/contract.js'
import { type LedgerErrorCode, ledgerErrors } from '../store/ledger.js'

/** Errors of agents, tool calls, approvals and the audit trail, code → message. */
export const agentErrors = {
  // Agents and their tokens.
  agent_conflict: 'Somebody else has changed this agent at the same time: read it again.',
  agent_ended: 'This agent, or one that it depends on, was decommissioned.',
  agent_exists: 'There is an agent of this id already.',
  agent_key_refused:
    'An agent needs a public key as a JWK: P-256 for ES256 or Ed25519 for EdDSA, without private members.',
  agent_limit_refused:
    'This is above what the agent may have: a longer life, a larger budget, or more than its parent has.',
  agent_not_found: 'There is no such agent in this tenant.',
  agent_proof_refused: 'This does not prove which agent is asking.',
  agent_scope_refused: 'Nothing is left of the scopes, or more was asked for than the role has.',
  agent_target_refused: 'Tokens for this resource are not issued to agents.',
  agents_stopped: 'The agents of this tenant are stopped.',
  chain_too_deep: 'Too many agents act for one another.',
  consent_missing: 'This person has not consented to what the agent asks for, or has withdrawn it.',
  delegation_refused:
    'Whoever is to be acted for cannot hand anything on: another tenant, another kind of caller, or over.',
  invalid_agent_request: 'The signed request cannot be accepted here.',
  invalid_token: 'The access token cannot be used here.',
  keys_unavailable: 'The credential cannot be checked now.',
  request_too_large: 'The body is too large.',
  // Tool calls and what they cost.
  arguments_denied: 'The tool may not be used with these arguments.',
  budget_exceeded: 'This costs more than is left of a budget.',
  call_invalid: 'The call is not plain data, or is too large.',
  category_denied: 'What the prompt is about is not for this agent, or could not be told.',
  cost_unknown: 'There is a budget: say what this costs at most, as a whole number.',
  credential_not_accepted: 'This needs another kind of credential.',
  delegation_required: 'This is only done on behalf of a person.',
  grant_ended: 'This grant is over: ask again.',
  insufficient_scope: 'The credential lacks a scope that this needs.',
  model_denied: 'This model is not known here, or not for this agent.',
  tenant_mismatch: 'The credential belongs to another tenant.',
  tenant_missing: 'The credential names no tenant.',
  tool_denied: 'There is no such tool, or not for this agent.',
  // Approvals.
  approval_decided: 'Somebody else has decided this already.',
  approval_denied: 'The person who was asked said no.',
  approval_expired: 'The approval has expired: ask again.',
  approval_mismatch: 'This is not the call that the approval is for.',
  approval_not_found: 'There is no such approval in this tenant.',
  approval_required: 'This call waits for the approval of a person.',
  approval_used: 'The approval has been used: it was good for one call.',
  approval_void: 'The approval was taken back: ask again.',
  approvals_exceeded: 'Too many calls of this agent wait for this person already: wait until some are decided.',
  approver_refused: 'This caller may not decide about this.',
  insufficient_user_authentication: 'This needs a stronger or fresher sign-in.',
  // The audit trail.
  audit_conflict: 'Too many write to this audit trail at once: the row was not written.',
  checkpoint_invalid: 'This is not a checkpoint signed with one of these keys.',
} as const

export type AgentErrorCode = keyof typeof agentErrors

/** The same call may succeed later. */
const retryable: readonly AgentErrorCode[] = ['audit_conflict']

export const agentError = (code: AgentErrorCode, cause?: unknown): SallyportError<AgentErrorCode> =>
  new SallyportError(code, agentErrors[code], {
    retryable: retryable.includes(code),
    ...(cause !== undefined && { cause }),
  })

/** What the token endpoint answers, code → message. @see RFC 6749 section 5.2 */
export const endpointErrors = {
  invalid_client: 'This does not prove which agent is asking, or the agent was decommissioned.',
  invalid_grant: 'The subject token cannot be exchanged: no consent, another tenant, or its time is over.',
  invalid_request: 'The request is not of the form that is needed here.',
  invalid_scope: agentErrors.agent_scope_refused,
  invalid_target: agentErrors.agent_target_refused,
  temporarily_unavailable: 'Tokens cannot be issued now: try again later.',
  unauthorized_client: agentErrors.agents_stopped,
  unsupported_grant_type: 'This grant is not served here.',
} as const

export type EndpointErrorCode = keyof typeof endpointErrors

/** Whether an error comes from here: its `code` is then one of a closed list, and a misspelt one does not compile. */
export const isSallyportError = errorTest<AgentErrorCode | StoreErrorCode | LedgerErrorCode>(
  agentErrors,
  storeErrors,
  ledgerErrors,
)

import { errorMaker, errorTest } from '../protocol/error.js'
import { type StoreErrorCode, storeErrors } from '../store/contract.js'
import { type LedgerErrorCode, ledgerErrors } from '../store/ledger.js'

/** Errors of agents, tool calls, approvals and the audit trail, code → message. */
export const agentErrors = {
  // Agents and their tokens.
  agent_conflict: 'Another request has changed this agent at the same time. Read it again.',
  agent_ended: 'This agent, or one that is above it, was decommissioned.',
  agent_exists: 'An agent with this id already exists.',
  agent_key_refused:
    'An agent needs a public key as a JWK: P-256 for ES256 or Ed25519 for EdDSA, without private members.',
  agent_limit_refused:
    'The request exceeds a limit of this agent: the lifetime, the budget, or the rights of its parent.',
  agent_not_found: 'This tenant has no agent with this id.',
  agent_proof_refused: 'The assertion does not authenticate an agent.',
  agent_scope_refused: 'The role does not include a requested scope, or no scope remains.',
  agent_target_refused: 'Agents get no tokens for this resource.',
  agents_stopped: 'The agents of this tenant are stopped.',
  chain_too_deep: 'The chain of agents is too long.',
  consent_missing: 'The user has not consented to this agent, or the consent was withdrawn or has expired.',
  delegation_refused:
    'The agent cannot act for this subject: wrong tenant, wrong kind of caller, or an ended session or token.',
  invalid_agent_request: 'The signed request cannot be accepted here.',
  invalid_token: 'The access token cannot be used here.',
  keys_unavailable: 'The credential check is temporarily unavailable.',
  request_too_large: 'The body is too large.',
  // Tool calls and what they cost.
  arguments_denied: 'The tool may not be used with these arguments.',
  budget_exceeded: 'The call costs more than a budget has left.',
  call_invalid: 'The call is not plain data, or is too large.',
  category_denied: 'This agent may not use the category of this prompt, or the category is unknown.',
  cost_unknown: 'A budget applies. Pass the maximum cost of the call as a whole number.',
  credential_not_accepted: 'This needs another kind of credential.',
  delegation_required: 'The agent must act on behalf of a user.',
  grant_ended: 'The grant has ended. Request access again.',
  insufficient_scope: 'The credential lacks a scope that this needs.',
  model_denied: 'The model is unknown, or this agent may not use it.',
  tenant_mismatch: 'The credential belongs to another tenant.',
  tenant_missing: 'The credential has no tenant.',
  tool_denied: 'The tool is unknown, or this agent may not use it.',
  // Approvals.
  approval_decided: 'This approval is already decided.',
  approval_denied: 'The approval was denied.',
  approval_expired: 'The approval has expired. Request another one.',
  approval_mismatch: 'The approval is for another call.',
  approval_not_found: 'This tenant has no approval with this id.',
  approval_required: 'This call needs the approval of a person.',
  approval_used: 'The approval is already used. It was valid for one call.',
  approval_void: 'The approval was voided. Request another one.',
  approvals_exceeded: 'Too many calls of this agent wait for approval. Wait until some are decided.',
  approver_refused: 'This caller may not decide about this approval.',
  insufficient_user_authentication: 'This needs a stronger or fresher sign-in.',
  // The audit trail.
  audit_conflict: 'Too many concurrent writes to this audit trail. The row was not written.',
  checkpoint_invalid: 'The text is not a checkpoint that was signed with one of these keys.',
} as const

export type AgentErrorCode = keyof typeof agentErrors

export const agentError = errorMaker<AgentErrorCode>(agentErrors, ['audit_conflict'])

/** What the token endpoint answers, code → message. @see RFC 6749 section 5.2 */
export const endpointErrors = {
  invalid_client: 'The assertion does not authenticate an agent, or the agent was decommissioned.',
  invalid_grant: 'The subject token cannot be exchanged: no consent, another tenant, or it has expired.',
  invalid_request: 'The request is malformed.',
  invalid_scope: agentErrors.agent_scope_refused,
  invalid_target: agentErrors.agent_target_refused,
  temporarily_unavailable: 'Token issuance is temporarily unavailable. Try again later.',
  unauthorized_client: agentErrors.agents_stopped,
  unsupported_grant_type: 'This grant type is not supported.',
} as const

export type EndpointErrorCode = keyof typeof endpointErrors

/** Whether an error comes from this entry of the package. Its `code` is then typed: a misspelt code does not compile. */
export const isSallyportError = errorTest<AgentErrorCode | StoreErrorCode | LedgerErrorCode>(
  agentErrors,
  storeErrors,
  ledgerErrors,
)

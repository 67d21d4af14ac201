import { SallyportError } from '../protocol/error.js'

/** What can be wrong with what agents ask for, code → message. */
export const agentErrors = {
  approval_required: 'This call waits for the approval of a person.',
  arguments_denied: 'The tool may not be used with these arguments.',
  budget_exceeded: 'This costs more than is left of a budget.',
  call_invalid: 'The call is not plain data, or is too large.',
  category_denied: 'What the prompt is about is not for this agent, or could not be told.',
  cost_unknown: 'There is a budget: say what this costs at most, as a whole number.',
  credential_not_accepted: 'This needs another kind of credential.',
  delegation_required: 'This is only done on behalf of a person.',
  grant_ended: 'This grant is over: ask again.',
  insufficient_scope: 'The credential lacks a scope that this needs.',
  invalid_token: 'The access token cannot be used here.',
  model_denied: 'This model is not known here, or not for this agent.',
  tenant_mismatch: 'The credential belongs to another tenant.',
  tenant_missing: 'The credential names no tenant.',
  tool_denied: 'There is no such tool, or not for this agent.',
} as const

export type AgentErrorCode = keyof typeof agentErrors

export const agentError = (code: AgentErrorCode, cause?: unknown): SallyportError<AgentErrorCode> =>
  new SallyportError(code, agentErrors[code], { ...(cause !== undefined && { cause }) })

import type { AgentErrorCode } from './errors.js'

/** The agent, and the person on whose behalf it acts. */
interface Caller {
  tenant: string
  agent?: string
  iss?: string
  sub?: string
}

/** Events of agents, for logs, metrics and alarms. They contain public ids, and no arguments, prompts or secrets. */
export type AgentEvent =
  // Agents and their tokens.
  | { type: 'agent_registered'; tenant: string; agent: string; owner: string; role: string; parent?: string }
  | { type: 'agent_changed'; tenant: string; agent: string; changed: readonly ('budget' | 'publicKey')[] }
  | { type: 'agent_decommissioned'; tenant: string; agent: string; reason: string }
  | { type: 'agents_stopped'; tenant: string; reason: string }
  | { type: 'agents_resumed'; tenant: string }
  /** `chain`: the acting agents, the caller first. `sub`: the subject on whose behalf they act. */
  | ({ type: 'agent_token_issued'; agent: string; sub: string; scope: string; chain: readonly string[] } & Caller)
  | ({ type: 'agent_token_refused'; agent: string; code: AgentErrorCode } & Caller)
  /** A signed assertion or request was refused. `agent`: the existing agent that it names. */
  | { type: 'agent_proof_refused'; agent: string; detail: string }
  | { type: 'consent_given'; tenant: string; agent: string; iss: string; sub: string; scopes: readonly string[] }
  | { type: 'consent_withdrawn'; tenant: string; agent: string; iss: string; sub: string }
  | { type: 'delegations_ended'; tenant: string; iss: string; sub: string }
  // Tool calls.
  | ({ type: 'tool_allowed'; tool: string; model?: string } & Caller)
  /** `detail` has the reason, without text of the agent. `tool` is `unknown` if no such tool exists: agents invent names. */
  | ({ type: 'tool_refused'; tool: string; code: string; detail?: string } & Partial<Caller>)
  /** The call cost more than its reservation. `overrun`: by how much a budget is now above its limit. */
  | ({ type: 'tool_overrun'; tool: string; overrun: number } & Caller)
  // Approvals. `id` is the id of an existing approval.
  | ({ type: 'approval_requested'; id: string; agent: string; tool: string; kind: string } & Caller)
  /** `notify` failed. The approval exists and is in the list of pending approvals. */
  | { type: 'approval_unnotified'; id: string; tenant: string }
  | { type: 'approval_decided'; id: string; tenant: string; agent: string; by: string; approved: boolean }
  | { type: 'approval_consumed'; id: string; tenant: string; agent: string }
  | { type: 'approval_voided'; id: string; tenant: string; agent: string; reason: 'mismatch' | 'stopped' }
  /** `by`: the caller who tried to decide. */
  | { type: 'approval_refused'; code: AgentErrorCode; tenant?: string; id?: string; agent?: string; by?: string }
  /** Once per process: the configuration of the store's server may lose acknowledged writes: ends, consents, rows of the trail. */
  | { type: 'store_warning'; detail: string }
  /** A fault that the operator has to correct. `detail` has no secrets. */
  | { type: 'operator_error'; detail: string }
  // The audit trail. The row was written; `audit.checkpoint({ tenant })` makes a later head.
  | { type: 'checkpoint_failed'; tenant: string; seq: number }
  /** The store has lost acknowledged rows, up to row `expected`, or has rows after its head. */
  | { type: 'audit_head_unexpected'; tenant: string; seq: number; expected: number }

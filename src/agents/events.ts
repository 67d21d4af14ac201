import type { AgentErrorCode } from './errors.js'

/** What happened around agents, for logs, metrics and alarms. Ids are public; no arguments, no prompts, no secrets. */
export type AgentEvent =
  // Agents and their tokens.
  | { type: 'agent_registered'; tenant: string; agent: string; owner: string; role: string; parent?: string }
  | { type: 'agent_changed'; tenant: string; agent: string; changed: readonly ('budget' | 'publicKey')[] }
  | { type: 'agent_decommissioned'; tenant: string; agent: string; reason: string }
  | { type: 'agents_stopped'; tenant: string; reason: string }
  | { type: 'agents_resumed'; tenant: string }
  /** `chain`: the agents that act, the one that calls first; `sub` is whom they act for. */
  | {
      type: 'agent_token_issued'
      tenant: string
      agent: string
      iss?: string
      sub: string
      scope: string
      chain: readonly string[]
    }
  | { type: 'agent_token_refused'; tenant: string; agent: string; iss?: string; sub?: string; code: AgentErrorCode }
  /** A signed assertion or request that was not believed; `agent` is whose it claims to be, where there is such an agent. */
  | { type: 'agent_proof_refused'; agent: string; detail: string }
  | { type: 'consent_given'; tenant: string; agent: string; iss: string; sub: string; scopes: readonly string[] }
  | { type: 'consent_withdrawn'; tenant: string; agent: string; iss: string; sub: string }
  | { type: 'delegations_ended'; tenant: string; iss: string; sub: string }
  // Tool calls.
  | { type: 'tool_allowed'; tenant: string; agent?: string; iss?: string; sub?: string; tool: string; model?: string }
  /** `detail` says why, in words of ours. A tool that is none is `unknown`: its name is whatever the agent made up. */
  | {
      type: 'tool_refused'
      tenant?: string
      agent?: string
      iss?: string
      sub?: string
      tool: string
      code: string
      detail?: string
    }
  /** It cost more than was set aside, and took a budget that much above its limit. */
  | { type: 'tool_overrun'; tenant: string; agent?: string; iss?: string; sub?: string; tool: string; overrun: number }
  // Approvals. `id` is that of an approval that is there.
  | {
      type: 'approval_requested'
      id: string
      tenant: string
      agent: string
      iss?: string
      sub?: string
      tool: string
      kind: string
    }
  /** It is there all the same: whoever looks at the list of what waits will see it. */
  | { type: 'approval_unnotified'; id: string; tenant: string }
  | { type: 'approval_decided'; id: string; tenant: string; agent: string; by: string; approved: boolean }
  | { type: 'approval_consumed'; id: string; tenant: string; agent: string }
  | { type: 'approval_voided'; id: string; tenant: string; agent: string; reason: 'mismatch' | 'stopped' }
  /** `by`: who wanted to decide. */
  | { type: 'approval_refused'; code: AgentErrorCode; tenant?: string; id?: string; agent?: string; by?: string }
  /** Once per process: the store's server is set up to lose what it has acknowledged: ends, consents, rows of the trail. */
  | { type: 'store_warning'; detail: string }
  /** What the operator has to put right. Without secrets. */
  | { type: 'operator_error'; detail: string }
  // The audit trail. The row is written; `audit.checkpoint({ tenant })` makes a later head.
  | { type: 'checkpoint_failed'; tenant: string; seq: number }
  /** The store has lost rows that it had acknowledged, `expected` the last of them, or has rows that its head does not know. */
  | { type: 'audit_head_unexpected'; tenant: string; seq: number; expected: number }

import type { AgentErrorCode } from './errors.js'

/** What happened to agents, for logs, metrics and alarms. Ids are public; a token, a key or a proof is in none of these. */
export type AgentEvent =
  /** A signed assertion or request that was not believed; `agent` is whose it claims to be, where there is such an agent. */
  { type: 'agent_proof_refused'; agent: string; detail: string } | TenantEvent

type TenantEvent = { tenant: string } & (
  | { type: 'agent_registered'; agent: string; owner: string; role: string; parent?: string }
  | { type: 'agent_changed'; agent: string; changed: readonly ('budget' | 'publicKey')[] }
  | { type: 'agent_decommissioned'; agent: string; reason: string }
  | { type: 'agents_stopped'; reason: string }
  | { type: 'agents_resumed' }
  /** `chain`: the agents that act, the one that calls first; `sub` is whom they act for. */
  | { type: 'agent_token_issued'; agent: string; sub: string; scope: string; chain: readonly string[] }
  | { type: 'agent_token_refused'; agent: string; error: AgentErrorCode; sub?: string }
  | { type: 'consent_given'; agent: string; sub: string; scopes: readonly string[] }
  | { type: 'consent_withdrawn'; agent: string; sub: string }
  | { type: 'delegations_ended'; sub: string }
)

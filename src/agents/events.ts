import type { AgentErrorCode } from './errors.js'

/** What happened around agents, for logs, metrics and alarms. Ids are public; no token, no key and no proof is in one of these. */
export type AgentEvent =
  | { type: 'agent_changed'; tenant: string; agent: string; changed: readonly ('budget' | 'publicKey')[] }
  | { type: 'agent_decommissioned'; tenant: string; agent: string; reason: string }
  /** A signed assertion or request that was not believed; `agent` is whose it claims to be, where there is such an agent. */
  | { type: 'agent_proof_refused'; agent: string; detail: string }
  | { type: 'agent_registered'; tenant: string; agent: string; owner: string; role: string; parent?: string }
  /** `chain`: the agents that act, the one that calls first; `sub` is whom they act for. */
  | {
      type: 'agent_token_issued'
      tenant: string
      agent: string
      sub: string
      scope: string
      chain: readonly string[]
    }
  | { type: 'agent_token_refused'; tenant: string; agent: string; sub?: string; error: AgentErrorCode }
  | { type: 'agents_resumed'; tenant: string }
  | { type: 'agents_stopped'; tenant: string; reason: string }
  | { type: 'consent_given'; tenant: string; agent: string; sub: string; scopes: readonly string[] }
  | { type: 'consent_withdrawn'; tenant: string; agent: string; sub: string }
  | { type: 'delegations_ended'; tenant: string; sub: string }

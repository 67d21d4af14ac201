import type { AgentErrorCode } from './errors.js'

/** What happened around agents, for logs, metrics and alarms. No arguments, no prompts, no secrets. */
export type AgentEvent =
  | { type: 'approval_consumed'; id: string; tenant: string; agent: string }
  | { type: 'approval_decided'; id: string; tenant: string; agent: string; by: string; approved: boolean }
  | {
      type: 'approval_refused'
      code: AgentErrorCode
      tenant?: string
      /** Of an approval that is there. */
      id?: string
      agent?: string
      /** Who wanted to decide. */
      by?: string
    }
  | { type: 'approval_requested'; id: string; tenant: string; agent: string; sub?: string; tool: string; kind: string }
  /** It is there all the same: whoever looks at the list of what waits will see it. */
  | { type: 'approval_unnotified'; id: string; tenant: string }
  | { type: 'approval_voided'; id: string; tenant: string; agent: string; reason: 'mismatch' | 'stopped' }
  /** The row is written; `audit.checkpoint(tenant)` makes a later one. */
  | { type: 'checkpoint_failed'; tenant: string; seq: number }

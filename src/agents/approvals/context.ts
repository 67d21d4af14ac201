import type { Now } from '../../protocol/time.js'
import type { AgentErrorCode, agentError } from '../errors.js'
import type { AgentEvent } from '../events.js'
import type { Approval } from './approval.js'
import type { ApprovalStorage } from './storage.js'

/** The refusal to be thrown; it is told of. */
export type Refuse = (
  code: AgentErrorCode,
  about: { tenant?: string; agent?: string; approval?: Approval; by?: string },
  cause?: unknown,
) => ReturnType<typeof agentError>

/** What `createApprovals` is made of, for the files that do its work. */
export interface ApprovalsContext {
  readonly storage: ApprovalStorage
  readonly emit: (event: AgentEvent) => void
  readonly refuse: Refuse
  readonly now: Now
}

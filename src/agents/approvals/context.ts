import type { Now } from '../../protocol/time.js'
import type { AgentErrorCode, agentError } from '../errors.js'
import type { AgentEvent } from '../events.js'
import type { Approval } from './approval.js'
import type { ApprovalStorage } from './storage.js'

/** Emits an event and returns the error to throw. */
export type Refuse = (
  code: AgentErrorCode,
  about: { tenant?: string; agent?: string; approval?: Approval; by?: string },
  cause?: unknown,
) => ReturnType<typeof agentError>

/** What the files of `createApprovals` share. */
export interface ApprovalsContext {
  readonly storage: ApprovalStorage
  readonly emit: (event: AgentEvent) => void
  readonly refuse: Refuse
  readonly now: Now
}

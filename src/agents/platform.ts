import type { Principal } from '../protocol/principal.js'
import { type AnyCheck, type Check, func, object, optional, type Shape, withMethods } from '../protocol/shape.js'
import type { Now } from '../protocol/time.js'
import { validate } from '../protocol/validate.js'
import type { RecordStore } from '../store/contract.js'
import { ledgerCheck, storeCheck } from '../store/engine-checks.js'
import type { Ledger } from '../store/ledger.js'
import { type Approvals, type ApprovalsOptions, approvalsOptions, createApprovals } from './approvals/approvals.js'
import { type Audit, type AuditOptions, auditOptions, createAudit } from './audit/audit.js'
import type { AgentEvent } from './events.js'
import { type Agents, createAgents } from './identity/agents.js'
import type { AgentsOptions, AgentTokenIssuer } from './identity/options.js'
import type { defaultRoles, Roles } from './identity/roles.js'
import { agentsOptions } from './identity/validation.js'
import type { PersonTest } from './is-person.js'
import type { ToolGrant } from './tools/grant.js'
import { type ToolAccessOptions, type ToolCall, toolAccessOptions } from './tools/options.js'
import { createToolAccess } from './tools/tool-access.js'

/** What the parts share, or are for each other. */
const shared = [
  'store',
  'ledger',
  'tokens',
  'isPerson',
  'onEvent',
  'now',
  'agents',
  'approvals',
  'audit',
  'tools',
] as const
type Shared = (typeof shared)[number]

/** Each part of a platform. */
export interface AgentPlatform<Table extends Roles = Roles> {
  /** As of `createAgents()`: who the agents are, and their tokens. */
  agents: Agents<Table>
  /** As of `createToolAccess()`: whether a tool call may be made. */
  verifyToolAccess: (principal: Principal, call: ToolCall) => Promise<ToolGrant>
  /** As of `createApprovals()`: calls that wait for a person. */
  approvals: Approvals
  /** As of `createAudit()`: what agents did. */
  audit: Audit
}

export interface AgentPlatformOptions<Table extends Roles> {
  /** Where agents, consents, approvals and the audit trail are kept. `memoryStore()` forgets them with the process. */
  store: RecordStore
  /** What budgets are reserved from. */
  ledger: Ledger
  /** `createTokenIssuer(…)`, with an `issuer` that is the agents' own. */
  tokens: AgentTokenIssuer
  /** All tools there are, each with what it takes to use it; a text is its scope. */
  tools: ToolAccessOptions['tools']
  /** Whether a verified token is a person's: as in `createAgents()` and `createApprovals()`. */
  isPerson?: PersonTest
  /** What happened, in any of the parts. A listener that throws changes nothing. */
  onEvent?: (event: AgentEvent) => void
  now?: Now
  /** What only `createAgents()` takes: `roles`, `resources`, … */
  agents?: Omit<AgentsOptions<Table>, Shared>
  /** What only `createToolAccess()` takes: `budgets`, `sandbox`, `classify`, … */
  toolAccess?: Omit<ToolAccessOptions, Shared>
  /** What only `createApprovals()` takes: `notify`, `approvers`, … */
  approvals?: Omit<ApprovalsOptions, Shared>
  /** What only `createAudit()` takes: `sign`, `keep`, … */
  audit?: Omit<AuditOptions, Shared>
  /** Parts of your own: each takes the place of the one that would be made, for the other parts, too. */
  parts?: Partial<AgentPlatform<Table>>
}

/** The options of one part without those that all share. */
const ownOptions = <Of>({ members = {} }: AnyCheck): Check<Of> =>
  object<Of>(
    Object.fromEntries(Object.entries(members).filter(([name]) => !shared.some((one) => one === name))) as Shape<Of>,
  )

export const agentPlatformOptions = object<AgentPlatformOptions<Roles>>({
  store: storeCheck,
  ledger: ledgerCheck,
  tokens: withMethods<AgentTokenIssuer>('createTokenIssuer(…) with an issuer of the agents’ own', 'issue'),
  tools: toolAccessOptions.members?.['tools'] as Check<ToolAccessOptions['tools']>,
  isPerson: optional(func),
  onEvent: optional(func),
  now: optional(func),
  agents: optional(ownOptions<Omit<AgentsOptions<Roles>, Shared>>(agentsOptions)),
  toolAccess: optional(ownOptions<Omit<ToolAccessOptions, Shared>>(toolAccessOptions)),
  approvals: optional(ownOptions<Omit<ApprovalsOptions, Shared>>(approvalsOptions)),
  audit: optional(ownOptions<Omit<AuditOptions, Shared>>(auditOptions)),
  parts: optional(
    object<Partial<AgentPlatform>>({
      agents: optional(withMethods<Agents>('createAgents(…)', 'status', 'register')),
      verifyToolAccess: optional(func),
      approvals: optional(withMethods<Approvals>('createApprovals(…)', 'request', 'verify', 'voidAll')),
      audit: optional(withMethods<Audit>('createAudit(…)', 'append')),
    }),
  ),
})

/**
 * Agents, tools, approvals and the audit trail from one store, one clock and one listener, each tied to those that it needs.
 * The same as calling `createApprovals()`, `createAudit()`, `createAgents()` and `createToolAccess()` in that order.
 *
 * @throws TypeError naming the option
 */
export function createAgentPlatform<const Table extends Roles = typeof defaultRoles>(
  options: AgentPlatformOptions<Table>,
): AgentPlatform<Table> {
  validate('createAgentPlatform', agentPlatformOptions, options)
  const { store, ledger, tokens, tools, isPerson, onEvent, now, parts = {} } = options
  const heard = { ...(onEvent && { onEvent }), ...(now && { now }) }
  const common = { store, ...heard }
  const people = isPerson && { isPerson }
  const approvals = parts.approvals ?? createApprovals({ ...options.approvals, ...common, ...people })
  const audit = parts.audit ?? createAudit({ ...options.audit, ...common })
  const agents =
    parts.agents ?? createAgents<Table>({ ...options.agents, ...common, ...people, tokens, ledger, approvals })
  const verifyToolAccess =
    parts.verifyToolAccess ??
    createToolAccess({ ...options.toolAccess, ...heard, tools, agents, ledger, approvals, audit })
  return { agents, verifyToolAccess, approvals, audit }
}

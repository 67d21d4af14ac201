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
import { withoutUndefined } from './without-undefined.js'

/** Options that several parts take, and parts that are options of others. */
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

export interface AgentPlatform<Table extends Roles = Roles> {
  /** The result of `createAgents()`: registration of agents, and their tokens. */
  agents: Agents<Table>
  /** The result of `createToolAccess()`: the check before each tool call. */
  verifyToolAccess: (principal: Principal, call: ToolCall) => Promise<ToolGrant>
  /** The result of `createApprovals()`: calls that need the approval of a person. */
  approvals: Approvals
  /** The result of `createAudit()`: the audit trail. */
  audit: Audit
}

export interface AgentPlatformOptions<Table extends Roles> {
  /** Keeps agents, consents, approvals and the audit trail. With `memoryStore()` they are lost with the process. */
  store: RecordStore
  /** Keeps the budgets. */
  ledger: Ledger
  /** `createTokenIssuer(…)`, with an `issuer` for agents only. */
  tokens: AgentTokenIssuer
  /** All tools with their rules; a text is the scope. */
  tools: ToolAccessOptions['tools']
  /** Whether a verified token is a person's, as in `createAgents()` and `createApprovals()`. */
  isPerson?: PersonTest
  /** Called with the events of all parts. Errors of the listener are ignored. */
  onEvent?: (event: AgentEvent) => void
  now?: Now
  /** Options of `createAgents()` alone: `roles`, `resources`, … */
  agents?: Omit<AgentsOptions<Table>, Shared>
  /** Options of `createToolAccess()` alone: `budgets`, `sandbox`, `classify`, … */
  toolAccess?: Omit<ToolAccessOptions, Shared>
  /** Options of `createApprovals()` alone: `notify`, `approvers`, … */
  approvals?: Omit<ApprovalsOptions, Shared>
  /** Options of `createAudit()` alone: `sign`, `keep`, … */
  audit?: Omit<AuditOptions, Shared>
  /** Your own parts, which the other parts use, too. Default: one is made of each. */
  parts?: Partial<AgentPlatform<Table>>
}

/** The options of one part without the shared ones. */
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
 * Makes agents, tools, approvals and the audit trail from one store, clock and listener, and connects them. The same as calling
 * `createApprovals()`, `createAudit()`, `createAgents()` and `createToolAccess()` in that order.
 *
 * @throws TypeError naming the option
 */
export function createAgentPlatform<const Table extends Roles = typeof defaultRoles>(
  options: AgentPlatformOptions<Table>,
): AgentPlatform<Table> {
  validate('createAgentPlatform', agentPlatformOptions, options)
  const { store, ledger, tokens, tools, isPerson, onEvent, now, parts = {} } = options
  const observed = withoutUndefined({ onEvent, now })
  const common = { store, ...observed }
  const people = withoutUndefined({ isPerson })
  const approvals = parts.approvals ?? createApprovals({ ...options.approvals, ...common, ...people })
  const audit = parts.audit ?? createAudit({ ...options.audit, ...common })
  const agents =
    parts.agents ?? createAgents<Table>({ ...options.agents, ...common, ...people, tokens, ledger, approvals })
  const verifyToolAccess =
    parts.verifyToolAccess ??
    createToolAccess({ ...options.toolAccess, ...observed, tools, agents, ledger, approvals, audit })
  return { agents, verifyToolAccess, approvals, audit }
}

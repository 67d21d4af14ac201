import type { Principal } from '../../protocol/principal.js'
import {
  anything,
  either,
  func,
  list,
  mapOf,
  name,
  object,
  optional,
  seconds,
  text,
  valueFlaw,
  withMethods,
} from '../../protocol/shape.js'
import type { Now } from '../../protocol/time.js'
import { ledgerCheck } from '../../store/engine-shapes.js'
import type { Ledger } from '../../store/ledger.js'
import type { Approvals } from '../approvals/approvals.js'
import type { Audit } from '../audit/audit.js'
import { agentError } from '../errors.js'
import type { AgentEvent } from '../events.js'
import type { StatusCheck } from '../identity/status.js'
import { type BudgetPolicy, policyCheck } from './budget.js'
import type { CategoriesOptions, Segment } from './categories.js'
import type { ModelsOptions } from './models.js'
import { type ToolArguments, type ToolRule, toolRuleCheck } from './rules.js'

/** A call that an agent wants to make. */
export interface ToolCall {
  tool: string
  /** Plain data in an object. Default `{}`. Never says whose data it is: the tenant is the credential's. */
  args?: unknown
  /** What the tool is used on, where the arguments do not say: part of what is approved. */
  resource?: string
  /** The tenant of what is used, as the application knows it: from its database, not from the arguments. */
  tenant?: string
  /** The model to call, where the tool is one. Use `grant.model`. */
  model?: string
  /** Everything that the model will read, what tools have answered included: each part is classified. */
  input?: string | readonly Segment[]
  /** What it uses at most, as a whole number of units. Demanded where there is a budget; 0 for what costs nothing. */
  estimate?: number
  /** The id of an approval for exactly this call. */
  approval?: string
  /** Ties the rows of the audit trail to logs and traces. */
  correlation?: string
}

/** `voidAll`: takes back what an agent has asked for while it was being ended. */
type AskedApprovals = Pick<Approvals, 'request' | 'verify'> & Partial<Pick<Approvals, 'voidAll'>>

export interface ToolAccessOptions extends ModelsOptions, CategoriesOptions {
  /** `createAgents(…)`: whether the agent may still act, whom it belongs to, what it may spend. Asked at every call. */
  agents: Pick<StatusCheck, 'status'>
  /** What budgets are reserved from: `memoryLedger()`, `redisLedger(…)`, `postgresLedger(…)`. */
  ledger: Ledger
  /** All tools there are, each with what it takes to use it; a text is its scope. {@link scenarios} has four kinds. */
  tools: Readonly<Record<string, ToolRule | string>>
  /** Budgets beside those of the agents, and for agents that have none of their own. */
  budgets?: BudgetPolicy | ((principal: Principal) => BudgetPolicy | Promise<BudgetPolicy>)
  /** `createApprovals(…)`, for tools that wait for a person. */
  approvals?: AskedApprovals
  /** `createAudit(…)`, for tools that are audited. */
  audit?: Pick<Audit, 'append'>
  /** Runs a call where it can do no harm, for tools that are only allowed there. */
  sandbox?: (call: { tool: string; args: ToolArguments; tenant: string }) => Promise<unknown>
  /** Seconds that a grant is good for, and after which what has begun counts in full until it is settled. Default 300. */
  ttl?: number
  /** What happened. A listener that throws changes nothing. */
  onEvent?: (event: AgentEvent) => void
  now?: Now
}

export const toolAccessOptions = object<ToolAccessOptions>({
  agents: withMethods<Pick<StatusCheck, 'status'>>('createAgents(…), which knows who may still act', 'status'),
  ledger: ledgerCheck,
  tools: mapOf(either(text, toolRuleCheck)),
  budgets: optional(either(func, policyCheck)),
  approvals: optional(withMethods<AskedApprovals>('createApprovals(…)', 'request', 'verify')),
  audit: optional(withMethods<Pick<Audit, 'append'>>('createAudit(…)', 'append')),
  sandbox: optional(func),
  ttl: optional(seconds({ above: 0, most: 86_400 })),
  tiers: optional(mapOf(text)),
  aliases: optional(mapOf(text)),
  tierScopes: optional(mapOf(text)),
  rates: optional(either(mapOf(seconds({ least: 0 }, 'a number')), func)),
  classify: optional(func),
  categories: optional(mapOf(list(text))),
  classifyTimeout: optional(seconds()),
  onEvent: optional(func),
  now: optional(func),
})

/** What cannot be kept by approvals and the audit trail; everything else is looked at where it is used. */
export const toolCallCheck = object<ToolCall>({
  tool: anything<string>(),
  args: anything<unknown>(),
  resource: optional(name),
  tenant: anything<string>(),
  model: anything<string>(),
  input: anything<string | readonly Segment[]>(),
  estimate: anything<number>(),
  approval: optional(name),
  correlation: optional(name),
})

/** A call may come from a request's body as it is: what is wrong with it is an answer. @throws SallyportError `call_invalid` */
export function validateCall(call: ToolCall): void {
  const flaw = valueFlaw(toolCallCheck, call)
  if (flaw) throw agentError('call_invalid', new TypeError(`"${flaw.at}" ${flaw.remedy}`))
}

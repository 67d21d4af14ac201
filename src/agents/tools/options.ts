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
import { ledgerCheck } from '../../store/engine-checks.js'
import type { Ledger } from '../../store/ledger.js'
import type { Approvals } from '../approvals/approvals.js'
import type { Audit } from '../audit/audit.js'
import { agentError } from '../errors.js'
import type { AgentEvent } from '../events.js'
import type { StatusCheck } from '../identity/status.js'
import { type BudgetPolicy, policyCheck } from './budget.js'
import type { CategoriesOptions, Segment } from './categories.js'
import type { ModelsOptions } from './language-models.js'
import { type ToolArguments, type ToolRule, toolRuleCheck } from './rules.js'

/** A call that an agent wants to make. */
export interface ToolCall {
  tool: string
  /** Plain data in an object. Default `{}`. The tenant is not taken from here, but from the credential. */
  args?: unknown
  /** The object of the call, if the arguments do not say it. It is part of the approval. */
  resource?: string
  /** The tenant of that object, from the application's database, not from the arguments. */
  tenant?: string
  /** The model to call, if the tool is one. Call `grant.model`. */
  model?: string
  /** The whole input of the model, results of tools included. Each part is classified. */
  input?: string | readonly Segment[]
  /** The maximum use, as a whole number of units. Required if there is a budget; 0 for free calls. */
  estimate?: number
  /** The id of an approval for exactly this call. */
  approval?: string
  /** An id that connects rows of the audit trail with logs and traces. */
  correlation?: string
}

/** `voidAll` voids the requests of an agent that is ended meanwhile. */
type ToolApprovals = Pick<Approvals, 'request' | 'verify'> & Partial<Pick<Approvals, 'voidAll'>>

export interface ToolAccessOptions extends ModelsOptions, CategoriesOptions {
  /** `createAgents(…)`: status and budgets of the agent. Called for every tool call. */
  agents: Pick<StatusCheck, 'status'>
  /** Keeps the budgets: `memoryLedger()`, `redisLedger(…)`, `postgresLedger(…)`. */
  ledger: Ledger
  /** All tools with their rules; a text is the scope. {@link scenarios} has four kinds of rules. */
  tools: Readonly<Record<string, ToolRule | string>>
  /** Budgets in addition to the registered ones, and defaults for agents without one. */
  budgets?: BudgetPolicy | ((principal: Principal) => BudgetPolicy | Promise<BudgetPolicy>)
  /** `createApprovals(…)`, for tools that need the approval of a person. */
  approvals?: ToolApprovals
  /** `createAudit(…)`, for tools that are audited. */
  audit?: Pick<Audit, 'append'>
  /** Runs a call in a sandbox, for tools with the rule `sandbox`. */
  sandbox?: (call: { tool: string; args: ToolArguments; tenant: string }) => Promise<unknown>
  /** Lifetime of a grant in seconds; then a call that has started counts in full until it is settled. Default 300. */
  ttl?: number
  /** Called with events. Errors of the listener are ignored. */
  onEvent?: (event: AgentEvent) => void
  now?: Now
}

export const toolAccessOptions = object<ToolAccessOptions>({
  agents: withMethods<Pick<StatusCheck, 'status'>>('createAgents(…), which knows who may still act', 'status'),
  ledger: ledgerCheck,
  tools: mapOf(either(text, toolRuleCheck)),
  budgets: optional(either(func, policyCheck)),
  approvals: optional(withMethods<ToolApprovals>('createApprovals(…)', 'request', 'verify')),
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

/** The members that approvals and the audit trail store; the others are validated where they are used. */
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

/** A call may come from a request's body: a mistake in it is an answer, not a TypeError. @throws SallyportError `call_invalid` */
export function validateCall(call: ToolCall): void {
  const flaw = valueFlaw(toolCallCheck, call)
  if (flaw) throw agentError('call_invalid', new TypeError(`"${flaw.at}" ${flaw.remedy}`))
}

import type { Principal } from '../../protocol/principal.js'
import { object, optional } from '../../protocol/shape.js'
import { validate } from '../../protocol/validate.js'
import { principalCheck } from '../../protocol/web-checks.js'
import type { BudgetLine, Hold, Ledger, Reservation } from '../../store/ledger.js'
import { agentError } from '../errors.js'
import { type Budget, budgetCheck, smallerBudget, withDefaults } from '../limits.js'
import { limitsIn } from '../token-details.js'

/** The budgets of the spenders of a call. */
export interface BudgetPolicy {
  tenant?: Budget
  /** For each agent, where its registration has no limit. Default: 10,000 a day. */
  agent?: Budget
  /** Of an API key, its successors included. */
  key?: Budget
  /** The person who calls, or on whose behalf the call is. */
  user?: Budget
}

const budget = optional(budgetCheck)

export const policyCheck = object<BudgetPolicy>({ tenant: budget, agent: budget, key: budget, user: budget })

/** The budgets to reserve from, and the maximum cost of one call. */
export interface Budgets {
  tenant: string
  lines: readonly BudgetLine[]
  request?: number
}

/** The budgets that agents were registered with. */
export interface RegisteredBudgets {
  readonly agent: { readonly budget?: Budget }
  readonly above: readonly { readonly id: string; readonly budget?: Budget }[]
}

const defaultAgentBudget: Budget = { day: 10_000 }
const windows = ['day', 'month', 'total'] as const

/**
 * The budgets that a caller spends from: those of its tenant, of the agent and its parents, or of the key, and of the person.
 * A smaller budget in an agent's token counts.
 *
 * `status` is what `agents.status(principal)` has found. Without it the registered budgets, and those above, are not known: the
 * policy alone holds.
 *
 * @throws SallyportError `tenant_missing`; `invalid_token` for a token whose limits cannot be read
 */
export function budgetLines(
  principal: Principal,
  policy: BudgetPolicy,
  { status }: { status?: RegisteredBudgets | undefined } = {},
): Budgets {
  validate('budgetLines', principalCheck, principal, 'principal')
  validate('budgetLines', policyCheck, policy, 'policy')
  const { method, tenant, sub, client_id, claims } = principal
  if (!tenant) throw agentError('tenant_missing')
  const isAgent = method === 'agent_token'
  const spenders: [subject: BudgetLine['subject'], budget: Budget | undefined][] = [[`tenant:${tenant}`, policy.tenant]]
  // Limits that a registration leaves out are the defaults.
  const registered = (budget: Budget | undefined): Budget =>
    withDefaults(budget, withDefaults(policy.agent, defaultAgentBudget))
  if (isAgent) {
    spenders.push([`agent:${client_id}`, smallerBudget(registered(status?.agent.budget), limitsIn(claims).budget)])
    for (const { id, budget } of status?.above ?? []) spenders.push([`agent:${id}`, registered(budget)])
  }
  if (method === 'api_key') spenders.push([`key:${claims['lineage'] ?? claims['key_id']}`, policy.key])
  if (!isAgent || sub !== client_id) spenders.push([`user:${sub}`, policy.user])
  const lines = spenders.flatMap(([subject, budget]) =>
    windows.flatMap((window) => {
      const limit = budget?.[window]
      return limit === undefined ? [] : [{ subject, window, limit }]
    }),
  )
  const { request } = spenders.reduce<Budget>((least, [, budget]) => smallerBudget(least, budget), {})
  return { tenant, lines, ...(request !== undefined && { request }) }
}

/** Checks the maximum cost of one call, before anything is reserved. @throws SallyportError `cost_unknown`, `budget_exceeded` */
export function validateCost({ lines, request }: Omit<Budgets, 'tenant'>, cost: number | undefined): number {
  if (cost === undefined) {
    if (lines.length || request !== undefined) throw agentError('cost_unknown')
    return 0
  }
  // Not `cost > request`: that would allow everything if the limit is NaN.
  if (request !== undefined && !(cost <= request))
    throw agentError('budget_exceeded', { because: 'request', limit: request })
  return cost
}

/** @throws SallyportError `budget_exceeded`, its cause has the budget, what is left of it, and when it resets */
export async function reserve(ledger: Ledger, reservation: Omit<Reservation, 'id'>): Promise<Hold> {
  const answer = await ledger.reserve({ ...reservation, id: crypto.randomUUID() })
  if (answer.ok) return answer.hold
  const { ok: _, line, ...rest } = answer
  throw agentError('budget_exceeded', { because: `${line.subject} ${line.window}`, ...line, ...rest })
}

import type { Principal } from '../../protocol/principal.js'
import { object, optional } from '../../protocol/shape.js'
import { validate } from '../../protocol/validate.js'
import { principalCheck } from '../../protocol/web-shapes.js'
import type { BudgetLine, Hold, Ledger, Reservation } from '../../store/ledger.js'
import { agentError } from '../errors.js'
import { type Budget, smallerBudget, withDefaults } from '../limits.js'
import { budgetCheck } from '../shapes.js'
import { limitsIn } from '../token-details.js'

/** Whose spending is limited, and how far. */
export interface BudgetPolicy {
  tenant?: Budget
  /** For each agent, where its registration leaves a limit out. Default: 10,000 a day. */
  agent?: Budget
  /** Of an API key, its successors included. */
  key?: Budget
  /** The person who calls, or on whose behalf it is. */
  user?: Budget
}

const budget = optional(budgetCheck)

export const policyCheck = object<BudgetPolicy>({ tenant: budget, agent: budget, key: budget, user: budget })

/** What to reserve from, and what one call may cost at most. */
export interface Budgets {
  tenant: string
  lines: readonly BudgetLine[]
  request?: number
}

/** The budgets that agents were registered with. */
export interface Registered {
  readonly agent: { readonly budget?: Budget }
  readonly above: readonly { readonly id: string; readonly budget?: Budget }[]
}

const agentBudget: Budget = { day: 10_000 }
const windows = ['day', 'month', 'total'] as const

/**
 * The budgets that a caller spends from: of its tenant, the agent and all that it is registered under, or the key, and the person.
 * What an agent's token says about budgets counts where it is less than the policy.
 *
 * `status` is what `agents.status(principal)` has found. Without it the registered budgets, and those above, are not known: the
 * policy alone holds.
 *
 * @throws SallyportError `tenant_missing`; `invalid_token` for a token whose limits cannot be read
 */
export function budgetLines(
  principal: Principal,
  policy: BudgetPolicy,
  { status }: { status?: Registered | undefined } = {},
): Budgets {
  validate('budgetLines', principalCheck, principal, 'principal')
  validate('budgetLines', policyCheck, policy, 'policy')
  const { method, tenant, sub, client_id, claims } = principal
  if (!tenant) throw agentError('tenant_missing')
  const isAgent = method === 'agent_token'
  const spenders: [subject: BudgetLine['subject'], budget: Budget | undefined][] = [[`tenant:${tenant}`, policy.tenant]]
  // What is left out is the default: a registration that names one limit lifts no other.
  const registered = (budget: Budget | undefined): Budget =>
    withDefaults(budget, withDefaults(policy.agent, agentBudget))
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

/** What one call may cost is looked at first: that takes no state. @throws SallyportError `cost_unknown`, `budget_exceeded` */
export function validateCost({ lines, request }: Omit<Budgets, 'tenant'>, cost: number | undefined): number {
  if (cost === undefined) {
    if (lines.length || request !== undefined) throw agentError('cost_unknown')
    return 0
  }
  // Not `cost > request`: that lets everything pass where the limit is not a number.
  if (request !== undefined && !(cost <= request))
    throw agentError('budget_exceeded', { because: 'request', limit: request })
  return cost
}

/** @throws SallyportError `budget_exceeded`, whose cause names the line, what is left of it, and when it begins again */
export async function reserve(ledger: Ledger, reservation: Omit<Reservation, 'id'>): Promise<Hold> {
  const answer = await ledger.reserve({ ...reservation, id: crypto.randomUUID() })
  if (answer.ok) return answer.hold
  const { ok: _, line, ...rest } = answer
  throw agentError('budget_exceeded', { because: `${line.subject} ${line.window}`, ...line, ...rest })
}

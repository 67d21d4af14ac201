import { anyText, integer, list, object, optional, type Shape } from '../protocol/shape.js'
import { withoutUndefined } from './without-undefined.js'

/** Whole numbers in a unit of your own: tokens, cents, calls. 0 allows nothing. For agents, limits that are left out are the defaults. */
export interface Budget {
  /** By one call. */
  request?: number
  /** In a day, in a month (UTC), in total. */
  day?: number
  month?: number
  total?: number
}

/** Limits in a token, in addition to its scopes. Absent: those of role and policy; an empty list allows nothing. */
export interface AgentLimits {
  budget?: Budget
  tools?: readonly string[]
  /** Tiers of models. */
  tiers?: readonly string[]
  /** Categories of prompts. */
  categories?: readonly string[]
}

const amount = optional(integer())

export const budgetCheck = object<Budget>({ request: amount, day: amount, month: amount, total: amount })

export const limitsShape: Shape<AgentLimits> = {
  budget: optional(budgetCheck),
  tools: optional(list(anyText)),
  tiers: optional(list(anyText)),
  categories: optional(list(anyText)),
}

/** A token's details may have other members. */
export const limitsCheck = object<AgentLimits>(limitsShape, 'an object', 'open')

const windows = ['request', 'day', 'month', 'total'] as const
const lists = ['tools', 'tiers', 'categories'] as const

/** Whether it is a whole number, 0 or more. */
export const isAmount = (amount: unknown): amount is number => Number.isSafeInteger(amount) && (amount as number) >= 0

/** Whether a budget is larger than a policy in any window. */
export const exceeds = (requested: Budget, policy: Budget = {}): boolean =>
  windows.some((window) => (requested[window] ?? 0) > (policy[window] ?? Number.POSITIVE_INFINITY))

/** The smaller of two budgets, window by window. */
export function smallerBudget(one: Budget = {}, other: Budget = {}): Budget {
  const budget = withDefaults(one, other)
  for (const window of windows) {
    const limit = other[window]
    if (limit !== undefined) budget[window] = Math.min(limit, budget[window] ?? limit)
  }
  return budget
}

/** Limits that a budget leaves out, or that are `undefined`, are the defaults. */
export const withDefaults = (own: Budget = {}, defaults: Budget = {}): Budget => ({
  ...withoutUndefined(defaults),
  ...withoutUndefined(own),
})

/** The limits that both allow. */
export function narrowLimits(one: AgentLimits, other: AgentLimits): AgentLimits {
  const limits: AgentLimits = {}
  if (one.budget || other.budget) limits.budget = smallerBudget(one.budget, other.budget)
  for (const name of lists) {
    const [first, second] = [one[name] ?? other[name], other[name] ?? one[name]]
    if (first && second) limits[name] = first.filter((entry) => second.includes(entry))
  }
  return limits
}

/** Whether limits allow a tool, tier or category. */
export const isAllowed = (limits: AgentLimits, what: (typeof lists)[number], name: string): boolean =>
  limits[what]?.includes(name) ?? true

/** Whole numbers in a unit of your own: for one request, a day, a month (UTC), in all. Absent: not limited here. */
export interface AgentBudget {
  request?: number
  day?: number
  month?: number
  total?: number
}

/** What a token may narrow. Absent: as the agent's role and policy say; an empty list is nothing. */
export interface AgentLimits {
  budget?: AgentBudget
  tools?: readonly string[]
  /** Tiers of models. */
  tiers?: readonly string[]
  /** Categories of prompts. */
  categories?: readonly string[]
}

const windows = ['request', 'day', 'month', 'total'] as const
const lists = ['tools', 'tiers', 'categories'] as const

/** What is wrong with a budget as data; `undefined` if nothing is. */
export function budgetFlaw(budget: AgentBudget): string | undefined {
  for (const [window, amount] of Object.entries(budget)) {
    if (!windows.some((one) => one === window)) return `names ${window}; there are ${windows.join(', ')}`
    if (!Number.isSafeInteger(amount) || (amount as number) < 0) return `must hold whole numbers of 0 or more`
  }
  return undefined
}

/** Whether a budget asks for more than a policy allows, in any window. */
export const exceeds = (asked: AgentBudget, policy: AgentBudget = {}): boolean =>
  windows.some((window) => (asked[window] ?? 0) > (policy[window] ?? Number.POSITIVE_INFINITY))

/** The smaller of two budgets, window by window. */
export function smaller(one: AgentBudget = {}, other: AgentBudget = {}): AgentBudget {
  const budget: AgentBudget = {}
  for (const window of windows) {
    const least = Math.min(one[window] ?? Number.POSITIVE_INFINITY, other[window] ?? Number.POSITIVE_INFINITY)
    if (least !== Number.POSITIVE_INFINITY) budget[window] = least
  }
  return budget
}

/** What both allow. */
export function narrowed(one: AgentLimits, other: AgentLimits): AgentLimits {
  const limits: AgentLimits = {}
  if (one.budget || other.budget) limits.budget = smaller(one.budget, other.budget)
  for (const name of lists) {
    const [first, second] = [one[name] ?? other[name], other[name] ?? one[name]]
    if (first && second) limits[name] = first.filter((entry) => second.includes(entry))
  }
  return limits
}

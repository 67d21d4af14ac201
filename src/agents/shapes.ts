import type { JWK } from 'jose'
import { anyText, check, integer, list, object, optional, type Shape } from '../protocol/shape.js'
import type { AgentLimits, Budget } from './limits.js'

const amount = optional(integer())

export const budgetCheck = object<Budget>({ request: amount, day: amount, month: amount, total: amount })

export const limitsShape: Shape<AgentLimits> = {
  budget: optional(budgetCheck),
  tools: optional(list(anyText)),
  tiers: optional(list(anyText)),
  categories: optional(list(anyText)),
}

/** Beside whatever else a token's details say. */
export const limitsCheck = object<AgentLimits>(limitsShape, 'an object', 'open')

/** What is in it is answered, not thrown: it comes from whoever has the private half. */
export const publicKeyCheck = check<JWK>(
  'a public key, as a JWK',
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
)

import type { JWK } from 'jose'
import { anyText, check, integer, isObject, list, object, optional, type Shape } from '../protocol/shape.js'
import type { AgentLimits, Budget } from './limits.js'

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

/** A wrong key is a refusal, not a `TypeError`: it comes from the owner of the private key. */
export const publicKeyCheck = check<JWK>('a public key, as a JWK', isObject)

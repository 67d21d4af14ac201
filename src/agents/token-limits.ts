import type { Principal } from '../protocol/principal.js'
import { agentError } from './errors.js'

/** How much may be spent, in units of the application's: tokens, cents. What is not named has no limit; 0 is nothing. */
export interface Budget {
  /** By one call. */
  request?: number
  /** In a day, in a month (UTC), at all. */
  day?: number
  month?: number
  total?: number
}

/** What an agent's token narrows, beyond its scopes. A token can take away and never add. */
export interface TokenLimits {
  tools?: readonly string[]
  tiers?: readonly string[]
  categories?: readonly string[]
  budget?: Budget
}

export const budgetNames = ['request', 'day', 'month', 'total'] as const

/**
 * The limits of a verified token: each counts. One that cannot be read is no reason to go without it.
 *
 * @throws SallyportError `invalid_token`
 * @see RFC 9396 section 2
 */
export function limitsOf({ claims }: Principal): readonly TokenLimits[] {
  const details = claims['authorization_details'] ?? []
  if (!Array.isArray(details)) throw unreadable()
  return details.filter((detail) => detail?.type === 'sallyport_agent').map(readLimits)
}

/** Whether no limit leaves this out. */
export const isWithin = (
  limits: readonly TokenLimits[],
  what: 'tools' | 'tiers' | 'categories',
  name: string,
): boolean => limits.every((limit) => limit[what]?.includes(name) ?? true)

function readLimits(detail: Record<string, unknown>): TokenLimits {
  for (const name of ['tools', 'tiers', 'categories'])
    if (detail[name] !== undefined && !isTexts(detail[name])) throw unreadable()
  const { budget = {} } = detail
  if (typeof budget !== 'object' || budget === null) throw unreadable()
  for (const name of budgetNames) {
    const amount = (budget as Budget)[name] ?? 0
    if (!Number.isSafeInteger(amount) || amount < 0) throw unreadable()
  }
  return detail
}

const isTexts = (value: unknown): boolean => Array.isArray(value) && value.every((item) => typeof item === 'string')

const unreadable = () => agentError('invalid_token', { because: 'authorization_details' })

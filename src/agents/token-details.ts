import { valueFlaw } from '../protocol/shape.js'
import { agentError } from './errors.js'
import { type AgentLimits, limitsCheck, narrowLimits } from './limits.js'

/** The entry of an agent's token in `authorization_details`. @see RFC 9396 section 2 */
export interface AgentDetails extends AgentLimits {
  type: 'sallyport_agent'
  /** The format of this entry. 0.1.0 wrote none. */
  v?: number
  role: string
  depends: Dependence
}

/** What a token depends on, as of its issuance. A change of any of it ends the token. */
export interface Dependence {
  /** All agents that act, and those above them: id → epoch. */
  agents: Readonly<Record<string, string>>
  /** The last change of the tenant's switch. */
  tenant?: string
  /** The last end of the person's sign-ins. */
  person?: string
  /** The digest of the person's session. */
  session?: string
  /** By what the person has agreed, to which agent. */
  consent?: { agent: string; id: string }
}

export const DETAILS_FORMAT = 1

const isKnown = ({ v = DETAILS_FORMAT }: Partial<AgentDetails>): boolean => v === DETAILS_FORMAT

type Claims = Readonly<Record<string, unknown>>

/** `undefined`: `authorization_details` is not a list. */
function detailsIn({ authorization_details: all = [] }: Claims): Partial<AgentDetails>[] | undefined {
  return Array.isArray(all) ? all.filter((one) => one?.type === 'sallyport_agent') : undefined
}

/** From verified claims; `undefined`: the token is not an agent's, or is of a later release. */
export const dependenceIn = (claims: Claims): Dependence | undefined =>
  detailsIn(claims)?.find((one) => isKnown(one) && one.depends?.agents)?.depends

/**
 * All limits in verified claims together. Limits that cannot be read refuse the token.
 *
 * @throws SallyportError `invalid_token`
 */
export function limitsIn(claims: Claims): AgentLimits {
  const details = detailsIn(claims)
  if (!details?.every((one) => isKnown(one) && valueFlaw(limitsCheck, one) === undefined))
    throw agentError('invalid_token', { because: 'authorization_details' })
  return details.reduce<AgentLimits>(narrowLimits, {})
}

/** The agents that act, the calling one first. Only the first is used for decisions. @see RFC 8693 section 4.1 */
export function chainOf(claims: Claims): string[] {
  const chain: string[] = []
  let actor = claims['act'] as { sub?: unknown; act?: unknown } | undefined
  while (actor) {
    chain.push(`${actor.sub}`)
    actor = actor.act as typeof actor
  }
  return chain
}

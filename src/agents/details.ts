import type { AgentLimits } from './limits.js'

/** What an agent's token says of the agent, in `authorization_details`. @see RFC 9396 */
export interface AgentDetails extends AgentLimits {
  type: 'sallyport_agent'
  role: string
  depends: Dependence
}

/** What a token's being good depends on, each as it was when the token was made. A change of any of them ends the token. */
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

/** Of verified claims; `undefined`: this is no token of an agent. */
export function detailsOf(claims: Readonly<Record<string, unknown>>): AgentDetails | undefined {
  const all = claims['authorization_details']
  return Array.isArray(all) ? all.find((one) => one?.type === 'sallyport_agent' && one.depends?.agents) : undefined
}

/** The agents that act, the one that calls first: it alone decides what is allowed, the others are there to be seen. @see RFC 8693 section 4.1 */
export function chainOf(claims: Readonly<Record<string, unknown>>): string[] {
  const chain: string[] = []
  let actor = claims['act'] as { sub?: unknown; act?: unknown } | undefined
  while (actor) {
    chain.push(`${actor.sub}`)
    actor = actor.act as typeof actor
  }
  return chain
}

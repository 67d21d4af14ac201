import { isForAudience } from '../../protocol/http/resource.js'
import { agentError } from '../errors.js'
import { type Person, subjectId } from '../is-person.js'
import { type AgentLimits, exceeds, narrowLimits } from '../limits.js'
import { type AgentDetails, chainOf, DETAILS_FORMAT, type Dependence } from '../token-details.js'
import { withoutUndefined } from '../without-undefined.js'
import type { AgentRow } from './agent-record.js'
import type { AgentsContext } from './context.js'
import type { AgentToken } from './options.js'
import { scopesOf } from './roles.js'
import { dependenceOf } from './status.js'

/** Options of a token. */
export interface TokenRequest<Scope extends string> extends AgentLimits {
  /** Default: all that are allowed. */
  scopes?: readonly Scope[]
  /** Seconds. Default and most: `maxAge`. */
  expiresIn?: number
  /** The API that the token is for. Default: the issuer's audience. @see RFC 8707 */
  resource?: string
  /**
   * What the token is bound to, so that a stolen token is useless: `key` is the agent's registered key (RFC 9449); or the thumbprint
   * of another key, or of a certificate (RFC 8705). Default: not bound.
   */
  bindTo?: 'key' | { jkt: string } | { 'x5t#S256': string }
}

/** The content of a token. */
interface Signing {
  row: AgentRow
  sub: string
  person?: Person | undefined
  scopes: readonly string[]
  lifetime: number
  depends: Dependence
  limits: AgentLimits
  act?: Readonly<Record<string, unknown>>
}

/** @throws SallyportError `agent_limit_refused`, `agent_target_refused` */
export function validateTokenRequest(
  { maxAge, resources }: Pick<AgentsContext, 'maxAge' | 'resources'>,
  request: TokenRequest<string>,
  policy: AgentRow['budget'],
): void {
  const { budget = {}, expiresIn = maxAge, resource } = request
  if (expiresIn > maxAge || exceeds(budget, policy)) throw agentError('agent_limit_refused')
  if (resource !== undefined && !isForAudience(resource, resources)) throw agentError('agent_target_refused')
}

export async function sign(
  { tokens, emit }: AgentsContext,
  { row, sub, person, scopes, lifetime, depends, limits, act }: Signing,
  { resource, bindTo }: TokenRequest<string>,
): Promise<AgentToken> {
  const details: AgentDetails = { type: 'sallyport_agent', v: DETAILS_FORMAT, role: row.role, ...limits, depends }
  const cnf = bindTo === 'key' ? { jkt: `${row.publicKey.kid}` } : bindTo
  const token = await tokens.issue({
    sub,
    client_id: row.id,
    scopes,
    lifetime,
    claims: {
      tenant: row.tenant,
      role: row.role,
      authorization_details: [details],
      ...withoutUndefined({ cnf, act, sub_id: person && subjectId(person) }),
    },
    ...(resource !== undefined && { audience: resource }),
  })
  const chain = act ? chainOf({ act }) : [row.id]
  emit({ type: 'agent_token_issued', tenant: row.tenant, agent: row.id, sub, ...person, scope: token.scope, chain })
  return token
}

/** A token with which an agent acts for itself. */
export async function issueOwnToken(
  context: AgentsContext,
  row: AgentRow,
  request: TokenRequest<string>,
): Promise<AgentToken> {
  validateTokenRequest(context, request, row.budget)
  const allowed = scopesOf(context.roles, row.role)
  const { scopes = allowed, expiresIn = context.maxAge } = request
  if (!scopes.length || scopes.some((scope) => !allowed.includes(scope))) throw agentError('agent_scope_refused')
  const depends = await dependenceOf(context.records, row)
  return sign(
    context,
    { row, sub: row.id, scopes, lifetime: expiresIn, depends, limits: narrowLimits({}, request) },
    request,
  )
}

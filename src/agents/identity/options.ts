import { misuseOf } from '../../protocol/option-checks.js'
import { isScope } from '../../protocol/scope.js'
import type { Now } from '../../protocol/time.js'
import type { RecordStore } from '../../store/contract.js'
import type { Ledger } from '../../store/ledger.js'
import type { Approvals } from '../approvals/approvals.js'
import type { AgentEvent } from '../events.js'
import type { PersonTest } from '../is-person.js'
import type { Roles } from './roles.js'

/** The part of `createTokenIssuer(…)` that is used. */
export interface AgentTokenIssuer {
  readonly issuer: string
  /** The audience of tokens without `resource`. */
  readonly audience?: string
  issue(token: {
    sub: string
    client_id: string
    scopes: readonly string[]
    claims: Readonly<Record<string, unknown>>
    lifetime: number
    audience?: string
  }): Promise<AgentToken>
}

/** @see RFC 6749 section 5.1 */
export interface AgentToken {
  access_token: string
  token_type: 'Bearer' | 'DPoP'
  expires_in: number
  scope: string
}

export interface AgentsOptions<Table extends Roles> {
  /**
   * `createTokenIssuer(…)`, with an `issuer` for agents only: APIs recognize agents' tokens by it, and an API that does not accept agents
   * does not take them for people.
   */
  tokens: AgentTokenIssuer
  /** Keeps agents, consents and stops. With `memoryStore()` they are lost with the process. */
  store: RecordStore
  /** Default: reader `data:read`; writer `data:read data:write`; executor `data:read exec:sandbox`. */
  roles?: Table
  /** Maximum and default lifetime of tokens in seconds. Default and most: 900. */
  maxAge?: number
  /** Maximum number of agents in a chain of actors, and of parents. Default 3. */
  maxDepth?: number
  /** The APIs that tokens may be for, in addition to the issuer's audience. Default none. */
  resources?: readonly string[]
  /**
   * Whether a verified token is a person's, where the provider's access tokens have no `auth_time`: `({ claims }) => claims.idtyp ===
   * 'user'`. Default: it has `auth_time`. Sessions are people's; agents, keys, certificates and clients on their own behalf never are.
   */
  isPerson?: PersonTest
  /** The ledger where the reservations of decommissioned agents are released. */
  ledger?: Pick<Ledger, 'holds' | 'release'>
  /** `createApprovals(…)`: approvals are void when agents are decommissioned or stopped, or their person signs out. */
  approvals?: Pick<Approvals, 'voidAll'>
  /** Called with events. They have no tokens in them. Errors of the listener are ignored. */
  onEvent?: (event: AgentEvent) => void
  now?: Now
}

const MAX_AGE = 900
const misuse = misuseOf('createAgents')

/** @throws TypeError naming the option */
export function validateOptions(options: AgentsOptions<Roles>, roles: Roles) {
  const { tokens, maxAge = MAX_AGE, maxDepth = 3, resources = [] } = options
  if (!URL.canParse(tokens.issuer)) misuse('tokens', 'must be createTokenIssuer(…) with an issuer of the agents’ own')
  const scopes = Object.values(roles).flat()
  if (!scopes.length || scopes.some((scope) => !isScope(scope) || scope.includes('*')))
    misuse('roles', 'must list scopes for each role, like { reader: ["data:read"] }; there are no wildcards')
  const invalid = resources.find((resource) => !URL.canParse(resource) || resource.includes('#'))
  if (invalid !== undefined) misuse('resources', `names ${invalid}, which is no absolute URI without a fragment`)
  return { maxAge, maxDepth, resources: tokens.audience === undefined ? resources : [...resources, tokens.audience] }
}

import { isScope } from '../../protocol/scope.js'
import type { Now } from '../../protocol/time.js'
import type { RecordStore } from '../../store/contract.js'
import type { Ledger } from '../../store/ledger.js'
import type { Approvals } from '../approvals/approvals.js'
import type { AgentEvent } from '../events.js'
import type { PersonTest } from '../is-person.js'
import type { Roles } from './roles.js'

/** What is needed of `createTokenIssuer(…)`. */
export interface AgentTokenIssuer {
  readonly issuer: string
  /** Whom its tokens are for that name no other. */
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
   * `createTokenIssuer(…)`, with an `issuer` that is the agents' own: by that an API tells their tokens from everybody else's, and an
   * API that knows nothing of agents does not take them for people's.
   */
  tokens: AgentTokenIssuer
  /** Where agents, consents and stops are kept. `memoryStore()` forgets them with the process. */
  store: RecordStore
  /** Default: reader `data:read`; writer `data:read data:write`; executor `data:read exec:sandbox`. */
  roles?: Table
  /** Seconds that a token lives at most, and by default. Default and most: 900. */
  maxAge?: number
  /** How many agents may act for one another, and stand above one another. Default 3. */
  maxDepth?: number
  /** The APIs that tokens may be for besides the issuer's own audience. Default none. */
  resources?: readonly string[]
  /**
   * Whether a verified token is a person's, where the provider's access tokens have no `auth_time`: `({ claims }) => claims.idtyp ===
   * 'user'`. Default: it has `auth_time`. Sessions are people's; agents, keys, certificates and clients on their own behalf never are.
   */
  isPerson?: PersonTest
  /** Whose holds a decommissioned agent gives back. */
  ledger?: Pick<Ledger, 'holds' | 'release'>
  /** `createApprovals(…)`: what waits there is void when agents are decommissioned or stopped, or their person is signed out. */
  approvals?: Pick<Approvals, 'voidAll'>
  /** What happened. Never has a token in it. A listener that throws changes nothing. */
  onEvent?: (event: AgentEvent) => void
  now?: Now
}

const MOST = 900

/** What no declaration can say. @throws TypeError naming the option */
export function validateOptions(options: AgentsOptions<Roles>, roles: Roles) {
  const { tokens, maxAge = MOST, maxDepth = 3, resources = [] } = options
  const misuse = (option: string, remedy: string): never => {
    throw new TypeError(`createAgents: "${option}" ${remedy}`)
  }
  if (!URL.canParse(tokens.issuer)) misuse('tokens', 'must be createTokenIssuer(…) with an issuer of the agents’ own')
  const scopes = Object.values(roles).flat()
  if (!scopes.length || scopes.some((scope) => !isScope(scope) || scope.includes('*')))
    misuse('roles', 'must list scopes for each role, like { reader: ["data:read"] }; there are no wildcards')
  const odd = resources.find((resource) => !URL.canParse(resource) || resource.includes('#'))
  if (odd !== undefined) misuse('resources', `names ${odd}, which is no absolute URI without a fragment`)
  return { maxAge, maxDepth, resources: tokens.audience === undefined ? resources : [...resources, tokens.audience] }
}

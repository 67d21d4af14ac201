import {
  anything,
  either,
  func,
  having,
  list,
  name,
  object,
  oneOf,
  optional,
  type Shape,
  seconds,
  subject,
  table,
  text,
  whole,
  words,
} from '../../protocol/shape.js'
import { asyncCall } from '../../protocol/validate.js'
import { principal } from '../../protocol/web-shapes.js'
import { storeCheck } from '../../store/engine-shapes.js'
import type { Ledger } from '../../store/ledger.js'
import type { Approvals } from '../approvals/approvals.js'
import { budgetCheck, limitsShape, publicKeyCheck } from '../shapes.js'
import type { ConsentRequest, ExchangeRequest, TenantPerson } from './delegation.js'
import type { TokenRequest } from './issue-token.js'
import type { AgentsOptions, AgentTokenIssuer } from './options.js'
import type { AgentChange, NewAgent } from './registration.js'
import type { Roles } from './roles.js'

export const agentsOptions = object<AgentsOptions<Roles>>({
  tokens: having<AgentTokenIssuer>('createTokenIssuer(…) with an issuer of the agents’ own', 'issue'),
  store: storeCheck,
  roles: optional(table(list(text))),
  maxAge: optional(whole({ least: 1, most: 900 }, 'a whole number of seconds')),
  maxDepth: optional(whole({ least: 1, most: 10 })),
  resources: optional(list(text)),
  ledger: optional(having<Pick<Ledger, 'holds' | 'release'>>('a ledger', 'holds', 'release')),
  approvals: optional(having<Pick<Approvals, 'voidAll'>>('createApprovals(…)', 'voidAll')),
  isPerson: optional(func),
  onEvent: optional(func),
  now: optional(func),
})

const tokenRequest: Shape<TokenRequest<string>> = {
  ...limitsShape,
  scopes: optional(list(text)),
  expiresIn: optional(whole({ least: 1 }, 'a whole number of seconds')),
  resource: optional(text),
  bindTo: optional(
    either(
      oneOf('key'),
      either(object<{ jkt: string }>({ jkt: text }), object<{ 'x5t#S256': string }>({ 'x5t#S256': text })),
    ),
  ),
}

/** Of a tenant alone. */
const inTenant = object<{ tenant: string }>({ tenant: name })
/** A text that is answered when it names nobody. */
const id = words
const tenantPerson: Shape<TenantPerson> = { tenant: name, iss: text, sub: text }

/** What the functions of `createAgents(…)` take. */
export const agentsCalls = {
  status: asyncCall(['principal', principal]),
  register: asyncCall([
    'agent',
    object<NewAgent<string>>({
      id: optional(text),
      tenant: name,
      owner: subject,
      role: text,
      publicKey: publicKeyCheck,
      budget: optional(budgetCheck),
      parent: optional(id),
    }),
  ]),
  update: asyncCall(
    ['tenant', name],
    ['id', id],
    ['change', object<AgentChange>({ budget: optional(budgetCheck), publicKey: optional(publicKeyCheck) })],
  ),
  find: asyncCall(['tenant', name], ['id', id]),
  list: asyncCall([
    'which',
    object<AgentsQuestion>({ tenant: name, cursor: optional(text), limit: optional(whole({ least: 1 })) }),
  ]),
  // What is presented is answered, whatever it is.
  authenticate: asyncCall(['assertion', anything<string>()]),
  issue: asyncCall([
    'token',
    object<TokenRequest<string> & { tenant: string; agent: string }>({ ...tokenRequest, tenant: name, agent: id }),
  ]),
  exchange: asyncCall([
    'token',
    object<ExchangeRequest<string>>({ ...tokenRequest, agent: id, subject: principal, session: optional(text) }),
  ]),
  consent: asyncCall([
    'consent',
    object<ConsentRequest<string>>({
      subject: principal,
      agent: id,
      scopes: list(text),
      expiresIn: optional(seconds({ above: 0, most: 90 * 86_400 })),
    }),
  ]),
  withdraw: asyncCall(['consent', object<TenantPerson & { agent: string }>({ ...tenantPerson, agent: id })]),
  consents: asyncCall(['whose', object<TenantPerson>(tenantPerson)]),
  endDelegations: asyncCall([
    'whose',
    object<TenantPerson & { sid?: string }>({ ...tenantPerson, sid: optional(text) }),
  ]),
  decommission: asyncCall(['tenant', name], ['id', id], ['options', object<{ reason: string }>({ reason: text })]),
  stop: asyncCall(['which', object<{ tenant: string; reason?: string }>({ tenant: name, reason: optional(text) })]),
  resume: asyncCall(['which', inTenant]),
  stopped: asyncCall(['which', inTenant]),
}

/** Which agents to list. */
export interface AgentsQuestion {
  tenant: string
  cursor?: string
  /** Default 100. */
  limit?: number
}

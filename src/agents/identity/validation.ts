import {
  anyText,
  anything,
  either,
  func,
  integer,
  list,
  mapOf,
  name,
  object,
  oneOf,
  optional,
  type Shape,
  seconds,
  subject,
  text,
  withMethods,
} from '../../protocol/shape.js'
import { asyncCall } from '../../protocol/validate.js'
import { principalCheck } from '../../protocol/web-checks.js'
import { storeCheck } from '../../store/engine-checks.js'
import type { Ledger } from '../../store/ledger.js'
import { pageShape } from '../../store/list.js'
import type { Approvals } from '../approvals/approvals.js'
import type { Person } from '../is-person.js'
import { publicKeyCheck } from '../jwk.js'
import { budgetCheck, limitsShape } from '../limits.js'
import type { ConsentRequest, ExchangeRequest, TenantPage, TenantPerson } from './delegation.js'
import type { TokenRequest } from './issue-token.js'
import type { AgentsOptions, AgentTokenIssuer } from './options.js'
import type { AgentChange, NewAgent } from './registration.js'
import type { Roles } from './roles.js'

export const agentsOptions = object<AgentsOptions<Roles>>({
  tokens: withMethods<AgentTokenIssuer>('createTokenIssuer(…) with an issuer of the agents’ own', 'issue'),
  store: storeCheck,
  roles: optional(mapOf(list(text))),
  maxAge: optional(integer({ least: 1, most: 900 }, 'a whole number of seconds')),
  maxDepth: optional(integer({ least: 1, most: 10 })),
  resources: optional(list(text)),
  ledger: optional(withMethods<Pick<Ledger, 'holds' | 'release'>>('a ledger', 'holds', 'release')),
  approvals: optional(withMethods<Pick<Approvals, 'voidAll'>>('createApprovals(…)', 'voidAll')),
  isPerson: optional(func),
  onEvent: optional(func),
  now: optional(func),
})

const tokenRequest: Shape<TokenRequest<string>> = {
  ...limitsShape,
  scopes: optional(list(text)),
  expiresIn: optional(integer({ least: 1 }, 'a whole number of seconds')),
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
/** Any text: an unknown id is an answer, not a TypeError. */
const id = anyText
const person: Shape<Person> = { iss: text, sub: text }
const page = object<TenantPage>({ tenant: name, ...pageShape })

export const agentsCalls = {
  status: asyncCall(['principal', principalCheck]),
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
    ['id', id],
    [
      'change',
      object<AgentChange>({ tenant: name, budget: optional(budgetCheck), publicKey: optional(publicKeyCheck) }),
    ],
  ),
  get: asyncCall(['id', id], ['options', inTenant]),
  list: asyncCall(['which', page]),
  // Anything: an invalid assertion is an answer, not a TypeError.
  authenticate: asyncCall(['assertion', anything<string>()]),
  issue: asyncCall(
    ['id', id],
    ['token', object<TokenRequest<string> & { tenant: string }>({ ...tokenRequest, tenant: name })],
  ),
  exchange: asyncCall(
    ['id', id],
    ['token', object<ExchangeRequest<string>>({ ...tokenRequest, subject: principalCheck, session: optional(text) })],
  ),
  consent: asyncCall(
    ['id', id],
    [
      'consent',
      object<ConsentRequest<string>>({
        subject: principalCheck,
        scopes: list(text),
        expiresIn: optional(seconds({ above: 0, most: 90 * 86_400 })),
      }),
    ],
  ),
  withdraw: asyncCall(['id', id], ['person', object<TenantPerson>({ ...person, tenant: name })]),
  consents: asyncCall(['person', object<Person>(person)], ['options', page]),
  endDelegations: asyncCall(
    ['person', object<Person>(person)],
    ['options', object<{ tenant: string; sid?: string }>({ tenant: name, sid: optional(text) })],
  ),
  decommission: asyncCall(
    ['id', id],
    ['options', object<{ tenant: string; reason: string }>({ tenant: name, reason: text })],
  ),
  stop: asyncCall(['which', object<{ tenant: string; reason?: string }>({ tenant: name, reason: optional(text) })]),
  resume: asyncCall(['which', inTenant]),
  stopped: asyncCall(['which', inTenant]),
}

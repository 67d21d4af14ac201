import type { Principal } from '../../protocol/principal.js'
import { described, func, object, optional, text } from '../../protocol/shape.js'
import { CLOCK_TOLERANCE, type Now, systemNow } from '../../protocol/time.js'
import { asyncCall, validate, validated } from '../../protocol/validate.js'
import { principalCheck } from '../../protocol/web-checks.js'
import type { RecordStore } from '../../store/contract.js'
import { storeCheck } from '../../store/engine-checks.js'
import { agentError } from '../errors.js'
import { personOf } from '../is-person.js'
import { type Dependence, dependenceIn } from '../token-details.js'
import { type AgentRecord, type AgentRow, recordOf } from './agent-record.js'
import { createRecords, type Records } from './records.js'

/** Whether an agent may act. `detail` is only for the operator. */
export type AgentStatus =
  | {
      ok: true
      agent: AgentRecord
      /** Its parent and the parents of that, its own parent last. Its costs count on their budgets too. */
      above: readonly AgentRecord[]
    }
  | { ok: false; detail: string }

export interface StatusCheckOptions {
  /** The issuer of the agents' tokens. */
  issuer: string
  /** The store of `createAgents`. */
  store: RecordStore
  now?: Now
}

export interface StatusCheck {
  readonly issuer: string
  /**
   * Whether an agent may act with this token now: call it for every request, and again directly before actions that cannot be undone.
   * Nothing is cached: a decommissioned agent, a stopped tenant, a person who has signed out or a withdrawn consent ends the token on
   * the next request in every process. A principal whose token has expired is refused.
   *
   * @throws StoreError when the store is down
   */
  status(principal: Principal): Promise<AgentStatus>
}

export const statusCheckOptions = object<StatusCheckOptions>({
  issuer: text,
  store: described('the store of createAgents(…)', storeCheck),
  now: optional(func),
})

export const statusCheckCalls = { status: asyncCall(['principal', principalCheck]) }

/** For an API that verifies agents' tokens and does not issue them: it needs the store, but no signing key. */
export function createStatusCheck(options: StatusCheckOptions): StatusCheck {
  validate('createStatusCheck', statusCheckOptions, options)
  const { issuer, store, now = systemNow } = options
  if (!URL.canParse(issuer))
    throw new TypeError('createStatusCheck: "issuer" must be the URL of the issuer of the agents’ tokens')
  const records = createRecords(store)
  const methods: StatusCheck = { issuer, status: (principal) => evaluateStatus(records, issuer, principal, now()) }
  return validated('agents', methods, statusCheckCalls)
}

export async function evaluateStatus(
  records: Records,
  issuer: string,
  principal: Principal,
  now: number,
): Promise<AgentStatus> {
  const { method, iss, client_id = '', tenant = '', claims, expiresAt = 0 } = principal
  const depends = dependenceIn(claims)
  if (method !== 'agent_token' || iss !== issuer || !depends) return refused('not an agent token')
  if (!(now < expiresAt + CLOCK_TOLERANCE)) return refused('expired')
  const { agents, session, consent } = depends
  const person = personOf(principal)
  const ids = Object.keys(agents)
  if (!ids.includes(client_id)) return refused('not a token of this agent')
  const [tenantSwitch, personEnd, isSessionOver, storedConsent, ...rows] = await Promise.all([
    records.switchOf(tenant),
    consent && person && records.personOf(tenant, person),
    session !== undefined && person && records.isOver(tenant, person, session),
    consent && person && records.consentOf(tenant, person, consent.agent),
    ...ids.map((id) => records.agent(id)),
  ])
  if (tenantSwitch?.stoppedAt !== undefined) return refused('stopped')
  // Without a record there is nothing to compare: records outlive the tokens.
  if (tenantSwitch && tenantSwitch.epoch !== depends.tenant) return refused('issued before a stop')
  if (personEnd && personEnd.epoch !== depends.person) return refused('the person is signed out')
  if (isSessionOver) return refused('the session is over')
  if (consent && !(storedConsent?.id === consent.id && now < storedConsent.expiresAt)) return refused('no consent')
  for (const [index, found] of rows.entries()) {
    const id = ids[index] ?? ''
    if (found?.row.tenant !== tenant) return refused(`unknown agent: ${id}`)
    if (found.row.decommissionedAt !== undefined) return refused(`decommissioned: ${id}`)
    if (found.row.epoch !== agents[id]) return refused(`issued before a change: ${id}`)
  }
  const found = new Map(rows.map((row, index) => [ids[index], row && recordOf(row.row)]))
  const own = rows[ids.indexOf(client_id)]
  if (!own) return refused('unknown agent')
  const above = own.row.above.map((id) => found.get(id))
  if (!above.every((ancestor) => ancestor !== undefined)) return refused('unknown parent')
  return { ok: true, agent: recordOf(own.row), above }
}

const refused = (detail: string): AgentStatus => ({ ok: false, detail })

/**
 * What a new token of an agent depends on.
 *
 * @throws SallyportError `agent_ended`, `agents_stopped`
 */
export async function dependenceOf(records: Records, row: AgentRow): Promise<Dependence> {
  const [tenantSwitch, ...above] = await Promise.all([
    records.switchOf(row.tenant),
    ...row.above.map((id) => records.agent(id)),
  ])
  if (tenantSwitch?.stoppedAt !== undefined) throw agentError('agents_stopped')
  const rows = [row, ...above.map((found) => found?.row)]
  const agents: Record<string, string> = {}
  for (const ancestor of rows) {
    if (!ancestor || ancestor.decommissionedAt !== undefined) throw agentError('agent_ended')
    agents[ancestor.id] = ancestor.epoch
  }
  return { agents, ...(tenantSwitch && { tenant: tenantSwitch.epoch }) }
}

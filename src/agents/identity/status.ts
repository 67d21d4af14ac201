import type { Principal } from '../../protocol/principal.js'
import { described, func, object, optional, text } from '../../protocol/shape.js'
import { type Now, systemNow } from '../../protocol/time.js'
import { asyncCall, validate, validated } from '../../protocol/validate.js'
import { principalCheck } from '../../protocol/web-shapes.js'
import type { RecordStore } from '../../store/contract.js'
import { storeCheck } from '../../store/engine-shapes.js'
import { agentError } from '../errors.js'
import { personOf } from '../is-person.js'
import { type Dependence, dependenceIn } from '../token-details.js'
import { type AgentRecord, type AgentRow, recordOf } from './agent-record.js'
import { createRecords, type Records } from './records.js'

/** Seconds that clocks may differ. */
const TOLERANCE = 30

/** Whether an agent may go on. `detail` is for the operator alone. */
export type AgentStatus =
  | {
      ok: true
      agent: AgentRecord
      /** Those that it ends with, its parent last: what it spends is spent of theirs too. */
      above: readonly AgentRecord[]
    }
  | { ok: false; detail: string }

export interface StatusCheckOptions {
  /** Who issues the agents' tokens. */
  issuer: string
  /** The one that `createAgents` has. */
  store: RecordStore
  now?: Now
}

export interface StatusCheck {
  readonly issuer: string
  /**
   * Whether an agent, with this token, may go on now: asked at every request, and again directly before what cannot be undone. All
   * that it depends on is read at once. Nothing is cached, so a decommissioned agent, a stopped tenant, a person who has
   * signed out or withdrawn a consent ends the token on the next request in every process. A principal that is kept for
   * longer than its token lives stands no more.
   *
   * @throws StoreError when it cannot be said
   */
  status(principal: Principal): Promise<AgentStatus>
}

export const statusCheckOptions = object<StatusCheckOptions>({
  issuer: text,
  store: described('the one that createAgents(…) has', storeCheck),
  now: optional(func),
})

/** What the functions of `createStatusCheck(…)` take. */
export const statusCheckCalls = { status: asyncCall(['principal', principalCheck]) }

/** For an API that verifies agents' tokens and does not issue them: no key that signs is needed there, only the store. */
export function createStatusCheck(options: StatusCheckOptions): StatusCheck {
  validate('createStatusCheck', statusCheckOptions, options)
  const { issuer, store, now = systemNow } = options
  if (!URL.canParse(issuer))
    throw new TypeError('createStatusCheck: "issuer" must be the URL of who issues agents’ tokens')
  const records = createRecords(store)
  const methods: StatusCheck = { issuer, status: (principal) => judge(records, issuer, principal, now()) }
  return validated('agents', methods, statusCheckCalls)
}

export async function judge(records: Records, issuer: string, principal: Principal, now: number): Promise<AgentStatus> {
  const { method, iss, client_id = '', tenant = '', claims, expiresAt = 0 } = principal
  const depends = dependenceIn(claims)
  if (method !== 'agent_token' || iss !== issuer || !depends) return bad('no token of an agent')
  if (!(now < expiresAt + TOLERANCE)) return bad('expired')
  const { agents, session, consent } = depends
  const person = personOf(principal)
  const ids = Object.keys(agents)
  if (!ids.includes(client_id)) return bad('no token of this agent')
  const [at, ended, over, agreed, ...rows] = await Promise.all([
    records.switchOf(tenant),
    consent && person && records.personOf(tenant, person),
    session !== undefined && person && records.isOver(tenant, person, session),
    consent && person && records.consentOf(tenant, person, consent.agent),
    ...ids.map((id) => records.agent(id)),
  ])
  if (at?.stoppedAt !== undefined) return bad('stopped')
  // What is not there any more, nothing that is still good can contradict.
  if (at && at.epoch !== depends.tenant) return bad('from before a stop')
  if (ended && ended.epoch !== depends.person) return bad('the person is signed out')
  if (over) return bad('the session is over')
  if (consent && !(agreed?.id === consent.id && now < agreed.expiresAt)) return bad('no consent')
  for (const [index, found] of rows.entries()) {
    const id = ids[index] ?? ''
    if (found?.row.tenant !== tenant) return bad(`unknown: ${id}`)
    if (found.row.decommissionedAt !== undefined) return bad(`decommissioned: ${id}`)
    if (found.row.epoch !== agents[id]) return bad(`from before a change: ${id}`)
  }
  const found = new Map(rows.map((row, index) => [ids[index], row && recordOf(row.row)]))
  const own = rows[ids.indexOf(client_id)]
  if (!own) return bad('unknown')
  const above = own.row.above.map((id) => found.get(id))
  if (!above.every((one) => one !== undefined)) return bad('unknown parent')
  return { ok: true, agent: recordOf(own.row), above }
}

const bad = (detail: string): AgentStatus => ({ ok: false, detail })

/**
 * What a new token of an agent depends on.
 *
 * @throws SallyportError `agent_ended`, `agents_stopped`
 */
export async function dependenceOf(records: Records, row: AgentRow): Promise<Dependence> {
  const [at, ...above] = await Promise.all([records.switchOf(row.tenant), ...row.above.map((id) => records.agent(id))])
  if (at?.stoppedAt !== undefined) throw agentError('agents_stopped')
  const rows = [row, ...above.map((found) => found?.row)]
  const agents: Record<string, string> = {}
  for (const one of rows) {
    if (!one || one.decommissionedAt !== undefined) throw agentError('agent_ended')
    agents[one.id] = one.epoch
  }
  return { agents, ...(at && { tenant: at.epoch }) }
}

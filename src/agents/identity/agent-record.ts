import type { JWK } from 'jose'
import type { Put, RecordId, Stored } from '../../store/contract.js'
import { storedJson } from '../../store/stored-json.js'
import type { Budget } from '../limits.js'

/** What is known of an agent. */
export interface AgentRecord {
  /** Public, and no person's `sub`: it begins with `agent_`. */
  id: string
  tenant: string
  /** The person or team that answers for it. */
  owner: string
  role: string
  /** With `alg`, and `kid`, its RFC 7638 thumbprint. */
  publicKey: JWK
  /** What its tokens can narrow and never widen. */
  budget?: Budget
  /** The agent that it was registered by or for, and ends with. */
  parent?: string
  /** Epoch seconds, like all of these. */
  createdAt: number
  decommissionedAt?: number
  reason?: string
}

/** As it is stored. */
export interface AgentRow extends AgentRecord {
  /** All agents that it ends with, its parent last. */
  above: readonly string[]
  /** Another one after every change that has to end tokens. */
  epoch: string
}

/** Where it cannot be taken for a person: the `sub` of an agent that acts for nobody is its id. */
export const shapeOfId = /^agent_[\w.-]{1,100}$/

export const tenantIndex = 'agent-tenant'
export const aboveIndex = 'agent-above'

export const agentId = (id: string): RecordId => ({ kind: 'agent', partition: id, id })

const rows = storedJson<AgentRow>()

/** @throws StoreError */
export const readRow = ({ value }: Stored): AgentRow => rows.read(value)

/** Kept for a year after its end: whoever finds its id in a log can still learn what it was. */
const KEPT = 365 * 86_400

export const putRow = (row: AgentRow, ifVersion: Put['ifVersion']): Put => ({
  type: 'put',
  id: agentId(row.id),
  value: rows.write(row),
  ifVersion,
  ...(row.decommissionedAt !== undefined && { ttl: KEPT }),
  index: [{ index: tenantIndex, value: row.tenant }, ...row.above.map((value) => ({ index: aboveIndex, value }))],
})

export function recordOf({ above: _, epoch: __, ...record }: AgentRow): AgentRecord {
  return record
}

/** Tells one state from the next; nothing is to be read out of it. */
export const newEpoch = (): string => crypto.randomUUID().slice(0, 8)

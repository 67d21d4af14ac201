import type { JWK } from 'jose'
import type { Put, RecordId, Stored } from '../../store/contract.js'
import { storedJson } from '../../store/stored-json.js'
import type { Budget } from '../limits.js'

/** A registered agent. */
export interface AgentRecord {
  /** Public. It begins with `agent_`, so that it is not the `sub` of a person. */
  id: string
  tenant: string
  /** The person or team that is responsible for it. */
  owner: string
  role: string
  /** With `alg`, and `kid`, its RFC 7638 thumbprint. */
  publicKey: JWK
  /** Tokens can only lower it. */
  budget?: Budget
  /** The agent that it was registered under. It is decommissioned together with it. */
  parent?: string
  /** Epoch seconds, like all of these. */
  createdAt: number
  decommissionedAt?: number
  reason?: string
}

/** The stored form. */
export interface AgentRow extends AgentRecord {
  /** Its parent and the parents of that, its own parent last. */
  above: readonly string[]
  /** Changes with every change that must end tokens. */
  epoch: string
}

/** Not the form of a person's id: it is the `sub` of an agent that acts for itself. */
export const idPattern = /^agent_[\w.-]{1,100}$/

export const tenantIndex = 'agent-tenant'
export const aboveIndex = 'agent-above'

export const agentId = (id: string): RecordId => ({ kind: 'agent', partition: id, id })

const rows = storedJson<AgentRow>()

/** @throws StoreError */
export const readRow = ({ value }: Stored): AgentRow => rows.read(value)

/** Seconds for which a decommissioned agent is kept, to look up ids that are found in logs. */
const RETENTION = 365 * 86_400

export const putRow = (row: AgentRow, ifVersion: Put['ifVersion']): Put => ({
  type: 'put',
  id: agentId(row.id),
  value: rows.write(row),
  ifVersion,
  ...(row.decommissionedAt !== undefined && { ttl: RETENTION }),
  index: [{ index: tenantIndex, value: row.tenant }, ...row.above.map((value) => ({ index: aboveIndex, value }))],
})

export function recordOf({ above: _, epoch: __, ...record }: AgentRow): AgentRecord {
  return record
}

/** A random text that distinguishes states. */
export const newEpoch = (): string => crypto.randomUUID().slice(0, 8)

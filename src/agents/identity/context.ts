import type { Now } from '../../protocol/time.js'
import type { RecordStore } from '../../store/contract.js'
import { agentError } from '../errors.js'
import type { AgentEvent } from '../events.js'
import type { AgentRow } from './agent-record.js'
import type { AgentsOptions, AgentTokenIssuer } from './options.js'
import type { Records } from './records.js'
import type { Roles } from './roles.js'

/** What `createAgents` is made of, for the files that do its work. */
export interface AgentsContext extends Pick<AgentsOptions<Roles>, 'ledger' | 'approvals' | 'isPerson'> {
  readonly tokens: AgentTokenIssuer
  readonly store: RecordStore
  readonly records: Records
  readonly roles: Roles
  readonly maxAge: number
  readonly maxDepth: number
  readonly resources: readonly string[]
  readonly emit: (event: AgentEvent) => void
  readonly now: Now
}

/** Of another tenant's agent nothing is told, not even that it is there. @throws SallyportError `agent_not_found` */
export async function rowOf(
  { records }: AgentsContext,
  tenant: string,
  id: string,
): Promise<{ row: AgentRow; version: number }> {
  const found = await records.agent(id)
  if (found?.row.tenant !== tenant) throw agentError('agent_not_found')
  return found
}

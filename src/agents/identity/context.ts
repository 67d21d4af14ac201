import type { Now } from '../../protocol/time.js'
import type { RecordStore } from '../../store/contract.js'
import { agentError } from '../errors.js'
import type { AgentEvent } from '../events.js'
import type { AgentRow } from './agent-record.js'
import type { AgentsOptions, AgentTokenIssuer } from './options.js'
import type { Records } from './records.js'
import type { Roles } from './roles.js'

/** What the files of `createAgents` share. */
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

/** The agent of a tenant. For an agent of another tenant the error is the same. @throws SallyportError `agent_not_found` */
export async function rowOf(
  { records }: AgentsContext,
  tenant: string,
  id: string,
): Promise<{ row: AgentRow; version: number }> {
  const stored = await records.agent(id)
  if (stored?.row.tenant !== tenant) throw agentError('agent_not_found')
  return stored
}

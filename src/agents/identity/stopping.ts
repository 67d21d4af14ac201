import { listAllIds } from '../../store/list-all-ids.js'
import { mapConcurrently } from '../../store/map-concurrently.js'
import { agentError } from '../errors.js'
import { type AgentRow, aboveIndex, newEpoch, putRow } from './agent-record.js'
import { type AgentsContext, rowOf } from './context.js'

/** Attempts to write, while others change the same agent. */
const MAX_ATTEMPTS = 5

export function createStopping(context: AgentsContext) {
  const { store, records, ledger, approvals, emit, now } = context

  /** Decommissions one agent, unless it is already. From here on its tokens and those that depend on it are refused. */
  async function end(tenant: string, id: string, reason: string): Promise<void> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const { row, version } = await rowOf(context, tenant, id)
      if (row.decommissionedAt !== undefined) return
      const ended: AgentRow = { ...row, decommissionedAt: now(), reason }
      if (!(await store.write([putRow(ended, version)]))) continue
      emit({ type: 'agent_decommissioned', tenant, agent: id, reason })
      return
    }
    throw agentError('agent_conflict')
  }

  /** Releases the reservations of a decommissioned agent and voids its approvals. */
  async function clear(tenant: string, id: string): Promise<void> {
    const holds = (await ledger?.holds(`agent:${id}`, { tenant })) ?? []
    await mapConcurrently(holds, async (hold) => ledger?.release(hold))
    await approvals?.voidAll({ tenant, agent: id })
  }

  return {
    end,

    async decommission(id: string, { tenant, reason }: { tenant: string; reason: string }): Promise<void> {
      await end(tenant, id, reason)
      // Agents under it are refused already, since their tokens depend on this record. One that is being registered is listed on the
      // next turn, or finds its parent decommissioned.
      const ended = new Set([id])
      for (let before = 0; before < ended.size; ) {
        before = ended.size
        for await (const { id: below } of listAllIds(store, aboveIndex, id)) {
          if (ended.has(below) || !(await records.agent(below))) continue
          await end(tenant, below, `with ${id}`)
          ended.add(below)
        }
      }
      for (const endedId of ended) await clear(tenant, endedId)
    },

    async stop({ tenant, reason = 'stopped' }: { tenant: string; reason?: string }): Promise<void> {
      await records.setStop(tenant, { epoch: newEpoch(), stoppedAt: now(), reason })
      emit({ type: 'agents_stopped', tenant, reason })
      await approvals?.voidAll({ tenant })
    },

    async resume({ tenant }: { tenant: string }): Promise<void> {
      const outcome = await records.setRunning(tenant, newEpoch())
      if (!outcome) throw agentError('agent_conflict')
      if (outcome === true) emit({ type: 'agents_resumed', tenant })
    },

    async stopped({ tenant }: { tenant: string }): Promise<{ at: number; reason: string } | undefined> {
      const { stoppedAt, reason = '' } = (await records.switchOf(tenant)) ?? {}
      return stoppedAt === undefined ? undefined : { at: stoppedAt, reason }
    },
  }
}

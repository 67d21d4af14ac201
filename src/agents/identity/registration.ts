import type { JWK } from 'jose'
import { misuseOf } from '../../protocol/option-checks.js'
import { writeAndConfirm } from '../../store/write-and-confirm.js'
import { agentError } from '../errors.js'
import { readPublicKey } from '../jwk.js'
import { type Budget, exceeds } from '../limits.js'
import { type AgentRecord, type AgentRow, idPattern, newEpoch, putRow, recordOf } from './agent-record.js'
import { type AgentsContext, rowOf } from './context.js'
import { scopesOf } from './roles.js'
import { dependenceOf } from './status.js'

/** A new agent. */
export interface NewAgent<Role extends string> {
  /** Begins with `agent_`, unique in all tenants. Default: a random one. */
  id?: string
  tenant: string
  /** The person or team that is responsible for it. */
  owner: string
  role: Role
  /** The public key of a key pair that only this agent has: P-256 (ES256) or Ed25519 (EdDSA). */
  publicKey: JWK
  budget?: Budget
  /** The agent that it is registered under. It is decommissioned together with it, and has at most its scopes and budget. */
  parent?: string
}

/** What is to be changed of an agent, and whose it is. */
export interface AgentChange {
  tenant: string
  budget?: Budget
  publicKey?: JWK
}

const misuse = misuseOf('agents.register')

/** `end`: ends an agent, unless it has ended already. */
export function createRegistration(
  context: AgentsContext,
  end: (tenant: string, id: string, reason: string) => Promise<void>,
) {
  const { store, records, roles, emit, now } = context

  function validateAgent({ id, role }: NewAgent<string>): void {
    if (id !== undefined && !idPattern.test(id))
      misuse('id', 'must begin with agent_, up to 100 letters, digits, . _ -')
    if (!Object.hasOwn(roles, role)) misuse('role', `names ${role}; there are ${Object.keys(roles).join(', ')}`)
  }

  /** What an agent inherits. @throws SallyportError if it would exceed its parent, or the parent was decommissioned */
  async function inheritFrom(parent: AgentRow, role: string, budget: Budget | undefined) {
    await dependenceOf(records, parent)
    const above = [...parent.above, parent.id]
    if (above.length > context.maxDepth) throw agentError('chain_too_deep')
    const allowed = scopesOf(roles, parent.role)
    if (scopesOf(roles, role).some((scope) => !allowed.includes(scope))) throw agentError('agent_scope_refused')
    if (exceeds(budget ?? {}, parent.budget)) throw agentError('agent_limit_refused')
    return { above, parent: parent.id, ...budgetOf(budget, parent.budget) }
  }

  /** A parent may be decommissioned while its child is written: then the child is decommissioned too. */
  async function validateParent(row: AgentRow): Promise<void> {
    const above = await Promise.all(row.above.map((id) => records.agent(id)))
    if (above.every((ancestor) => ancestor && ancestor.row.decommissionedAt === undefined)) return
    await end(row.tenant, row.id, `with ${row.parent}`)
    throw agentError('agent_ended')
  }

  return {
    async register(request: NewAgent<string>): Promise<AgentRecord> {
      validateAgent(request)
      const { id = `agent_${crypto.randomUUID()}`, tenant, owner, role, budget } = request
      const publicKey = await readPublicKey(request.publicKey)
      const inherited =
        request.parent === undefined
          ? { above: [], ...budgetOf(budget) }
          : await inheritFrom((await rowOf(context, tenant, request.parent)).row, role, budget)
      const row: AgentRow = { id, tenant, owner, role, publicKey, createdAt: now(), epoch: newEpoch(), ...inherited }
      if (!(await writeAndConfirm(store, putRow(row, 'absent')))) throw agentError('agent_exists')
      if (row.parent !== undefined) await validateParent(row)
      emit({ type: 'agent_registered', tenant, agent: id, owner, role, ...(row.parent && { parent: row.parent }) })
      return recordOf(row)
    },

    async update(id: string, { tenant, ...change }: AgentChange): Promise<AgentRecord> {
      const { row, version } = await rowOf(context, tenant, id)
      if (row.decommissionedAt !== undefined) throw agentError('agent_ended')
      const { budget } = change
      const publicKey = change.publicKey && (await readPublicKey(change.publicKey))
      const parent = row.parent === undefined ? undefined : await records.agent(row.parent)
      if (exceeds(budget ?? {}, parent?.row.budget)) throw agentError('agent_limit_refused')
      const changed: AgentRow = {
        ...row,
        ...(budget && budgetOf(budget, parent?.row.budget)),
        ...(publicKey && { publicKey, epoch: newEpoch() }),
      }
      if (!(await writeAndConfirm(store, putRow(changed, version)))) throw agentError('agent_conflict')
      const names = (['budget', 'publicKey'] as const).filter((name) => change[name])
      emit({ type: 'agent_changed', tenant, agent: id, changed: names })
      return recordOf(changed)
    },
  }
}

/** Limits that are left out are the parent's. */
const budgetOf = (own: Budget | undefined, inherited?: Budget): { budget?: Budget } =>
  own || inherited ? { budget: { ...inherited, ...own } } : {}

import { type ApprovedCall, digestOf, type ToolAccessOptions } from 'sallyport/agents'
import type { Principal } from 'sallyport/guard'
import type { RecordStore } from 'sallyport/store'
import { SallyportError } from '../../src/protocol/error.js'

/** The smallest things over a store that `createToolAccess` can be handed for agents, approvals and the audit trail. */
type Approvals = NonNullable<ToolAccessOptions['approvals']>
type Audit = NonNullable<ToolAccessOptions['audit']>

interface Agent {
  role: string
  budget?: { request?: number; day?: number; month?: number; total?: number }
  endedBy?: string
}

export function createRegistry(store: RecordStore) {
  const idOf = (id: string) => ({ kind: 'agent', partition: id, id })
  const put = async (id: string, agent: Agent) => {
    await store.write([{ type: 'put', id: idOf(id), value: JSON.stringify(agent), ifVersion: 'any' }])
  }
  return {
    put,
    async end(id: string, endedBy: string): Promise<void> {
      const stored = await store.get(idOf(id))
      await put(id, { ...JSON.parse(stored?.value ?? '{}'), endedBy })
    },
    async standing({ client_id = '' }: Principal) {
      const stored = await store.get(idOf(client_id))
      const agent: Agent | undefined = stored && JSON.parse(stored.value)
      if (!agent || agent.endedBy) return { ok: false as const, detail: agent?.endedBy ?? 'unknown' }
      return { ok: true as const, agent }
    },
  }
}

interface Approval {
  digest: string
  status: 'pending' | 'approved' | 'consumed'
  expiresAt: number
  kind: string
}

export function createApprovals({ store, now }: { store: RecordStore; now: () => number }) {
  const idOf = (tenant: string, id: string) => ({ kind: 'approval', partition: tenant, id })
  const digest = ({ tenant, agent, sub = '', tool, args, resource = '' }: ApprovedCall) =>
    digestOf({ tenant, agent, sub, tool, args, resource })
  const refused = (code: string, cause?: unknown) => new SallyportError(code, code, { cause })

  async function find(tenant: string, id: string) {
    const stored = await store.get(idOf(tenant, id))
    if (!stored) throw refused('approval_required')
    const approval: Approval = JSON.parse(stored.value)
    return { approval, version: stored.version }
  }
  const put = (tenant: string, id: string, approval: Approval, ifVersion: number | 'absent') =>
    store.write([{ type: 'put', id: idOf(tenant, id), value: JSON.stringify(approval), ifVersion }])

  return {
    async request(call: Parameters<Approvals['request']>[0]) {
      const approval: Approval = {
        digest: await digest(call),
        status: 'pending',
        expiresAt: now() + 300,
        kind: call.kind,
      }
      const id = crypto.randomUUID()
      await put(call.tenant, id, approval, 'absent')
      return { id, code: 'WDJB-MJHT', expiresAt: approval.expiresAt, digest: approval.digest }
    },
    get: async (id: string, { tenant }: { tenant: string }) => (await find(tenant, id)).approval,
    async approve(tenant: string, id: string): Promise<void> {
      const { approval, version } = await find(tenant, id)
      await put(tenant, id, { ...approval, status: 'approved' }, version)
    },
    async verify(id: string, call: ApprovedCall) {
      const { approval, version } = await find(call.tenant, id)
      if (approval.digest !== (await digest(call))) throw refused('approval_mismatch')
      if (now() >= approval.expiresAt) throw refused('approval_expired')
      if (approval.status === 'consumed') throw refused('approval_used')
      if (approval.status === 'pending') throw refused('approval_required')
      return {
        async consume() {
          if (!(await put(call.tenant, id, { ...approval, status: 'consumed' }, version)))
            throw refused('approval_used')
        },
      }
    },
  }
}

export function createAudit(store: RecordStore) {
  const rows: Parameters<Audit['append']>[0][] = []
  return {
    rows,
    async append(row: Parameters<Audit['append']>[0]) {
      const id = { kind: 'audit-row', partition: row.tenant, id: crypto.randomUUID() }
      await store.write([{ type: 'put', id, value: JSON.stringify(row), ifVersion: 'absent' }])
      rows.push(row)
    },
  }
}

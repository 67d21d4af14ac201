import { type AuditEntry, createApprovals as approvalsOf, createAudit as auditOf } from 'sallyport/agents'
import type { Principal } from 'sallyport/guard'
import type { RecordStore } from 'sallyport/store'

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

export function createApprovals({ store, now }: { store: RecordStore; now: () => number }) {
  const approvals = approvalsOf({ store, now })
  return {
    ...approvals,
    async approve(tenant: string, id: string): Promise<void> {
      const approval = await approvals.get(id, { tenant })
      const sub = approval?.kind === 'user' ? `${approval.sub}` : 'root'
      const by: Principal = { method: 'session_cookie', sub, tenant, scopes: ['admin:approve'], claims: {} }
      await approvals.decide(id, { by, approve: true })
    },
  }
}

export function createAudit(store: RecordStore) {
  const audit = auditOf({ store })
  const rows: AuditEntry[] = []
  return {
    rows,
    async append(entry: AuditEntry) {
      const head = await audit.append(entry)
      rows.push(entry)
      return head
    },
  }
}

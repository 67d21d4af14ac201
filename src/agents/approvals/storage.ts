import type { Now } from '../../protocol/time.js'
import type { Put, RecordId, RecordStore } from '../../store/contract.js'
import { mapConcurrently } from '../../store/map-concurrently.js'
import { storedJson } from '../../store/stored-json.js'
import { isSame } from '../people.js'
import { nameOf } from '../record-name.js'
import { type Approval, type Call, isOpen } from './approval.js'

/** As it is kept: the call only once, in its canonical form. */
type Row = Omit<Approval, keyof Call>

export interface StoredApproval {
  approval: Approval
  version: number
}

/** What one agent waits for from one person: ids, in one record, so that no two requests take the last place. */
export interface Queue {
  id: RecordId
  version: number | undefined
  ids: readonly string[]
}

/** Of whom: a tenant, one agent there, one person there. */
export interface Selection {
  tenant: string
  agent?: string
  /** Both or neither. */
  iss?: string
  sub?: string
}

const rows = storedJson<Row>()
/** 0.1.0 wrote the id alone, and the ids. */
const questions = storedJson<{ id: string }>((id) => ({ id }))
const queues = storedJson<{ ids: readonly string[] }>((value) => ({ ids: JSON.parse(value) }))

/** Seconds that an approval is kept after it has expired, so that whoever comes late is told why. */
const KEPT = 86_400
const index = 'approval'

/** Where approvals are kept. All of a tenant lies together: an id of another tenant's is simply not there. */
export function createApprovalStorage(store: RecordStore, now: Now) {
  const idOf = (tenant: string, id: string): RecordId => ({ kind: 'approval', partition: tenant, id })

  function put({ tenant, agent: _, iss: ______, sub: __, tool: ___, args: ____, resource: _____, ...row }: Approval) {
    const ttl = Math.max(1, row.expiresAt - now()) + KEPT
    return { type: 'put', id: idOf(tenant, row.id), value: rows.write(row), ttl } as const
  }

  async function find(id: string, tenant: string | undefined): Promise<StoredApproval | undefined> {
    // What cannot be an id is not looked for: it may come out of a URL.
    if (tenant === undefined || !/^[\w-]{43}$/.test(id)) return undefined
    const stored = await store.get(idOf(tenant, id))
    if (!stored?.value) return undefined
    const row = rows.read(stored.value)
    const call: Call = JSON.parse(row.call)
    const approval: Approval = { ...row, ...call }
    const expired = isOpen(approval) && now() >= row.expiresAt
    return { approval: expired ? { ...approval, status: 'expired' } : approval, version: stored.version }
  }

  /** What waits for an answer to the same question. */
  async function waiting(tenant: string, question: string) {
    const asked = await store.get({ kind: 'approval-question', partition: tenant, id: question })
    const found = asked && (await find(questions.read(asked.value).id, tenant))
    return { version: asked?.version, approval: found?.approval.status === 'pending' ? found.approval : undefined }
  }

  /** As it was noted: some of them may have been decided since. */
  async function queueOf({ tenant, agent, iss = '', sub = '' }: Call): Promise<Queue> {
    const id = { kind: 'approval-queue', partition: tenant, id: await nameOf(agent, iss, sub) }
    const stored = await store.get(id)
    return { id, version: stored?.version, ids: stored ? queues.read(stored.value).ids : [] }
  }

  async function update({ approval, version }: StoredApproval, change: Partial<Approval>): Promise<Approval | undefined> {
    const next = { ...approval, ...change }
    return (await store.write([{ ...put(next), ifVersion: version }])) ? next : undefined
  }

  /** What is listed may have ended long ago, or be of others: look at it. */
  async function page(selection: Selection, cursor?: string, limit?: number) {
    const { tenant, agent, iss, sub } = selection
    if ((iss === undefined) !== (sub === undefined))
      throw new TypeError('approvals: "iss" and "sub" name a person together; one alone may be two people\'s')
    const value = await listOf(agent === undefined ? selection : { tenant, agent })
    const { ids, cursor: next } = await store.list(index, value, {
      ...(cursor !== undefined && { cursor }),
      ...(limit !== undefined && { limit }),
    })
    const entries = await mapConcurrently(ids, async ({ id }) => ({ id, found: await find(id, tenant) }))
    const fits = ({ approval }: StoredApproval) => sub === undefined || isSame(approval, selection)
    return { entries: entries.filter(({ found }) => !found || fits(found)), next }
  }

  return {
    find,
    waiting,
    queueOf,
    /** Takes a step, unless another one was taken meanwhile. */
    update,
    page,

    /** `false`: somebody asks at this moment, the same or for the same agent, or all of this agent's are being taken back. */
    async add(approval: Approval, question: string, version: number | undefined, queue: Queue): Promise<boolean> {
      const { id, tenant, agent, iss = '', sub, expiresAt } = approval
      const selections = [{ tenant }, { tenant, agent }, ...(sub === undefined ? [] : [{ tenant, iss, sub }])]
      const entries = await Promise.all(
        selections.map(async (selection) => ({ index, value: await listOf(selection) })),
      )
      const ttl = Math.max(1, expiresAt - now())
      const name = { kind: 'approval-question', partition: tenant, id: question }
      const asked: Put = { type: 'put', id: name, value: questions.write({ id }), ifVersion: version ?? 'absent', ttl }
      const value = queues.write({ ids: [...queue.ids, id] })
      // As long as any approval can last: those before it may have been given more time than this one.
      const queued: Put = { type: 'put', id: queue.id, value, ifVersion: queue.version ?? 'absent', ttl: KEPT }
      return store.write([{ ...put(approval), ifVersion: 'absent', index: entries }, asked, queued])
    },

    /** Ends what is still open. Resolves to it; `undefined` where another step has ended it first. */
    async end(first: StoredApproval): Promise<Approval | undefined> {
      const { id, tenant } = first.approval
      for (let found: StoredApproval | undefined = first; found && isOpen(found.approval); found = await find(id, tenant)) {
        const ended = await update(found, { status: 'void', endedAt: now() })
        if (ended) return ended
      }
      return undefined
    },

    /**
     * Occupies the place of a request that is on its way: its entry in the list is written before itself. Resolves to the
     * request where it has arrived by now.
     */
    async occupy(id: string, tenant: string): Promise<StoredApproval | undefined> {
      const change: Put = { type: 'put', id: idOf(tenant, id), value: '', ifVersion: 'absent', ttl: KEPT }
      return (await store.write([change])) ? undefined : find(id, tenant)
    },
  }
}

/** Nobody has an empty name. */
const listOf = ({ tenant, agent = '', iss = '', sub = '' }: Selection): Promise<string> =>
  nameOf(tenant, agent, iss, sub)

export type ApprovalStorage = ReturnType<typeof createApprovalStorage>

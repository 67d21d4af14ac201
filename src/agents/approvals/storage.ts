import type { Now } from '../../protocol/time.js'
import type { Put, RecordId, RecordStore } from '../../store/contract.js'
import type { PageOptions } from '../../store/list.js'
import { mapConcurrently } from '../../store/map-concurrently.js'
import { storedJson } from '../../store/stored-json.js'
import { isSame } from '../is-person.js'
import { hashedName } from '../record-name.js'
import { withoutUndefined } from '../without-undefined.js'
import { type Approval, type Call, isOpen } from './approval.js'

/** The stored form: the call only as canonical JSON. */
type Row = Omit<Approval, keyof Call>

export interface StoredApproval {
  approval: Approval
  version: number
}

/** The pending approvals of one agent and person: ids in one record, so that two requests cannot take the last place. */
export interface Queue {
  id: RecordId
  version: number | undefined
  ids: readonly string[]
}

/** A tenant, and there one agent or one person. */
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

/** Seconds for which an expired approval is kept, so that a late use gets the reason. */
const KEPT = 86_400
const index = 'approval'

/** Stores approvals. All of a tenant are in one partition: an id of another tenant is not found. */
export function createApprovalStorage(store: RecordStore, now: Now) {
  const idOf = (tenant: string, id: string): RecordId => ({ kind: 'approval', partition: tenant, id })

  function put({ tenant, agent: _, iss: ______, sub: __, tool: ___, args: ____, resource: _____, ...row }: Approval) {
    const ttl = Math.max(1, row.expiresAt - now()) + KEPT
    return { type: 'put', id: idOf(tenant, row.id), value: rows.write(row), ttl } as const
  }

  async function find(id: string, tenant: string | undefined): Promise<StoredApproval | undefined> {
    // The id may come from a URL: other texts are not looked up.
    if (tenant === undefined || !/^[\w-]{43}$/.test(id)) return undefined
    const stored = await store.get(idOf(tenant, id))
    if (!stored?.value) return undefined
    const row = rows.read(stored.value)
    const call: Call = JSON.parse(row.call)
    const approval: Approval = { ...row, ...call }
    const expired = isOpen(approval) && now() >= row.expiresAt
    return { approval: expired ? { ...approval, status: 'expired' } : approval, version: stored.version }
  }

  /** The pending approval of the same question. */
  async function waiting(tenant: string, question: string) {
    const asked = await store.get({ kind: 'approval-question', partition: tenant, id: question })
    const found = asked && (await find(questions.read(asked.value).id, tenant))
    return { version: asked?.version, approval: found?.approval.status === 'pending' ? found.approval : undefined }
  }

  /** Some of its approvals may have been decided since. */
  async function queueOf({ tenant, agent, iss = '', sub = '' }: Call): Promise<Queue> {
    const id = { kind: 'approval-queue', partition: tenant, id: await hashedName(agent, iss, sub) }
    const stored = await store.get(id)
    return { id, version: stored?.version, ids: stored ? queues.read(stored.value).ids : [] }
  }

  async function update(
    { approval, version }: StoredApproval,
    change: Partial<Approval>,
  ): Promise<Approval | undefined> {
    const next = { ...approval, ...change }
    return (await store.write([{ ...put(next), ifVersion: version }])) ? next : undefined
  }

  /** A page of the list. An entry may have ended, or its record may not be written yet. */
  async function page({ cursor, limit, ...selection }: Selection & PageOptions) {
    const { tenant, agent, iss, sub } = selection
    if ((iss === undefined) !== (sub === undefined))
      throw new TypeError('approvals: "iss" and "sub" name a person together; one alone may be two people\'s')
    const value = await listOf(agent === undefined ? selection : { tenant, agent })
    const listed = await store.list(index, value, withoutUndefined({ cursor, limit }))
    const entries = await mapConcurrently(listed.ids, async ({ id }) => ({ id, found: await find(id, tenant) }))
    const fits = ({ approval }: StoredApproval) => sub === undefined || isSame(approval, selection)
    return { entries: entries.filter(({ found }) => !found || fits(found)), cursor: listed.cursor }
  }

  return {
    find,
    waiting,
    queueOf,
    /** Writes a change, unless there was another one meanwhile. */
    update,
    page,

    /** `false`: another request of the same call or agent is being written, or all of this agent's are being voided. */
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
      // Approvals before this one may last longer than it.
      const queued: Put = { type: 'put', id: queue.id, value, ifVersion: queue.version ?? 'absent', ttl: KEPT }
      return store.write([{ ...put(approval), ifVersion: 'absent', index: entries }, asked, queued])
    },

    /** Voids an open approval. Resolves to it; `undefined` if another step has ended it first. */
    async end(first: StoredApproval): Promise<Approval | undefined> {
      const { id, tenant } = first.approval
      for (
        let found: StoredApproval | undefined = first;
        found && isOpen(found.approval);
        found = await find(id, tenant)
      ) {
        const ended = await update(found, { status: 'void', endedAt: now() })
        if (ended) return ended
      }
      return undefined
    },

    /**
     * Occupies the id of a request that is being written: its entry in the list is there before the record. Resolves to the
     * request if it is there by now.
     */
    async occupy(id: string, tenant: string): Promise<StoredApproval | undefined> {
      const change: Put = { type: 'put', id: idOf(tenant, id), value: '', ifVersion: 'absent', ttl: KEPT }
      return (await store.write([change])) ? undefined : find(id, tenant)
    },
  }
}

/** Nobody has an empty name. */
const listOf = ({ tenant, agent = '', iss = '', sub = '' }: Selection): Promise<string> =>
  hashedName(tenant, agent, iss, sub)

export type ApprovalStorage = ReturnType<typeof createApprovalStorage>

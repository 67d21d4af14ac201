import { isolate } from '../../protocol/isolate.js'
import type { Principal } from '../../protocol/principal.js'
import {
  anyText,
  anything,
  bool,
  func,
  integer,
  list,
  name,
  object,
  oneOf,
  optional,
  type Shape,
  seconds,
  text,
} from '../../protocol/shape.js'
import { type Now, systemNow } from '../../protocol/time.js'
import { callWithTimeout } from '../../protocol/timeout.js'
import { asyncCall, validate, validated } from '../../protocol/validate.js'
import { principalCheck } from '../../protocol/web-shapes.js'
import type { RecordStore } from '../../store/contract.js'
import { storeCheck } from '../../store/engine-shapes.js'
import type { List } from '../../store/list.js'
import { mapConcurrently } from '../../store/map-concurrently.js'
import { agentError } from '../errors.js'
import type { AgentEvent } from '../events.js'
import { isPerson, type PersonTest } from '../people.js'
import { type Approval, type ApprovalKind, type ApprovalRequest, type Call, isCode, isOpen } from './approval.js'
import { type Approver, meetsSignInRules, isRequester, defaultApprovers, requiredSignIn } from './approvers.js'
import type { Refuse } from './context.js'
import { createApprovalRequests } from './request.js'
import { createApprovalStorage, type StoredApproval, type Selection } from './storage.js'
import { createApprovalUse } from './use.js'

export interface ApprovalsOptions {
  /** Where approvals live. `memoryStore()` forgets them with the process. */
  store: RecordStore
  /** Seconds from the request on, within which it must be decided and used. Default 300, at most a day. */
  ttl?: number
  /** How many calls of one agent on behalf of one person may wait at once: who is asked too often looks no more. Default 20. */
  maxPending?: number
  /**
   * Who may decide. Default: in `user` matters the person concerned (`sub` of the call), in `admin` matters whoever has the scope
   * `admin:approve`. Programs, and the requester of an `admin` matter, never get as far as this.
   */
  approvers?: Partial<Record<ApprovalKind, Approver>>
  /**
   * Whether a verified token is a person's, where the provider's access tokens have no `auth_time`: `({ claims }) => claims.idtyp ===
   * 'user'`. Default: it has `auth_time`. Sessions are people's; agents, keys, certificates and clients on their own behalf never are.
   */
  isPerson?: PersonTest
  /** Tells whoever can decide, and has the call to show them. Called when the request is kept, and waited for; it may fail. */
  notify?: (approval: Approval) => void | Promise<void>
  onEvent?: (event: AgentEvent) => void
  now?: Now
}

export const approvalsOptions = object<ApprovalsOptions>({
  store: storeCheck,
  ttl: optional(seconds({ above: 0, most: 86_400 })),
  maxPending: optional(integer({ least: 1, most: 1000 })),
  approvers: optional(object<Partial<Record<ApprovalKind, Approver>>>({ user: optional(func), admin: optional(func) })),
  isPerson: optional(func),
  notify: optional(func),
  onEvent: optional(func),
  now: optional(func),
})

export interface Decision {
  /** Who decides, as a guard has verified. */
  by: Principal
  approve: boolean
  /** What somebody has typed. */
  code?: string
}

export interface PendingQuery extends Selection {
  kind?: ApprovalKind
  cursor?: string
  limit?: number
}

const id = anyText
const selection: Shape<Selection> = {
  tenant: name,
  agent: optional(anyText),
  iss: optional(anyText),
  sub: optional(anyText),
}
/** What is asked for may come from a model: what is in it is answered, its names are the application's. */
const call: Shape<Call> = {
  tenant: anything<string>(),
  agent: anything<string>(),
  iss: anything<string>(),
  sub: anything<string>(),
  tool: anything<string>(),
  args: anything<unknown>(),
  resource: anything<string>(),
  model: anything<string>(),
  estimate: anything<number>(),
}

/** What the functions of `createApprovals(…)` take. */
export const approvalsCalls = {
  request: asyncCall([
    'request',
    object<ApprovalRequest>({
      ...call,
      kind: oneOf('user', 'admin'),
      freshWithin: optional(seconds()),
      acr: optional(list(text)),
    }),
  ]),
  decide: asyncCall(
    ['id', id],
    ['decision', object<Decision>({ by: principalCheck, approve: bool, code: anything<string>() })],
  ),
  verify: asyncCall(['id', anything<string>()], ['call', object<Call>(call)]),
  consume: asyncCall(['id', anything<string>()], ['call', object<Call>(call)]),
  get: asyncCall(['id', id], ['options', object<{ tenant: string }>({ tenant: name })]),
  pending: asyncCall([
    'which',
    object<PendingQuery>({
      ...selection,
      kind: optional(oneOf('user', 'admin')),
      cursor: optional(text),
      limit: optional(integer({ least: 1 })),
    }),
  ]),
  voidAll: asyncCall(['which', object<Selection>(selection)]),
}

export type Approvals = ReturnType<typeof createApprovals>

/** What whoever wants to decide is told. */
const decisionErrors = {
  approved: 'approval_decided',
  denied: 'approval_decided',
  consumed: 'approval_decided',
  void: 'approval_void',
  expired: 'approval_expired',
} as const

/**
 * People decide about what agents want to do. One approval is good for one call, to the letter, once, for minutes.
 *
 * pending → approved or denied → consumed; or void. Each step is a conditional write: of any number at once, in any number of
 * processes, one wins. After a StoreError it is not known whether the step was taken: what was to be done is not done, and asked
 * for again.
 *
 * Not checked: that whoever executes uses the arguments that were approved. Take them from what `consume` resolves to.
 *
 * @throws TypeError naming the option
 */
export function createApprovals(options: ApprovalsOptions) {
  validate('createApprovals', approvalsOptions, options)
  const { store, ttl = 300, maxPending = 20, notify, onEvent, now = systemNow } = options
  const approvers = { ...defaultApprovers, ...options.approvers }
  const storage = createApprovalStorage(store, now)
  const emit = isolate(onEvent)

  const refuse: Refuse = (code, { tenant, agent, approval, by }, cause) => {
    emit({
      type: 'approval_refused',
      code,
      ...(tenant !== undefined && { tenant }),
      ...(agent !== undefined && { agent }),
      ...(approval && { id: approval.id, tenant: approval.tenant, agent: approval.agent }),
      ...(by !== undefined && { by }),
    })
    return agentError(code, cause)
  }

  async function end(stored: StoredApproval, reason: 'mismatch' | 'stopped'): Promise<boolean> {
    const ended = await storage.end(stored)
    if (ended) emit({ type: 'approval_voided', id: ended.id, tenant: ended.tenant, agent: ended.agent, reason })
    return !!ended
  }

  const context = { storage, emit, refuse, now }
  const request = createApprovalRequests({ ...context, ttl, maxPending, notify })
  const verify = createApprovalUse({ ...context, voidApproval: (stored) => end(stored, 'mismatch') })

  const methods = {
    /**
     * Asks for an approval. Whoever asks for the same call again while it waits gets the same one, and nobody is told twice. A call
     * has at most 32,768 characters of canonical JSON.
     *
     * @throws SallyportError `call_invalid`; `approvals_exceeded` while `maxPending` wait; `approval_void` when all of this
     *   agent's are taken back at this moment
     * @throws TypeError naming the field
     */
    request,

    /**
     * Decides, once and in time. `by` is the verified principal of the request; a `code` that somebody has typed is compared.
     *
     * Programs, the agent itself, in `admin` matters the person it acts for, and whoever `approvers` does not name:
     * `approver_refused`. Another tenant's is not there. Who approves needs the sign-in that the request demands, else
     * `insufficient_user_authentication`, whose cause says what would do; who denies does not.
     *
     * @throws TypeError for an `approve` that is neither true nor false
     * @throws SallyportError `approver_refused`, `approval_not_found`, `approval_decided`, `approval_expired`, `approval_void`,
     * `approval_mismatch` (the code), `insufficient_user_authentication`
     */
    async decide(id: string, { by, approve, code }: Decision): Promise<Approval> {
      const about = { by: by.sub, ...(by.tenant !== undefined && { tenant: by.tenant }) }
      // Of no tenant: there is nothing for them to find.
      if (by.tenant === undefined) throw refuse('approval_not_found', about)
      if (!isPerson(by, options.isPerson)) throw refuse('approver_refused', about)
      for (;;) {
        const stored = await storage.find(id, by.tenant)
        if (!stored) throw refuse('approval_not_found', about)
        const { approval } = stored
        const details = { ...about, approval }
        if (isRequester(approval, by) || !(await callWithTimeout(() => approvers[approval.kind](approval, by))))
          throw refuse('approver_refused', details)
        if (approval.status !== 'pending') throw refuse(decisionErrors[approval.status], details)
        if (code !== undefined && !isCode(code, approval.code)) throw refuse('approval_mismatch', details)
        if (approve && !meetsSignInRules(approval, by, now()))
          throw refuse('insufficient_user_authentication', details, requiredSignIn(approval))
        const status = approve ? 'approved' : 'denied'
        const decided = await storage.update(stored, {
          status,
          decidedAt: now(),
          decidedBy: by.sub,
          ...(by.iss !== undefined && { decidedByIss: by.iss }),
        })
        // Whoever was faster has left it in a state that the next turn tells of.
        if (!decided) continue
        const { tenant, agent } = approval
        emit({ type: 'approval_decided', id, tenant, agent, by: by.sub, approved: approve })
        return decided
      }
    },

    /**
     * Whether an approval fits this call and can be used now; using it up is a step of its own, for whoever has other things to
     * look at in between.
     *
     * @throws SallyportError as `consume` does
     */
    verify,

    /**
     * Uses an approval up for exactly this call, directly before it is made. Another call by the same agent for the same person is
     * `approval_mismatch`, and voids it. Nothing of this id, or still undecided: `approval_required`; its cause is what
     * `request` has resolved to, where there is one.
     *
     * @throws SallyportError `approval_required`, `approval_mismatch`, `approval_denied`, `approval_expired`, `approval_used`,
     * `approval_void`, `call_invalid`
     */
    consume: async (id: string, call: Call): Promise<Approval> => (await verify(id, call)).consume(),

    /** One approval of a tenant, whatever became of it, for a day after it has expired. */
    get: async (id: string, { tenant }: { tenant: string }): Promise<Approval | undefined> =>
      (await storage.find(id, tenant))?.approval,

    /** What waits for a decision, a page at a time. A page may hold fewer than `limit`, or nothing, and still have a `cursor`. */
    async pending({ kind, cursor, limit, ...selection }: PendingQuery): Promise<List<Approval>> {
      const { entries, next } = await storage.page(selection, cursor, limit)
      const items = entries
        .flatMap(({ found: stored }) => stored?.approval ?? [])
        .filter((approval) => approval.status === 'pending' && (kind === undefined || approval.kind === kind))
        .sort((a, b) => a.requestedAt - b.requestedAt)
      return { items, ...(next !== undefined && { cursor: next }) }
    },

    /**
     * Takes back all that waits or is approved and unused: an agent that is decommissioned, a person who has signed out, everything
     * in a tenant. What is being decided or used at this moment is either done before or void. Resolves to how many.
     *
     * Stop the agent first: what it asks for afterwards is new.
     */
    async voidAll(selection: Selection): Promise<number> {
      let ended = 0
      // What comes on a page that is behind us is found on the next turn: they end when there is nothing new.
      for (let before = -1; before < ended; ) {
        before = ended
        let cursor: string | undefined
        do {
          const { entries, next } = await storage.page(selection, cursor)
          const done = await mapConcurrently(entries, async ({ id, found: stored }) => {
            const there = stored ?? (await storage.occupy(id, selection.tenant))
            return there && isOpen(there.approval) && end(there, 'stopped')
          })
          ended += done.filter(Boolean).length
          cursor = next
        } while (cursor !== undefined)
      }
      return ended
    },
  }
  return validated('approvals', methods, approvalsCalls)
}

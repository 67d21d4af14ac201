import { emitTo } from '../../protocol/emit-to.js'
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
import { principalCheck } from '../../protocol/web-checks.js'
import type { RecordStore } from '../../store/contract.js'
import { storeCheck } from '../../store/engine-checks.js'
import { type List, type PageOptions, pageShape } from '../../store/list.js'
import { mapConcurrently } from '../../store/map-concurrently.js'
import { agentError } from '../errors.js'
import type { AgentEvent } from '../events.js'
import { isPerson, type PersonTest } from '../is-person.js'
import { withoutUndefined } from '../without-undefined.js'
import { type Approval, type ApprovalKind, type ApprovalRequest, type Call, isCode, isOpen } from './approval.js'
import { type Approver, defaultApprovers, isRequester, meetsSignInRules, requiredSignIn } from './approvers.js'
import type { Refuse } from './context.js'
import { createApprovalRequests } from './request.js'
import { createApprovalStorage, type Selection, type StoredApproval } from './storage.js'
import { createApprovalUse } from './use.js'

export interface ApprovalsOptions {
  /** Keeps approvals. With `memoryStore()` they are lost with the process. */
  store: RecordStore
  /** Seconds from the request until it must be decided and used. Default 300, at most a day. */
  ttl?: number
  /** How many calls of one agent on behalf of one person may wait: people who are asked too often approve without reading. Default 20. */
  maxPending?: number
  /**
   * Who may decide. Default: for `user` the person on whose behalf the call is, for `admin` anybody with the scope `admin:approve`.
   * Programs, and the requester of an `admin` approval, are refused before.
   */
  approvers?: Partial<Record<ApprovalKind, Approver>>
  /**
   * Whether a verified token is a person's, where the provider's access tokens have no `auth_time`: `({ claims }) => claims.idtyp ===
   * 'user'`. Default: it has `auth_time`. Sessions are people's; agents, keys, certificates and clients on their own behalf never are.
   */
  isPerson?: PersonTest
  /** Notifies the people who can decide. Called after the request is stored, and awaited; it may fail. */
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

interface Decision {
  /** The approver, verified by a guard. */
  by: Principal
  approve: boolean
  /** The code that the approver has typed. */
  code?: string
}

interface PendingQuery extends Selection, PageOptions {
  kind?: ApprovalKind
}

const id = anyText
const selection: Shape<Selection> = {
  tenant: name,
  agent: optional(anyText),
  iss: optional(anyText),
  sub: optional(anyText),
}
/** The values may come from a model: `call_invalid` instead of a TypeError. */
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
    object<PendingQuery>({ ...selection, kind: optional(oneOf('user', 'admin')), ...pageShape }),
  ]),
  voidAll: asyncCall(['which', object<Selection>(selection)]),
}

export type Approvals = ReturnType<typeof createApprovals>

/** The error for a decision, by the status of the approval. */
const decisionErrors = {
  approved: 'approval_decided',
  denied: 'approval_decided',
  consumed: 'approval_decided',
  void: 'approval_void',
  expired: 'approval_expired',
} as const

/**
 * People approve calls of agents. An approval is for one exact call, once, for minutes.
 *
 * pending → approved or denied → consumed; or void. Each step is a conditional write: of concurrent ones, in any number of processes,
 * one succeeds. After a StoreError it is not known whether the step was written: do not make the call, request it again.
 *
 * Not checked: that the call is made with the approved arguments. Take them from the result of `consume`.
 *
 * @throws TypeError naming the option
 */
export function createApprovals(options: ApprovalsOptions) {
  validate('createApprovals', approvalsOptions, options)
  const { store, ttl = 300, maxPending = 20, notify, onEvent, now = systemNow } = options
  const approvers = { ...defaultApprovers, ...options.approvers }
  const storage = createApprovalStorage(store, now)
  const emit = emitTo(onEvent)

  const refuse: Refuse = (code, { tenant, agent, approval, by }, cause) => {
    emit({
      type: 'approval_refused',
      code,
      ...withoutUndefined({ tenant, agent, by }),
      ...(approval && { id: approval.id, tenant: approval.tenant, agent: approval.agent }),
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
     * Requests an approval. A second request of the same call gets the pending one, without another notification. A call has at most
     * 32,768 characters of canonical JSON.
     *
     * @throws SallyportError `call_invalid`; `approvals_exceeded` while `maxPending` wait; `approval_void` while all approvals of this
     *   agent are being voided
     * @throws TypeError naming the field
     */
    request,

    /**
     * Approves or denies, once and in time. `by` is the verified principal of the request. A typed `code` is compared.
     *
     * `approver_refused` for programs, the agent itself, for `admin` the person on whose behalf the call is, and everybody whom
     * `approvers` refuses. An approval of another tenant is not found. To approve, the sign-in must meet the rules of the request, else
     * `insufficient_user_authentication`, whose cause says what is required; to deny, any sign-in is enough.
     *
     * @throws TypeError for an `approve` that is neither true nor false
     * @throws SallyportError `approver_refused`, `approval_not_found`, `approval_decided`, `approval_expired`, `approval_void`,
     * `approval_mismatch` (the code), `insufficient_user_authentication`
     */
    async decide(id: string, { by, approve, code }: Decision): Promise<Approval> {
      const about = { by: by.sub, ...(by.tenant !== undefined && { tenant: by.tenant }) }
      // Without a tenant there are no approvals.
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
        // Another decision was faster: the next turn reports its status.
        if (!decided) continue
        const { tenant, agent } = approval
        emit({ type: 'approval_decided', id, tenant, agent, by: by.sub, approved: approve })
        return decided
      }
    },

    /**
     * Whether an approval matches this call and can be used now. `consume()` of the result uses it up, after other checks.
     *
     * @throws SallyportError as `consume` does
     */
    verify,

    /**
     * Uses an approval up for exactly this call, directly before the call is made. Another call of the same agent for the same person
     * is `approval_mismatch`, and voids it. Unknown id or not decided: `approval_required`; its cause is the result of `request`, if
     * there is one.
     *
     * @throws SallyportError `approval_required`, `approval_mismatch`, `approval_denied`, `approval_expired`, `approval_used`,
     * `approval_void`, `call_invalid`
     */
    consume: async (id: string, call: Call): Promise<Approval> => (await verify(id, call)).consume(),

    /** One approval of a tenant, with any status, until a day after it has expired. */
    get: async (id: string, { tenant }: { tenant: string }): Promise<Approval | undefined> =>
      (await storage.find(id, tenant))?.approval,

    /** Pending approvals, a page at a time. A page may have fewer than `limit` entries, or none, and still a `cursor`. */
    async pending({ kind, ...selection }: PendingQuery): Promise<List<Approval>> {
      const { entries, cursor } = await storage.page(selection)
      const items = entries
        .flatMap(({ found: stored }) => stored?.approval ?? [])
        .filter((approval) => approval.status === 'pending' && (kind === undefined || approval.kind === kind))
        .sort((a, b) => a.requestedAt - b.requestedAt)
      return { items, ...(cursor !== undefined && { cursor }) }
    },

    /**
     * Voids all pending and unused approvals of an agent, a person or a tenant. One that is being decided or used at this moment is
     * either done before or void. Resolves to their number.
     *
     * Stop the agent first: it could request new ones.
     */
    async voidAll(selection: Selection): Promise<number> {
      let ended = 0
      // Repeated until a turn finds nothing new: a request may be added to a page that was read before.
      for (let before = -1; before < ended; ) {
        before = ended
        let cursor: string | undefined
        do {
          const page = await storage.page({ ...selection, ...(cursor !== undefined && { cursor }) })
          const done = await mapConcurrently(page.entries, async ({ id, found: stored }) => {
            const there = stored ?? (await storage.occupy(id, selection.tenant))
            return there && isOpen(there.approval) && end(there, 'stopped')
          })
          ended += done.filter(Boolean).length
          cursor = page.cursor
        } while (cursor !== undefined)
      }
      return ended
    },
  }
  return validated('approvals', methods, approvalsCalls)
}

import { randomId } from '../../crypto/hash.js'
import { callWithTimeout } from '../../protocol/timeout.js'
import { mapConcurrently } from '../../store/map-concurrently.js'
import { withoutUndefined } from '../without-undefined.js'
import {
  type Approval,
  type ApprovalRequest,
  type Call,
  newCode,
  type RequestedApproval,
  requestedApproval,
} from './approval.js'
import { questionDigest, readCall } from './call-digest.js'
import type { ApprovalsContext } from './context.js'
import type { Queue } from './storage.js'

interface RequestContext extends ApprovalsContext {
  ttl: number
  maxPending: number
  notify: ((approval: Approval) => void | Promise<void>) | undefined
}

/** Makes requests for approval: one for each call, and at most `maxPending`. */
export function createApprovalRequests({ storage, ttl, maxPending, notify, emit, refuse, now }: RequestContext) {
  /** The queue with room for one more. @throws SallyportError `approvals_exceeded`, its cause says when one of them expires */
  async function withRoom(queue: Queue, { tenant, agent }: Call): Promise<Queue> {
    if (queue.ids.length < maxPending) return queue
    const stored = await mapConcurrently(queue.ids, (id) => storage.find(id, tenant))
    const pending = stored.flatMap((stored) => (stored?.approval.status === 'pending' ? stored.approval : []))
    if (pending.length < maxPending) return { ...queue, ids: pending.map(({ id }) => id) }
    const resetsAt = Math.min(...pending.map(({ expiresAt }) => expiresAt))
    throw refuse('approvals_exceeded', { tenant, agent }, { resetsAt })
  }

  /** Resolves to this approval, or to a pending one of the same call. */
  async function add(approval: Approval): Promise<Approval> {
    const { tenant, digest } = approval
    const question = await questionDigest(digest, approval)
    let seenVersions = ''
    for (;;) {
      const [waiting, queue] = await Promise.all([storage.waiting(tenant, question), storage.queueOf(approval)])
      if (waiting.approval) return waiting.approval
      // No other request was written first: voidAll() has occupied the id of this one.
      const versions = `${waiting.version} ${queue.version}`
      if (versions === seenVersions) throw refuse('approval_void', { tenant })
      seenVersions = versions
      if (await storage.add(approval, question, waiting.version, await withRoom(queue, approval))) return approval
    }
  }

  return async (request: ApprovalRequest): Promise<RequestedApproval> => {
    const { tenant, agent, iss, sub, tool, kind, freshWithin, acr } = request
    const { call, digest } = await readCall(request)
    const approval: Approval = {
      ...(JSON.parse(call) as Call),
      id: randomId(),
      kind,
      code: newCode(),
      call,
      digest,
      status: 'pending',
      requestedAt: now(),
      expiresAt: now() + ttl,
      ...withoutUndefined({ freshWithin, acr: acr && [...acr] }),
    }
    const added = await add(approval)
    const { id } = approval
    if (added.id !== id) return requestedApproval(added)
    emit({ type: 'approval_requested', id, tenant, agent, ...withoutUndefined({ iss, sub }), tool, kind })
    try {
      await callWithTimeout(() => notify?.(approval))
    } catch {
      emit({ type: 'approval_unnotified', id, tenant })
    }
    return requestedApproval(approval)
  }
}

import { isSame } from '../people.js'
import { type Approval, type Call, readCall, requestedApproval } from './approval.js'
import type { ApprovalsContext } from './context.js'
import type { Found } from './storage.js'

/** An approval that fits its call and can be used now. */
export interface VerifiedApproval {
  approval: Approval
  /** Uses it up, for one caller only. @throws SallyportError as `approvals.consume` does */
  consume(): Promise<Approval>
}

/** What whoever wants to use one is told, by its status. */
const unusable = {
  pending: 'approval_required',
  denied: 'approval_denied',
  consumed: 'approval_used',
  void: 'approval_void',
  expired: 'approval_expired',
} as const

interface UseContext extends ApprovalsContext {
  /** Ends what was shown with another call. */
  voidApproval: (found: Found) => Promise<unknown>
}

export function createApprovalUse({ storage, emit, refuse, voidApproval, now }: UseContext) {
  /** An approval that fits, is decided and in time, or the reason why not. */
  async function usable(id: string, call: Call, digest: string): Promise<Found> {
    const { tenant, agent } = call
    const found = await storage.find(id, tenant)
    if (!found) throw refuse('approval_required', { tenant })
    const { approval } = found
    if (approval.digest !== digest) {
      // Shown by whom it was given to, it is spoilt. Others know an id at most, and can spoil nothing by that.
      if (approval.agent === agent && isSame(approval, call)) await voidApproval(found)
      throw refuse('approval_mismatch', { approval })
    }
    if (approval.status === 'approved') return found
    const asked = approval.status === 'pending' ? requestedApproval(approval) : undefined
    throw refuse(unusable[approval.status], { approval }, asked)
  }

  async function take(first: Found, call: Call): Promise<Approval> {
    const { id, digest, tenant, agent } = first.approval
    for (let found = first; ; found = await usable(id, call, digest)) {
      // It may have been read a while ago.
      if (now() >= found.approval.expiresAt) throw refuse('approval_expired', found)
      const used = await storage.update(found, { status: 'consumed', endedAt: now() })
      if (!used) continue
      emit({ type: 'approval_consumed', id, tenant, agent })
      return used
    }
  }

  return async (id: string, call: Call): Promise<VerifiedApproval> => {
    const { digest } = await readCall(call)
    const found = await usable(id, call, digest)
    return { approval: found.approval, consume: () => take(found, call) }
  }
}

import { isSame } from '../is-person.js'
import { type Approval, type Call, requestedApproval } from './approval.js'
import { readCall } from './call-digest.js'
import type { ApprovalsContext } from './context.js'
import type { StoredApproval } from './storage.js'

/** An approval that matches its call and can be used now. */
export interface VerifiedApproval {
  approval: Approval
  /** Uses it up, once. @throws SallyportError as `approvals.consume` does */
  consume(): Promise<Approval>
}

/** The error for the use of an approval, by its status. */
const useErrors = {
  pending: 'approval_required',
  denied: 'approval_denied',
  consumed: 'approval_used',
  void: 'approval_void',
  expired: 'approval_expired',
} as const

interface UseContext extends ApprovalsContext {
  /** Voids an approval that was presented with another call. */
  voidApproval: (stored: StoredApproval) => Promise<unknown>
}

export function createApprovalUse({ storage, emit, refuse, voidApproval, now }: UseContext) {
  /** The approval, if it matches the call and is approved. @throws SallyportError with the reason why not */
  async function usable(id: string, call: Call, digest: string): Promise<StoredApproval> {
    const { tenant, agent } = call
    const stored = await storage.find(id, tenant)
    if (!stored) throw refuse('approval_required', { tenant })
    const { approval } = stored
    if (approval.digest !== digest) {
      // Presented by its own agent, it is voided. Others, who may know its id, cannot void it.
      if (approval.agent === agent && isSame(approval, call)) await voidApproval(stored)
      throw refuse('approval_mismatch', { approval })
    }
    if (approval.status === 'approved') return stored
    const requested = approval.status === 'pending' ? requestedApproval(approval) : undefined
    throw refuse(useErrors[approval.status], { approval }, requested)
  }

  async function consume(first: StoredApproval, call: Call): Promise<Approval> {
    const { id, digest, tenant, agent } = first.approval
    for (let stored = first; ; stored = await usable(id, call, digest)) {
      // It may have expired since it was read.
      if (now() >= stored.approval.expiresAt) throw refuse('approval_expired', stored)
      const used = await storage.update(stored, { status: 'consumed', endedAt: now() })
      if (!used) continue
      emit({ type: 'approval_consumed', id, tenant, agent })
      return used
    }
  }

  return async (id: string, call: Call): Promise<VerifiedApproval> => {
    const { digest } = await readCall(call)
    const stored = await usable(id, call, digest)
    return { approval: stored.approval, consume: () => consume(stored, call) }
  }
}

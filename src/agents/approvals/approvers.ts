import type { Principal } from '../../protocol/principal.js'
import { isRecent } from '../../protocol/time.js'
import { isSame } from '../is-person.js'
import type { Approval, ApprovalKind } from './approval.js'

/** Whether a person may decide. Called only for signed-in people of the tenant. */
export type Approver = (approval: Approval, by: Principal) => boolean | Promise<boolean>

export const defaultApprovers: Readonly<Record<ApprovalKind, Approver>> = {
  user: (approval, by) => isSame(by, approval),
  admin: (_approval, by) => by.scopes.includes('admin:approve'),
}

/** Whether the caller is the requester: the agent, or for `admin` also the person on whose behalf the agent acts. */
export const isRequester = (approval: Approval, by: Principal): boolean => {
  const { kind, agent } = approval
  return by.client_id === agent || by.sub === agent || (kind === 'admin' && isSame(by, approval))
}

/** Whether the sign-in is strong and recent enough for this approval. */
export function meetsSignInRules({ freshWithin, acr }: Approval, { claims }: Principal, now: number): boolean {
  if (freshWithin !== undefined && !isRecent(claims['auth_time'], freshWithin, now)) return false
  return acr === undefined || acr.some((accepted) => accepted === claims['acr'])
}

/** The required sign-in, as parameters of a challenge. @see RFC 9470 section 3 */
export const requiredSignIn = ({ freshWithin, acr }: Approval): { acr_values?: string; max_age?: number } => ({
  ...(acr && { acr_values: acr.join(' ') }),
  ...(freshWithin !== undefined && { max_age: freshWithin }),
})

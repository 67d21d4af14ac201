import { callWithTimeout } from '../../protocol/timeout.js'
import { ProviderError } from '../errors.js'
import type { ProviderSettings } from '../settings.js'
import type { IdTokenClaims } from './id-token.js'

/**
 * Requires that the tenant of a verified ID Token may sign in: its `tid` is on the list, or the function says `true`.
 *
 * @throws ProviderError `id_token_invalid`; `temporarily_unavailable` if the function throws, or takes too long
 */
export async function requireTenant(
  claims: IdTokenClaims,
  { tenants, timeout, emit }: Pick<ProviderSettings, 'tenants' | 'timeout' | 'emit'>,
): Promise<void> {
  if (tenants === undefined) return
  const tid = `${claims['tid']}`
  if (await isAllowed()) return
  emit({ type: 'id_token_refused', claim: 'tid', detail: `the tenant ${tid} may not sign in` })
  throw new ProviderError('id_token_invalid', { claim: 'tid', description: 'This tenant may not sign in here.' })

  async function isAllowed(): Promise<boolean> {
    if (typeof tenants !== 'function') return tenants?.includes(tid) === true
    try {
      return (await callWithTimeout(() => tenants(tid, claims), timeout)) === true
    } catch (cause) {
      emit({ type: 'operator_error', detail: 'The function "tenants" failed, so nobody of its provider can sign in' })
      throw new ProviderError('temporarily_unavailable', {
        description: 'It cannot be decided now whether this tenant may sign in.',
        cause,
      })
    }
  }
}

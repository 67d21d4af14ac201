import * as oidc from 'openid-client'
import type { ProviderConfiguration } from './configuration.js'
import { answerFromError } from './openid-client-errors.js'

/** Revokes a refresh token. Never rejects. @see RFC 7009 section 2 */
export async function revoke(
  refresh_token: string,
  { metadata, configuration }: ProviderConfiguration,
): Promise<'done' | 'refused' | 'unreachable'> {
  try {
    if (!(await metadata()).revocation_endpoint) return 'done'
    await oidc.tokenRevocation(await configuration(), refresh_token, { token_type_hint: 'refresh_token' })
    return 'done'
  } catch (error) {
    // openid-client accepts 200 only; some providers respond with 204.
    const { cause } = error as { cause?: unknown }
    if (cause instanceof Response && cause.ok) return 'done'
    const answer = answerFromError(error)
    return answer.type === 'error' && answer.status < 500 ? 'refused' : 'unreachable'
  }
}

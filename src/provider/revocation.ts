import * as oidc from 'openid-client'
import type { ProviderConfiguration } from './configuration.js'
import { answerOf } from './openid-client-errors.js'

/** Revokes a refresh token, best effort: never rejects, says what came of it. @see RFC 7009 section 2 */
export async function revoke(
  refresh_token: string,
  { metadata, configuration }: ProviderConfiguration,
): Promise<'done' | 'refused' | 'unreachable'> {
  try {
    if (!(await metadata()).revocation_endpoint) return 'done'
    await oidc.tokenRevocation(await configuration(), refresh_token, { token_type_hint: 'refresh_token' })
    return 'done'
  } catch (error) {
    // openid-client takes nothing but 200 for a success; providers answer 204 as well.
    const { cause } = error as { cause?: unknown }
    if (cause instanceof Response && cause.ok) return 'done'
    const answer = answerOf(error)
    return answer.type === 'error' && answer.status < 500 ? 'refused' : 'unreachable'
  }
}

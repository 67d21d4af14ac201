import * as oidc from 'openid-client'
import type { ProviderConfiguration } from './configuration.js'
import { isTemporary } from './failures/failure.js'
import type { FailureReports } from './failures/report.js'

/** `detail` is for the operator. */
export type Revocation =
  | { readonly result: 'done' }
  | { readonly result: 'refused' | 'unreachable'; readonly detail: string }

/** Revokes a refresh token. Never rejects. @see RFC 7009 section 2 */
export async function revoke(
  refresh_token: string,
  { metadata, configuration }: ProviderConfiguration,
  failures: FailureReports,
): Promise<Revocation> {
  try {
    if (!(await metadata()).revocation_endpoint) return { result: 'done' }
    await oidc.tokenRevocation(await configuration(), refresh_token, { token_type_hint: 'refresh_token' })
    return { result: 'done' }
  } catch (error) {
    // openid-client accepts 200 only; some providers respond with 204.
    const { cause } = error as { cause?: unknown }
    if (cause instanceof Response && cause.ok) return { result: 'done' }
    const failure = failures.failureAt(error, 'revocation')
    return { result: isTemporary(failure) ? 'unreachable' : 'refused', detail: failure.detail }
  }
}

import * as oidc from 'openid-client'
import type { ProviderConfiguration } from './configuration.js'
import type { FailureReports } from './failures/report.js'
import type { ProviderAnswer } from './refresh-outcome.js'
import { type RequireUsable, tokenMembers } from './token-response.js'

/** Requests an access token for the client itself. Never rejects: a failure is part of the answer. @see RFC 6749 section 4.4 */
export async function clientCredentials(
  parameters: URLSearchParams,
  { configuration, proofs }: ProviderConfiguration,
  failures: FailureReports,
  requireUsable: RequireUsable,
): Promise<ProviderAnswer> {
  try {
    const config = await configuration()
    const tokens = await oidc.clientCredentialsGrant(config, parameters, await proofs(config))
    requireUsable(tokens)
    return { type: 'tokens', ...tokenMembers(tokens) }
  } catch (error) {
    return failures.failureAt(error, 'token')
  }
}

import * as oidc from 'openid-client'
import type { Dpop } from './client/dpop.js'
import { clientCredentials } from './client-credentials-grant.js'
import { type CodeGrantRequest, redeemCode } from './code-grant.js'
import { createProviderConfiguration, signInMembers } from './configuration.js'
import { ProviderError } from './errors.js'
import { readable } from './failures/provider-text.js'
import { createFailureReports } from './failures/report.js'
import { createIssuer } from './issuer.js'
import { createProviderKeys } from './jwt/provider-keys.js'
import { authorizationUrl } from './pushed-authorization-request.js'
import { prepareRefresh } from './refresh-grant.js'
import { revoke } from './revocation.js'
import type { ProviderSettings } from './settings.js'
import { createUsableCheck } from './token-response.js'
import { userinfo } from './userinfo.js'

export type Provider<Settings extends ProviderSettings = ProviderSettings> = ReturnType<typeof createProvider<Settings>>

/**
 * Requests to one provider, as its client. `required`: the members that its metadata document must have. Creating it makes no
 * request.
 */
export function createProvider<Settings extends ProviderSettings>(
  settings: Settings,
  dpop: Pick<Dpop, 'keyPair'> | undefined,
  required: typeof signInMembers = signInMembers,
) {
  const provider = createProviderConfiguration(settings, dpop, required)
  const { metadata, configuration, known } = provider
  const failures = createFailureReports(settings, known)
  const tokenType = dpop ? 'DPoP' : 'Bearer'
  const requireUsable = createUsableCheck(settings, tokenType, () => failures.endpoint('token'))
  const keys = createProviderKeys(settings, metadata, failures)
  const issuer = createIssuer(settings)

  /** Checks `iss` of an authorization response. @throws ProviderError `issuer_mismatch` @see RFC 9207 section 2.4 */
  async function requireIssuer(iss: string | undefined): Promise<void> {
    const { authorization_response_iss_parameter_supported: issRequired } = await metadata()
    if (iss === undefined ? !issRequired : issuer.matches(iss)) return
    const named = iss === undefined ? 'has no "iss"' : `is from "${readable(iss)}"`
    const detail = `The authorization response ${named}, but the option "issuer" is "${settings.issuer}"`
    throw new ProviderError('issuer_mismatch', { detail })
  }

  return {
    /** The settings for this provider: its issuer, and this client there. */
    settings,
    metadata,
    known,
    keys,
    /** Whether an `iss` is of this provider. */
    isIssuer: issuer.matches,
    requireIssuer,

    /** The URL of the authorization request. @throws ProviderError */
    authorizationUrl: (parameters: URLSearchParams) => authorizationUrl(parameters, provider, failures),

    /** @throws ProviderError */
    async redeem(request: CodeGrantRequest) {
      await requireIssuer(request.iss)
      return redeemCode(request, settings, provider, keys, failures, requireUsable)
    },

    userinfo: (access_token: string, subject: { iss: string; sub: string }) =>
      userinfo(access_token, subject, settings, provider, keys, failures),

    prepareRefresh: () => prepareRefresh(settings, provider, keys, failures, tokenType),

    clientCredentials: (parameters: URLSearchParams) =>
      clientCredentials(parameters, provider, failures, requireUsable),

    revoke: (refresh_token: string) => revoke(refresh_token, provider, failures),

    /** `undefined` if the provider has no end-session endpoint. @see OpenID Connect RP-Initiated Logout 1.0 section 2 */
    async endSessionUrl(parameters: Record<string, string>): Promise<string | undefined> {
      if (!(await metadata()).end_session_endpoint) return undefined
      return oidc.buildEndSessionUrl(await configuration(), parameters).href
    },
  }
}

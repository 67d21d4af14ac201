import * as oidc from 'openid-client'
import type { Dpop } from './client/dpop.js'
import { clientCredentials } from './client-credentials-grant.js'
import { type CodeGrantRequest, redeemCode } from './code-grant.js'
import { createProviderConfiguration } from './configuration.js'
import { ProviderError } from './errors.js'
import { createProviderFaults } from './faults.js'
import { createIssuer } from './issuer.js'
import { createProviderKeys } from './jwt/provider-keys.js'
import { authorizationUrl } from './pushed-authorization-request.js'
import { prepareRefresh } from './refresh-grant.js'
import { revoke } from './revocation.js'
import type { ProviderSettings } from './settings.js'
import { createUsableCheck } from './token-response.js'
import { userinfo } from './userinfo.js'

export type Provider<Settings extends ProviderSettings = ProviderSettings> = ReturnType<typeof createProvider<Settings>>

/** Requests to one provider, as its client. Creating it makes no request. */
export function createProvider<Settings extends ProviderSettings>(
  settings: Settings,
  dpop: Pick<Dpop, 'keyPair'> | undefined,
) {
  const provider = createProviderConfiguration(settings, dpop)
  const { metadata, configuration, known } = provider
  const faults = createProviderFaults(settings)
  const required = dpop ? 'DPoP' : 'Bearer'
  const requireUsable = createUsableCheck(settings, required)
  const keys = createProviderKeys(settings, metadata)
  const issuer = createIssuer(settings)

  /** Checks `iss` of an authorization response. @throws ProviderError `issuer_mismatch` @see RFC 9207 section 2.4 */
  async function requireIssuer(iss: string | undefined): Promise<void> {
    const { authorization_response_iss_parameter_supported: required } = await metadata()
    if (iss === undefined ? required : !issuer.matches(iss)) throw new ProviderError('issuer_mismatch')
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
    authorizationUrl: (parameters: URLSearchParams) => authorizationUrl(parameters, provider, faults),

    /** @throws ProviderError */
    async redeem(request: CodeGrantRequest) {
      await requireIssuer(request.iss)
      return redeemCode(request, settings, provider, keys, faults, requireUsable)
    },

    userinfo: (access_token: string, subject: { iss: string; sub: string }) =>
      userinfo(access_token, subject, settings, provider, keys),

    prepareRefresh: () => prepareRefresh(settings, provider, keys, required),

    clientCredentials: (parameters: URLSearchParams) => clientCredentials(parameters, provider, requireUsable),

    revoke: (refresh_token: string) => revoke(refresh_token, provider),

    /** `undefined` if the provider has no end-session endpoint. @see OpenID Connect RP-Initiated Logout 1.0 section 2 */
    async endSessionUrl(parameters: Record<string, string>): Promise<string | undefined> {
      if (!(await metadata()).end_session_endpoint) return undefined
      return oidc.buildEndSessionUrl(await configuration(), parameters).href
    },
  }
}

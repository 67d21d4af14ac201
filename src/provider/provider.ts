import * as oidc from 'openid-client'
import type { Dpop } from './client/dpop.js'
import { clientCredentials } from './client-credentials-grant.js'
import { type Redemption, redeemCode } from './code-grant.js'
import { createProviderConfiguration } from './configuration.js'
import { ProviderError } from './errors.js'
import { createProviderFaults } from './faults.js'
import { authorizationUrl } from './pushed-authorization-request.js'
import { prepareRefresh } from './refresh-grant.js'
import { revoke } from './revocation.js'
import type { ProviderSettings } from './settings.js'
import { usableBy } from './token-response.js'
import { userinfo } from './userinfo.js'

export type Provider<Settings extends ProviderSettings = ProviderSettings> = ReturnType<typeof createProvider<Settings>>

/** What is asked of one provider as its client. Nothing is fetched until something is asked. */
export function createProvider<Settings extends ProviderSettings>(
  settings: Settings,
  dpop: Pick<Dpop, 'pair'> | undefined,
) {
  const provider = createProviderConfiguration(settings, dpop)
  const { metadata, configuration, known } = provider
  const faults = createProviderFaults(settings)
  const requireUsable = usableBy(settings, dpop ? 'DPoP' : 'Bearer')

  /** @throws ProviderError `issuer_mismatch` for a response of another issuer, or of none where it says who it is. @see RFC 9207 */
  async function requireIssuer(iss: string | undefined): Promise<void> {
    const { authorization_response_iss_parameter_supported: says } = await metadata()
    if (iss === undefined ? says : iss !== settings.issuer) throw new ProviderError('issuer_mismatch')
  }

  return {
    /** As of this provider: its issuer, and this client there. */
    settings,
    metadata,
    known,
    requireIssuer,

    /** Where to send the person. @throws ProviderError */
    authorizationUrl: (parameters: URLSearchParams) => authorizationUrl(parameters, provider, faults),

    /** @throws ProviderError */
    async redeem(redemption: Redemption) {
      await requireIssuer(redemption.iss)
      return redeemCode(redemption, settings, provider, faults, requireUsable)
    },

    userinfo: (access_token: string, sub: string) => userinfo(access_token, sub, settings, provider),

    prepareRefresh: () => prepareRefresh(settings, provider, requireUsable),

    clientCredentials: (parameters: URLSearchParams) => clientCredentials(parameters, provider, requireUsable),

    revoke: (refresh_token: string) => revoke(refresh_token, provider),

    /** `undefined` where there is no end-session endpoint. @see OpenID Connect RP-Initiated Logout 1.0 section 2 */
    async endSessionUrl(parameters: Record<string, string>): Promise<string | undefined> {
      if (!(await metadata()).end_session_endpoint) return undefined
      return oidc.buildEndSessionUrl(await configuration(), parameters).href
    },
  }
}

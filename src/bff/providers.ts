import type { Dpop } from '../provider/client/dpop.js'
import { createProvider, type Provider as ProviderWith } from '../provider/provider.js'
import type { Revocation } from '../provider/revocation.js'
import { shortId } from './events.js'
import type { Settings } from './settings.js'

/** A provider, with the settings of this backend for it. */
export type Provider = ProviderWith<Settings>

interface SessionOfProvider {
  readonly id: string
  readonly iss: string
  readonly client_id: string
  readonly refresh_token?: string | undefined
}

/** The configured providers. A token of one provider is never sent to another. */
export interface Providers {
  /** The default. */
  readonly main: Provider
  readonly all: readonly Provider[]
  /** Compared as a string, or with the template of many tenants; `undefined` if it is not configured. */
  byIssuer(issuer: string): Provider | undefined
  /** The provider of a session, by issuer and client; `undefined` if it is not configured any more. */
  forSession(session: Pick<SessionOfProvider, 'iss' | 'client_id'>): Provider | undefined
  /** Revokes the refresh token of a session. Never rejects; emits `revocation_failed`. */
  revoke(session: SessionOfProvider): Promise<Revocation['result'] | undefined>
}

/** @see RFC 9700 section 4.4.2 */
export function createProviders(settings: Settings, dpop: Dpop | undefined): Providers {
  const main = createProvider(settings, dpop)
  const others = [...settings.issuers].map(([name, client]) => {
    const redirect_uris = settings.redirect_uris.map((uri) => `${uri}/${name}`)
    return createProvider({ ...settings, ...client, redirect_uris }, dpop)
  })
  const all = [main, ...others]
  const providersByIssuer = new Map(all.map((provider) => [provider.settings.issuer, provider]))
  const byIssuer = (iss: string) => providersByIssuer.get(iss) ?? all.find(({ isIssuer }) => isIssuer(iss))
  const forSession: Providers['forSession'] = ({ iss, client_id }) => {
    const provider = byIssuer(iss)
    return provider?.settings.client_id === client_id ? provider : undefined
  }
  return {
    main,
    all,
    byIssuer,
    forSession,
    async revoke({ id, refresh_token, ...session }) {
      if (refresh_token === undefined) return 'done'
      const revocation = await forSession(session)?.revoke(refresh_token)
      const { result, detail } = (revocation ?? {}) as Partial<Revocation & { detail: string }>
      if (result !== 'done')
        settings.emit({ type: 'revocation_failed', session: shortId(id), ...(detail !== undefined && { detail }) })
      return result
    },
  }
}

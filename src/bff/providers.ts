import type { Dpop } from '../provider/client/dpop.js'
import { createProvider, type Provider as ProviderWith } from '../provider/provider.js'
import type { Settings } from './settings.js'

/** One provider, with this backend's settings there. */
export type Provider = ProviderWith<Settings>

/** The providers that people sign in at. Nothing that one of them has issued is ever sent to another. */
export interface Providers {
  /** The one that is meant where none is named. */
  readonly main: Provider
  readonly all: readonly Provider[]
  /** By issuer, compared as a string; `undefined`: not, or no more, configured. */
  byIssuer(issuer: string): Provider | undefined
  /** That of a session: its issuer, for the client that it was made by. `undefined`: not, or no more, configured. */
  forSession(session: { readonly iss: string; readonly client_id: string }): Provider | undefined
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
  return {
    main,
    all,
    byIssuer: (issuer) => providersByIssuer.get(issuer),
    forSession({ iss, client_id }) {
      const provider = providersByIssuer.get(iss)
      return provider?.settings.client_id === client_id ? provider : undefined
    },
  }
}

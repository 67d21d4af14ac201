import type { Settings } from '../bff/settings.js'

/** What a provider has to be known by. `none`: a public client. */
export type ProviderSettings = Pick<
  Settings,
  | 'issuer'
  | 'client_id'
  | 'credential'
  | 'timeout'
  | 'emit'
  | 'now'
  | 'fetch'
  | 'idTokenAlgs'
  | 'clockTolerance'
  | 'userinfo_signed_response_alg'
> & { clientAuthentication: Settings['clientAuthentication'] | 'none' }

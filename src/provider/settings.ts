import type { Now } from '../protocol/time.js'
import type { Client } from './client/client.js'
import type { ProviderEvent } from './events.js'

/** How to talk to one provider. */
export interface ProviderSettings extends Omit<Client, 'clientAuthentication'> {
  /** `none`: a public client. */
  readonly clientAuthentication: Client['clientAuthentication'] | 'none'
  /** Accepted signature algorithms. */
  readonly idTokenAlgs: readonly string[]
  /** Of a signed UserInfo response; `undefined` for JSON. */
  readonly userinfo_signed_response_alg: string | undefined
  /** Seconds by which clocks may differ. */
  readonly clockTolerance: number
  /** Seconds to wait for a response. */
  readonly timeout: number
  readonly fetch: typeof globalThis.fetch
  readonly now: Now
  readonly emit: (event: ProviderEvent) => void
}

import type { Now } from '../protocol/time.js'
import type { Client } from './client/client.js'
import type { ProviderEvent } from './events.js'

/** What a provider has to be known by. */
export interface ProviderSettings extends Omit<Client, 'clientAuthentication'> {
  /** `none`: a public client. */
  readonly clientAuthentication: Client['clientAuthentication'] | 'none'
  /** Signature algorithms that are accepted. */
  readonly idTokenAlgs: readonly string[]
  /** For a signed UserInfo response; `undefined` for JSON. */
  readonly userinfo_signed_response_alg: string | undefined
  /** Seconds by which clocks may differ. */
  readonly clockTolerance: number
  /** Seconds that an answer is waited for. */
  readonly timeout: number
  readonly fetch: typeof globalThis.fetch
  readonly now: Now
  readonly emit: (event: ProviderEvent) => void
}

import type { SignedOutReason } from '../protocol/session.js'
import type { ProviderEvent } from '../provider/events.js'
import type { BffErrorCode } from './errors.js'

/**
 * What happened, for audit, metrics and rate limits. No token, code, cookie, key or whole session id is in one; `session`
 * is the first eight characters of the id, enough to tell lines of one session together.
 */
export type BffEvent =
  | ProviderEvent
  | { type: 'signed_in'; iss: string; sub: string; session: string }
  /** The provider answered an authorization request of the backend's with this error; `unknown` for none of OAuth's form. */
  | { type: 'sign_in_refused'; error: string }
  | { type: 'signed_out'; iss: string; sub: string; session: string; reason: SignedOutReason }
  | { type: 'token_refreshed'; session: string; resource: readonly string[]; scope: string }
  /** `outcome`: what is known of it. `unknown` means that the provider may have spent the refresh token. */
  | {
      type: 'refresh_failed'
      session: string
      outcome: 'refused' | 'unavailable' | 'unknown'
      status: number
      error?: string
    }
  | { type: 'revocation_failed'; session: string }
  /** The provider has signed somebody out, over this channel; so many sessions ended. */
  | { type: 'provider_logout'; channel: 'back' | 'front'; sessions: number }
  | { type: 'request_refused'; error: BffErrorCode; method: string; path: string; detail?: string }
  | { type: 'cookie_refused'; detail: 'duplicate' | 'unreadable' | 'parts' }
  /** An API behind the proxy cannot be reached, or took too long. */
  | { type: 'upstream_failed'; route: string }
  /** The provider issued a token for another of `resources` than these: it goes nowhere. */
  | { type: 'resource_ignored'; resource: readonly string[] }
  /** The limiter of `rateLimits` does not answer: it is not asked, and nobody is held up. */
  | { type: 'limiter_unavailable' }
  /** Once per process: addresses say nothing here, so anonymous requests are not limited. */
  | { type: 'address_limit_off'; remedy: string }
  /** The session store does not answer, or took too long; nothing is lost by it. */
  | { type: 'store_unavailable'; detail: string }
  /** Once per process: the store's server is set up to lose what it has acknowledged. */
  | { type: 'store_warning'; detail: string }
  /** Once per process: sessions end with their first access token. */
  | { type: 'no_refresh_token'; remedy: string }

export type Emit = (event: BffEvent) => void

/** What an event may say of a session id. */
export const shortId = (id: string): string => id.slice(0, 8)

/** That sessions end with their first access token is said once per process: it is a matter of configuration. */
export function noRefreshTokenOnce(emit: Emit): () => void {
  let said = false
  return () => {
    if (said) return
    said = true
    emit({
      type: 'no_refresh_token',
      remedy: 'Add offline_access to "scope", or allow refresh tokens for this client at the provider',
    })
  }
}

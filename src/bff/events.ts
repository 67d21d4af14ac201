import type { SignedOutReason } from '../protocol/session.js'
import type { ProviderEvent } from '../provider/events.js'
import type { BffErrorCode } from './errors.js'

/**
 * What happened, for audit, metrics and rate limits. Events contain no token, code, cookie, key or whole session id. `session` is
 * the first eight characters of the session id, to correlate events.
 */
export type BffEvent =
  | ProviderEvent
  | { type: 'signed_in'; iss: string; sub: string; session: string }
  /**
   * In proxy mode: the `error` of the authorization response; `unknown` if it is not an OAuth error code. `detail`: its
   * `error_description`, which the browser could have changed.
   */
  | { type: 'sign_in_refused'; error: string; detail?: string }
  | { type: 'signed_out'; iss: string; sub: string; session: string; reason: SignedOutReason }
  | { type: 'token_refreshed'; session: string; resource: readonly string[]; scope: string }
  /** `unavailable`: the provider did not process the request. `unknown`: the refresh token may be used up. */
  | {
      type: 'refresh_failed'
      session: string
      outcome: 'refused' | 'unavailable' | 'unknown'
      /** 0: there was no response. */
      status: number
      error?: string
      /** The endpoint, the response, and what the provider says: at most 200 characters, what looks like a secret is masked. */
      detail?: string
    }
  | { type: 'revocation_failed'; session: string; detail?: string }
  /** The provider has ended this number of sessions. */
  | { type: 'provider_logout'; channel: 'back' | 'front'; sessions: number }
  /** `detail`: what was wrong, if there is more to say than the code does. */
  | { type: 'request_refused'; error: BffErrorCode; method: string; path: string; detail?: string }
  | { type: 'cookie_refused'; detail: 'duplicate' | 'unreadable' | 'parts' }
  /** The API of a route is down, or did not respond in time. */
  | { type: 'upstream_failed'; route: string }
  /** The provider issued a token for another resource than these. It is not used. */
  | { type: 'resource_ignored'; resource: readonly string[] }
  /** The limiter of `rateLimits` does not respond: the request is served without it. */
  | { type: 'limiter_unavailable' }
  /** Once per process: addresses are private or missing, so anonymous requests are not limited. */
  | { type: 'address_limit_off'; remedy: string }
  /** The session store is down, or did not respond in time. No session is lost. */
  | { type: 'store_unavailable'; detail: string }
  /** Once per process: the configuration of the store’s server can lose acknowledged writes. */
  | { type: 'store_warning'; detail: string }
  /** Once per process and provider: there is no refresh token, so sessions end with their first access token. */
  | { type: 'no_refresh_token'; issuer: string; remedy: string }

export type Emit = (event: BffEvent) => void

/** The part of a session id that events contain. */
export const shortId = (id: string): string => id.slice(0, 8)

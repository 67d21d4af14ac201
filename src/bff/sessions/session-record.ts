import type { SignedOutReason } from '../../protocol/session.js'
import type { EpochSeconds } from '../../protocol/time.js'

/** A session as it is kept: in a sealed cookie, or in a store. */
export interface SessionRecord {
  /** 256 random bits: of a sealed session its own secret, of a stored one the digest of what the cookie holds. */
  readonly id: string
  /** Counts the refreshes of this session: spending the refresh token of generation g makes g + 1. */
  readonly generation: number
  readonly iss: string
  /** The client that the tokens were issued to. */
  readonly client_id: string
  readonly sub: string
  /** The provider's own session. @see OpenID Connect Front-Channel Logout 1.0 section 3 */
  readonly sid?: string
  /** What the page may see. */
  readonly claims: Readonly<Record<string, unknown>>
  /** How and when the person signed in, where the ID Token says so; nothing else of it is kept. @see RFC 9470 */
  readonly acr?: string
  readonly auth_time?: EpochSeconds
  readonly refresh_token?: string
  /** As granted, and for which resources: the session's default token. */
  readonly scope: string
  readonly resource: readonly string[]
  readonly created: EpochSeconds
  /** The absolute end. */
  readonly expires: EpochSeconds
  /** With a store: the last use that the record knows of; later ones have a record of their own. */
  readonly touched?: EpochSeconds
  /** With a store: the browser that signed in, as it calls itself. */
  readonly user_agent?: string
}

/** What a sign-in brings. */
export type NewSession = Omit<SessionRecord, 'id' | 'generation' | 'touched' | 'user_agent'>

/** An access token in the memory of this process. */
export interface AccessToken {
  readonly access_token: string
  readonly scope: string
  readonly obtained: EpochSeconds
  /** The process by whose clocks that is, and its monotonic one, in seconds. */
  readonly by?: string
  readonly tick?: number
  /** Seconds that it was good for when it came. */
  readonly lifetime: number
}

/** Which token a page asks for. */
export interface RequestedToken {
  /** Sorted; empty for the session's default. */
  resource: readonly string[]
  /** Sorted tokens joined by a space; empty for what the resource's default is. */
  scope: string
  /** Seconds; at most half of a token's lifetime counts. */
  minValidity: number
  /** SHA-256 of a token that an API refused, base64url. */
  refused?: string | undefined
}

/** What became of a wish for a token. */
export type TokenOutcome =
  | { type: 'token'; token: AccessToken }
  /** The session is over. */
  | { type: 'ended'; reason: SignedOutReason }
  /** Not now; the session is kept. `retryAfter` in seconds. */
  | { type: 'not_now'; error: 'temporarily_unavailable' | 'operator_error' | 'refresh_race'; retryAfter: number }
  /** The provider refuses this scope or resource; the session is kept. */
  | { type: 'refused'; error: 'invalid_scope' | 'invalid_target' | 'interaction_required'; description?: string }

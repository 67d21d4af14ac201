import type { SignedOutReason } from '../../protocol/session.js'
import type { EpochSeconds } from '../../protocol/time.js'

/** A session as it is stored: in a sealed cookie, or in a store. Do not rename members: older releases read them. */
export interface SessionRecord {
  /** 256 random bits. With a store: the digest of the random bits in the cookie. */
  readonly id: string
  /** The number of refreshes of this session. */
  readonly generation: number
  readonly iss: string
  /** The client that got the tokens. */
  readonly client_id: string
  readonly sub: string
  /** The session at the provider. @see OpenID Connect Front-Channel Logout 1.0 section 3 */
  readonly sid?: string
  /** Of the original ID Token. Absent if an older release wrote the record. @see OpenID Connect Core 1.0 section 12.2 */
  readonly nonce?: string
  /** The claims that the page may see. */
  readonly claims: Readonly<Record<string, unknown>>
  /** How and when the user signed in, from the ID Token. @see RFC 9470 */
  readonly acr?: string
  readonly auth_time?: EpochSeconds
  readonly refresh_token?: string
  /** The provider has replaced the refresh token by one that cannot be used, so this one may be used up. */
  readonly refresh_token_spent?: true
  /** The granted scope and the resources of the default token. */
  readonly scope: string
  readonly resource: readonly string[]
  readonly created: EpochSeconds
  /** The absolute end. */
  readonly expires: EpochSeconds
  /**
   * When the tokens of this generation can no longer be renewed, if the provider says so, and the access token has expired, too. An older
   * release keeps it unchanged with the next generation: then it says nothing.
   */
  readonly refresh_expiry?: { readonly at: EpochSeconds; readonly generation: number }
  /** With a store: the last use when this record was written. Later uses have a record of their own. */
  readonly touched?: EpochSeconds
  /** With a store: the `User-Agent` of the browser that signed in. */
  readonly user_agent?: string
}

/** When a session ends if its tokens are not renewed: its absolute end, or that of the refresh token. */
export const endOf = ({ expires, generation, refresh_expiry }: SessionRecord): EpochSeconds =>
  refresh_expiry?.generation === generation ? Math.min(expires, refresh_expiry.at) : expires

/** What a sign-in knows of its session. */
export type NewSession = Omit<SessionRecord, 'id' | 'generation' | 'touched' | 'user_agent'>

/** An access token of a session. With a store it is stored: do not rename members. */
export interface AccessToken {
  readonly access_token: string
  readonly scope: string
  readonly obtained: EpochSeconds
  /** The process whose clock `obtained` is of, and its monotonic clock then, in seconds. */
  readonly by?: string
  readonly tick?: number
  /** Seconds for which it was valid when it was issued. */
  readonly lifetime: number
}

/** The access token that a page or a route needs. */
export interface RequestedToken {
  /** Sorted; empty for the session's default. */
  resource: readonly string[]
  /** Sorted scopes, joined by a space; empty for the default scope of the resource. */
  scope: string
  /** Seconds for which the token must still be valid; at most half of its lifetime counts. */
  minValidity: number
  /** SHA-256 in base64url of a token that an API has refused. */
  refused?: string | undefined
}

/** The result of a token request. */
export type TokenOutcome =
  | { type: 'token'; token: AccessToken }
  /** The session is over. `found`: this renewal did not end it, so the browser may have another session by now. */
  | { type: 'ended'; reason: SignedOutReason; found?: true }
  /** Temporarily unavailable; the session is kept. `retryAfter` in seconds. */
  | {
      type: 'unavailable'
      error: 'temporarily_unavailable' | 'operator_error' | 'refresh_race'
      retryAfter: number
      /** A new refresh token was stored all the same: the answer has to set the session cookie. */
      stored?: true
    }
  /** The provider refuses this scope or resource; the session is kept. */
  | { type: 'refused'; error: 'invalid_scope' | 'invalid_target' | 'interaction_required'; description?: string }

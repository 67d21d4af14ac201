import type { RegisteredClaims } from './claims.js'

/** Why nobody is signed in. */
export type SignedOutReason =
  | 'none'
  | 'logged_out'
  | 'expired'
  | 'revoked'
  | 'refresh_rejected'
  | 'refresh_lost'
  | 'user_changed'
  | 'callback_failed'

/** Which architecture of RFC 10017 the backend has: section 6.2 or section 6.1. */
export type Mode = 'token-mediating' | 'proxy'

/**
 * A successful token response as the page gets it: never a refresh token, never an ID Token. @see RFC 6749 section 5.1
 */
export interface TokenResponse {
  access_token: string
  token_type: string
  /** The seconds that are left, not the whole lifetime. */
  expires_in: number
  scope: string
}

/** A token response to an authorization code also contains the session, so that no second request is needed. */
export interface SignInResponse<Claims = RegisteredClaims> extends TokenResponse {
  user: Claims
  user_digest: string
  expires_at: number
  /** Seconds until the session ends; `expires_in` is for the token. */
  session_expires_in?: number
}

/** An error response of our endpoints. @see RFC 6749 section 5.2 */
export interface ErrorResponse {
  error: string
  error_description?: string
  /** With `invalid_grant`: why nobody is signed in. */
  reason?: SignedOutReason
  /** With `id_token_invalid`: the claim or header parameter that was refused. */
  claim?: string
  /** With `invalid_grant`: this browser has no pending sign-in with the `state` of the code. */
  transaction?: 'missing'
}

/** The response of `POST /session` and, without the two token members, of `GET /session`. */
export type SessionResponse<Claims = RegisteredClaims> =
  | {
      mode: Mode
      user: Claims
      /** The user's `iss` and `sub` as one name, for the header `Sallyport-User`. Absent from 0.1.0. */
      user_digest?: string
      /** When the session ends, epoch seconds. */
      expires_at: number
      /** The same as seconds from now: the clock of the page may be wrong. */
      expires_in?: number
      token?: TokenResponse
      /** The user is signed in, but a token is temporarily unavailable. */
      token_error?: { error: string; retry_after?: number }
    }
  | { mode: Mode; user: null; expires_at: null; reason: SignedOutReason }

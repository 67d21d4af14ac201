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

/** Which of the two shapes of RFC 10017 the backend has: section 6.2 or section 6.1. */
export type Mode = 'token-mediating' | 'proxy'

/** A successful token answer as the page gets it: never a refresh token, never an ID Token. @see RFC 6749 section 5.1 */
export interface TokenResponse {
  access_token: string
  token_type: string
  /** Seconds that are left, not the whole lifetime. */
  expires_in: number
  scope: string
}

/** A token answer to an authorization code also says who signed in, so that no second request follows. */
export interface SignInResponse<Claims = RegisteredClaims> extends TokenResponse {
  user: Claims
  user_digest: string
  expires_at: number
  /** Seconds until the session ends; `expires_in` is the token's. */
  session_expires_in?: number
}

/** An error answer of our endpoints. @see RFC 6749 section 5.2 */
export interface ErrorResponse {
  error: string
  error_description?: string
  /** With `invalid_grant`: why nobody is signed in. */
  reason?: SignedOutReason
  /** With `id_token_invalid`: the claim or header parameter that was refused. */
  claim?: string
  /** With `invalid_grant`: the browser that brings the code has no sign-in under way that its state belongs to. */
  transaction?: 'missing'
}

/** The answer of `POST /session` and, without the two token members, of `GET /session`. */
export type SessionResponse<Claims = RegisteredClaims> =
  | {
      mode: Mode
      user: Claims
      /** The person's `iss` and `sub` as one name, for the header `Sallyport-User`. 0.1.0 says none. */
      user_digest?: string
      /** End of the session, epoch seconds. */
      expires_at: number
      /** The same as seconds from now: a page's clock may be off. */
      expires_in?: number
      token?: TokenResponse
      /** The person is signed in, but no token can be had now. */
      token_error?: { error: string; retry_after?: number }
    }
  | { mode: Mode; user: null; expires_at: null; reason: SignedOutReason }

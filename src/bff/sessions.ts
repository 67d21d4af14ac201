import type { SignedOutReason } from '../protocol/session.js'
import type { EpochSeconds } from '../protocol/time.js'

/** A session as it is kept: in a sealed cookie now, in a store where there is one. */
export interface SessionRecord {
  /** 256 random bits. Never leaves the server but sealed. */
  readonly id: string
  /** Counts the refresh tokens of this session: spending the one of generation g makes g + 1. */
  readonly generation: number
  readonly iss: string
  readonly sub: string
  /** The provider's own session. @see OpenID Connect Front-Channel Logout 1.0 section 3 */
  readonly sid?: string
  /** What the page may see; nothing else of the ID Token is kept. */
  readonly claims: Readonly<Record<string, unknown>>
  readonly refresh_token?: string
  /** As granted, and for which resources: the session's default token. */
  readonly scope: string
  readonly resource: readonly string[]
  readonly created: EpochSeconds
  /** The absolute end. */
  readonly expires: EpochSeconds
}

/** An access token in the memory of this process. */
export interface AccessToken {
  readonly access_token: string
  readonly scope: string
  readonly obtained: EpochSeconds
  /** Seconds that it was good for when it came. */
  readonly lifetime: number
}

/** A session that a request came with. */
export interface Presence {
  readonly record: SessionRecord
  /** The end as of now: absolute or idle, whichever is earlier. */
  readonly expiresAt: EpochSeconds
  /** Cookies that the answer sets whatever else happens. */
  readonly cookies: readonly string[]
  /** The generation in the request's cookie: the answer brings the current one if they differ. */
  readonly cookieGeneration: number
}

/** No session, and why; the cookies clear what is left of one. */
export interface Absence {
  readonly record?: undefined
  readonly reason: SignedOutReason
  readonly cookies: readonly string[]
}

/** The wall between endpoints and where sessions live. Sealed cookies are one side of it; stores will be another. */
export interface Sessions {
  /** `touch: false` does not slide the idle limit. */
  read(request: Request, touch?: boolean): Promise<Presence | Absence>
  /** Makes a session under a new id; ends the one that this browser had. */
  create(request: Request, record: Omit<SessionRecord, 'id' | 'generation'>, tokens: SignInTokens): Promise<Presence>
  /** The current token of a session, or a newer one. */
  token(presence: Presence, wanted: Wanted): Promise<TokenOutcome>
  /** Ends a session. Resolves to what is left to do for it at the provider. */
  end(record: SessionRecord, reason: SignedOutReason): Promise<{ refresh_token?: string; id_token?: string }>
  /** The cookies that bring the browser up to date with the session as it is now. */
  cookies(presence: Presence): Promise<readonly string[]>
  /** Cookies that clear everything. */
  clear(request: Request): readonly string[]
  close(): void
}

export interface SignInTokens {
  access: AccessToken
  id_token: string
}

/** Which token a page asks for. */
export interface Wanted {
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
  | { type: 'refused'; error: 'invalid_scope' | 'invalid_target' }

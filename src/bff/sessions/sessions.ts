import type { PlainRequest } from '../../protocol/http/plain-response.js'
import type { SignedOutReason } from '../../protocol/session.js'
import type { EpochSeconds } from '../../protocol/time.js'
import type { List } from '../../store/list.js'
import type { CookieJar } from '../http/cookies.js'
import type { ReplacedSession } from './replaced-session.js'
import type { AccessToken, NewSession, RequestedToken, SessionRecord, TokenOutcome } from './session-record.js'
import type { RefreshTokenEnd, SessionWithTokens } from './session-storage.js'
import type { GrantOwner } from './shared-grant.js'

/** The session of a request. */
export interface PresentSession {
  readonly record: SessionRecord
  /**
   * When the session ends without further use: the absolute or the idle timeout, or the end of the refresh token, whichever is
   * earlier.
   */
  readonly expiresAt: EpochSeconds
  /** Cookies that every answer has to set. */
  readonly cookies: readonly string[]
  /** The generation in the cookie of the request. If it is old, the answer sets a new cookie. */
  readonly cookieGeneration: number
  /** Reads the tokens. */
  open(): Promise<SessionWithTokens>
}

/** No session. */
export interface NoSession {
  readonly record?: undefined
  readonly reason: SignedOutReason
  /** `Set-Cookie` values that delete what is left of the session. */
  readonly cookies: readonly string[]
}

/**
 * The answer deletes the cookies of a session that has ended, but not after `logged_out`: this browser has signed out or signed in
 * again, and that answer has deleted or replaced them. A late answer would delete the cookies of the new session.
 */
export const noSession = (jar: CookieJar, request: PlainRequest, reason: SignedOutReason): NoSession => ({
  reason,
  cookies: reason === 'logged_out' ? [] : jar.clear(request),
})

/**
 * A later release wrote this session (during a rolling update, or before a rollback). For this release the user is not signed
 * in, and it changes nothing.
 */
export const sessionOfLaterRelease: NoSession = { reason: 'none', cookies: [] }

/** A session in the list of a user’s sessions. */
export interface Device {
  /** For `DELETE /sessions/:id`. It is not the value of the cookie. */
  readonly id: string
  readonly current: boolean
  readonly created: EpochSeconds
  readonly last_used: EpochSeconds
  readonly expires_at: EpochSeconds
  /** The `User-Agent` of the browser that signed in; at most 256 characters. */
  readonly user_agent: string
}

/** Selects the sessions of a user (`sub`), or those of one session at the provider (`sid`). */
export interface SessionOwner {
  readonly iss: string
  readonly sub?: string | undefined
  readonly sid?: string | undefined
}

/** Functions that need a store. */
export interface SessionList {
  /** A page of the user’s active sessions. `cursor` is for the next page. */
  list(session: PresentSession, cursor: string | undefined): Promise<List<Device>>
  /** Ends one session of the user; `undefined` if it is not theirs. */
  end(session: PresentSession, id: string): Promise<'current' | 'other' | undefined>
  /** Ends all sessions of the user except this one. */
  endOthers(session: PresentSession, refreshTokens: RefreshTokenEnd): Promise<number>
  /**
   * Ends all sessions of `owner`, including those whose sign-in is still running. Later sign-ins are not affected. Resolves to
   * the number of ended sessions. Their refresh tokens are revoked with `revoke`; not needed if the provider ended the sessions.
   * @throws StoreError: some sessions may be left; call again
   */
  endAll(owner: SessionOwner, refreshTokens?: RefreshTokenEnd): Promise<number>
}

/** The sessions of this backend: in sealed cookies, or in a store. */
export interface Sessions {
  readonly sessionList?: SessionList
  /**
   * `touch: false`: this request does not count as use. `end: false`: does not end an expired session, so that no request goes
   * to the provider now.
   */
  read(request: PlainRequest, touch?: boolean, end?: boolean): Promise<PresentSession | NoSession>
  /**
   * Makes a session with a new id. Ends the previous sessions of this browser: that of its cookie, and `replaced`.
   */
  create(
    request: PlainRequest,
    session: NewSession,
    tokens: SignInTokens,
    replaced: readonly ReplacedSession[],
  ): Promise<PresentSession>
  /** The requested token, refreshed if necessary. */
  token(session: PresentSession, requested: RequestedToken): Promise<TokenOutcome>
  /** Ends a session. Resolves to the tokens for sign-out at the provider. */
  end(session: PresentSession, reason: SignedOutReason, refreshToken: RefreshTokenEnd): Promise<ProviderTokens>
  /**
   * Whether a live session may share the grant of `owner`, for whom there is no session: that of the request, one of `near` (ids of
   * sessions of this browser), or, with a store, any other. Those of one session at the provider are in one browser.
   */
  sharesGrant(request: PlainRequest, owner: GrantOwner, near: readonly string[]): Promise<boolean>
  /** The cookies of the session as it is now; none if it has ended. */
  cookies(session: PresentSession): Promise<readonly string[]>
  /** `Set-Cookie` values that delete the session cookies. Only for the request that ends the session: others may be late. */
  clear(request: PlainRequest): readonly string[]
  /** Starts no more refreshes. Resolves when the running ones are stored. */
  drain(): Promise<void>
}

/** The tokens that sign-out at the provider needs. */
export interface ProviderTokens {
  refresh_token?: string | undefined
  id_token?: string | undefined
}

interface SignInTokens {
  access: AccessToken
  id_token: string
}

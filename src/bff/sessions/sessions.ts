import type { PlainRequest } from '../../protocol/http/plain-response.js'
import type { SignedOutReason } from '../../protocol/session.js'
import type { EpochSeconds } from '../../protocol/time.js'
import type { List } from '../../store/list.js'
import type { ReplacedSession } from './replaced-session.js'
import type { AccessToken, NewSession, RequestedToken, SessionRecord, TokenOutcome } from './session-record.js'
import type { SessionWithTokens } from './session-storage.js'

/** A session that a request came with. */
export interface PresentSession {
  readonly record: SessionRecord
  /** The end as of now: absolute or idle, whichever is earlier. */
  readonly expiresAt: EpochSeconds
  /** Cookies that the answer sets whatever else happens. */
  readonly cookies: readonly string[]
  /** The generation in the request's cookie: the answer brings the current one if they differ. */
  readonly cookieGeneration: number
  /** With its tokens. */
  open(): Promise<SessionWithTokens>
}

/** No session, and why; the cookies clear what is left of one. */
export interface NoSession {
  readonly record?: undefined
  readonly reason: SignedOutReason
  readonly cookies: readonly string[]
}

/**
 * A later release wrote what this request came with, and serves beside this one or did before: nobody is signed in here, and
 * everything is left as it is.
 */
export const ofLaterRelease: NoSession = { reason: 'none', cookies: [] }

/** What a browser is told of one of its person's sessions. */
export interface Device {
  /** Names the session to `DELETE /sessions/:id`; of no use as a cookie. */
  readonly id: string
  readonly current: boolean
  readonly created: EpochSeconds
  readonly last_used: EpochSeconds
  readonly expires_at: EpochSeconds
  /** The browser that signed in, as it called itself; at most 256 characters. */
  readonly user_agent: string
}

/** Whose sessions: a person's, or those of one session at the provider. */
export interface SessionOwner {
  readonly iss: string
  readonly sub?: string | undefined
  readonly sid?: string | undefined
}

/** What only sessions in a store can do. */
export interface SessionList {
  /** A page of a person's live sessions. `cursor` leads to the next one. */
  list(presence: PresentSession, cursor: string | undefined): Promise<List<Device>>
  /** Ends one of the person's sessions; `undefined` if it is none of theirs. */
  end(presence: PresentSession, id: string): Promise<'current' | 'other' | undefined>
  /** Ends all of the person's sessions but this one. */
  endOthers(presence: PresentSession): Promise<number>
  /**
   * Ends them all, also those whose sign-in is still under way; later sign-ins are not touched. Resolves to how many.
   * `revokeTokens`: afterwards their refresh tokens are revoked, unless it was the provider that ended them.
   * @throws StoreError: some may be left; call again
   */
  endAll(whose: SessionOwner, revokeTokens?: boolean): Promise<number>
}

/** The wall between endpoints and where sessions live: in sealed cookies, or in a store. */
export interface Sessions {
  readonly directory?: SessionList
  /**
   * `touch: false` does not slide the idle limit. `end: false` leaves a session that has run out to whoever reads it next, so
   * that the provider need not be told now.
   */
  read(request: PlainRequest, touch?: boolean, end?: boolean): Promise<PresentSession | NoSession>
  /**
   * Makes a session under a new id; ends those that this browser had: by its cookie, and `replaced`, where browsers withhold
   * that.
   */
  create(
    request: PlainRequest,
    session: NewSession,
    tokens: SignInTokens,
    replaced: readonly ReplacedSession[],
  ): Promise<PresentSession>
  /** The current token of a session, or a newer one. */
  token(presence: PresentSession, wanted: RequestedToken): Promise<TokenOutcome>
  /** Ends a session. Resolves to what is left to do for it at the provider. */
  end(presence: PresentSession, reason: SignedOutReason): Promise<ProviderTokens>
  /** The cookies that bring the browser up to date with the session as it is now. */
  cookies(presence: PresentSession): Promise<readonly string[]>
  /** Cookies that clear everything. */
  clear(request: PlainRequest): readonly string[]
  /** Begins no more refreshes; resolves when those under way are done and stored. */
  drain(): Promise<void>
}

/** What the provider is to hear of when a session has ended. */
export interface ProviderTokens {
  refresh_token?: string | undefined
  id_token?: string | undefined
}

export interface SignInTokens {
  access: AccessToken
  id_token: string
}

import type { SignedOutReason } from '../../protocol/session.js'
import type { EpochSeconds } from '../../protocol/time.js'
import type { SessionRecord } from './session-record.js'
import type { Tokens } from './tokens.js'

/** A session with its tokens. The refresh token and the ID Token never reach the page. */
export interface SessionWithTokens {
  readonly record: SessionRecord
  readonly tokens: Tokens
  readonly id_token?: string | undefined
  /** This generation is surely the newest. A generation that was read from a cookie may be older. */
  readonly knownNewest: boolean
  /** Changes with every write. */
  readonly version: number
}

/** An attempt of any process to refresh one generation. It is stored: do not rename members, older releases read them. */
export interface RefreshAttempt {
  readonly id: string
  readonly generation: number
  /** The token request is running, or its process has died. */
  readonly running: boolean
  /** An earlier attempt had an unknown outcome: the refresh token may be used up. */
  readonly unknown: boolean
  /** The provider answered `invalid_grant` before. */
  readonly refused: boolean
  /** How many unexpected responses there were. */
  readonly odd: number
  /** How many attempts failed. Absent if an older release wrote the record. */
  readonly failures?: number
  /** No new attempt before this instant. */
  readonly notBefore: EpochSeconds
  /** `notBefore` applies to the token with this key only. Absent: to all tokens. */
  readonly about?: string | undefined
  /** The last response was a mistake of the operator, not an outage. Absent if an older release wrote the record. */
  readonly mistake?: boolean | undefined
}

/**
 * What a session's end means for its refresh token: sign-out revokes it, a local sign-out keeps it. Absent: it is revoked only if
 * no live session may share its grant. It also applies to one that comes later, of a renewal under way.
 */
export type RefreshTokenEnd = 'revoke' | 'keep'

/**
 * Where the coordinator reads and writes sessions and attempts: in the memory of this process (with sealed cookies), or in a store.
 * A write resolves to `false` if another process was faster. If the store is down, it rejects.
 */
export interface SessionStorage {
  read(id: string): Promise<SessionWithTokens | { readonly ended: SignedOutReason }>
  readAttempt(id: string): Promise<{ readonly attempt: RefreshAttempt; readonly version: number } | undefined>
  /** Writes a new attempt, if neither the session nor the previous attempt has changed. */
  beginAttempt(
    session: SessionWithTokens,
    attempt: RefreshAttempt,
    previousVersion: number | undefined,
  ): Promise<boolean>
  /** Writes the result of an attempt, unless another attempt has begun since. */
  updateAttempt(session: SessionWithTokens, attempt: RefreshAttempt): Promise<void>
  /** Replaces a session if it has not changed, and deletes the attempt. */
  save(session: SessionWithTokens, next: Omit<SessionWithTokens, 'version'>): Promise<boolean>
  /** Ends a session if it is live and still of this generation. `false`: another request has changed or ended it. */
  end(session: SessionWithTokens, reason: SignedOutReason): Promise<boolean>
  /** Whether the refresh token of a session that has ended is to be revoked. */
  revokesAfterEnd(record: SessionRecord): Promise<boolean>
}

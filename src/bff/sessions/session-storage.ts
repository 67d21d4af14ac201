import type { SignedOutReason } from '../../protocol/session.js'
import type { EpochSeconds } from '../../protocol/time.js'
import type { SessionRecord } from './session-record.js'
import type { Tokens } from './tokens.js'

/** A session as it is kept, with everything that may never reach the page. */
export interface SessionWithTokens {
  readonly record: SessionRecord
  readonly tokens: Tokens
  readonly id_token?: string | undefined
  /** This generation is surely the newest: not merely the newest that a cookie has shown to this process. */
  readonly ours: boolean
  /** Moves with every write, also with those that leave the generation. */
  readonly version: number
}

/** What is known of spending one generation's refresh token, by whichever process. */
export interface RefreshAttempt {
  readonly id: string
  readonly generation: number
  /** The provider is being asked, or the process that asked it is no more. */
  readonly running: boolean
  /** An earlier attempt had an unknown outcome: the provider may have spent the refresh token. */
  readonly unknown: boolean
  /** It was answered `invalid_grant` before, and the browser came back with the same generation. */
  readonly refused: boolean
  /** How many answers were none of OAuth's. */
  readonly odd: number
  /** How many in all brought nothing. Absent in what an older release wrote. */
  readonly failures?: number
  /** The provider is not asked again before this instant. */
  readonly notBefore: EpochSeconds
  /** The only token of the session (its key) that has to wait until then. Absent: all of them. */
  readonly about?: string | undefined
}

/**
 * Where sessions and attempts lie, as the coordinator sees it: in the memory of this process beside sealed cookies, or in
 * a store. What may have moved meanwhile is said by `false`; a store that is out of reach rejects.
 */
export interface SessionStorage {
  read(id: string): Promise<SessionWithTokens | { readonly ended: SignedOutReason }>
  attempt(id: string): Promise<{ readonly attempt: RefreshAttempt; readonly version: number } | undefined>
  /** Writes that an attempt begins, if neither the session nor the earlier attempt (`over`) has moved. */
  begin(session: SessionWithTokens, attempt: RefreshAttempt, over: number | undefined): Promise<boolean>
  /** Writes what an attempt of ours has come to, unless another one has begun since. */
  note(session: SessionWithTokens, attempt: RefreshAttempt): Promise<void>
  /** Replaces a session if it has not moved, and forgets the attempt. */
  save(session: SessionWithTokens, next: Omit<SessionWithTokens, 'version'>): Promise<boolean>
  /** Ends a session if it is still of this generation: `false` if somebody got further. Ended already is ended. */
  end(session: SessionWithTokens, reason: SignedOutReason): Promise<boolean>
}

import { SallyportError } from '../protocol/error.js'

/**
 * The name of a record. All records of one `partition` live on one node of a cluster and can be written together; `kind`
 * keeps what different parts store apart. All three are texts of 1 to 200 characters without control characters
 * and halves of surrogate pairs.
 */
export interface RecordId {
  readonly kind: string
  readonly partition: string
  readonly id: string
}

/** A record as it was read. */
export interface Stored {
  readonly value: string
  /** Another number after every write, also after a deletion; not in any order. */
  readonly version: number
}

/** What a record must be like for a write to happen: at this version, not there (or expired), or whatever it is. */
export type IfVersion = number | 'absent' | 'any'

export interface Put {
  readonly type: 'put'
  readonly id: RecordId
  /** Text without U+0000 and halves of surrogate pairs. */
  readonly value: string
  readonly ifVersion: IfVersion
  /** Seconds, fractions allowed, 10^10 at most, until the record is gone. Default: it stays. */
  readonly ttl?: number
  /** Under which names and values `list` finds it; as long as the record itself. */
  readonly index?: readonly IndexEntry[]
}

export interface IndexEntry {
  readonly index: string
  readonly value: string
}

export type Change =
  | Put
  | { readonly type: 'delete'; readonly id: RecordId; readonly ifVersion: IfVersion }
  | { readonly type: 'check'; readonly id: RecordId; readonly ifVersion: IfVersion }

/** A part of an index. `cursor` is there when there may be more. */
export interface Page {
  readonly ids: readonly RecordId[]
  readonly cursor?: string
}

/**
 * Where sessions, keys and whatever else must outlive a process are kept. Three answers are kept apart everywhere: there
 * (`Stored`), not there (`undefined`), cannot be said (it rejects with {@link StoreError}).
 */
export interface RecordStore {
  get(id: RecordId): Promise<Stored | undefined>
  /**
   * All changes or none, within one partition. `false`: a condition did not hold, and nothing was written. After a
   * rejection with StoreError it is not known whether the changes were written: read again.
   *
   * Index entries lie elsewhere: they are written before the record, so that one may be stale and none is missing.
   *
   * @throws TypeError for changes that span partitions, name a record twice or cannot be stored
   */
  write(changes: readonly Change[]): Promise<boolean>
  /**
   * Records under an index value, in no order of theirs, but the same one for every page: what is there from the first
   * page to the last is listed. Entries may be stale: read the record. `limit` is 100 by default, 1,000 at most.
   *
   * @throws TypeError for a `cursor` that no page has had: it may come from outside
   */
  list(index: string, value: string, page?: { cursor?: string; limit?: number }): Promise<Page>
  /** `true` for the first caller only, for `ttl` seconds. */
  consume(id: RecordId, ttl: number): Promise<boolean>
  /** Removes up to `limit` expired records where the engine does not do it by itself. Resolves to how many. */
  sweep?(limit: number): Promise<number>
  /**
   * What the server is set up to lose of what it has acknowledged, in words for an operator, where one may ask it. Without secrets.
   * Those who have events ask once and tell it as `store_warning`.
   */
  warnings?(): Promise<readonly string[]>
}

/** The codes of {@link StoreError}. */
export const storeErrors = {
  store_unavailable: 'The store cannot be reached.',
  store_refused: 'The store answered and did not do this one call; others are not concerned.',
  store_not_migrated: 'The tables of the store are missing or older than this release: call migrate() once.',
  store_format_unknown:
    'A record was written by a later release, in a form that this one does not know. It is left as it is.',
} as const

export type StoreErrorCode = keyof typeof storeErrors

/**
 * The store cannot say. Never means "not there". The driver's own error is the `cause`. Engines throw `store_unavailable` for
 * a connection that is not there or a server that serves nobody, `store_refused` for a call that a server has answered with
 * an error: many of the first kind in a row are an outage, of the second never.
 */
export class StoreError extends SallyportError<StoreErrorCode> {
  constructor(code: StoreErrorCode = 'store_unavailable', cause?: unknown, retryable = code === 'store_unavailable') {
    super(code, storeErrors[code], { retryable, cause })
  }
}

import { SallyportError } from '../protocol/error.js'

/**
 * The name of a record. All records of one `partition` are on one node of a cluster and can be written together. `kind`
 * keeps apart what different parts of the application store. All three are texts of 1 to 200 characters without control
 * characters and lone surrogates.
 */
export interface RecordId {
  readonly kind: string
  readonly partition: string
  readonly id: string
}

/** A record that was read. */
export interface Stored {
  readonly value: string
  /** A different number after every write, also after a deletion; in no particular order. */
  readonly version: number
}

/** The condition for a write: the record has this version, is absent (or expired), or may have any state. */
export type IfVersion = number | 'absent' | 'any'

export interface Put {
  readonly type: 'put'
  readonly id: RecordId
  /** Text without U+0000 and lone surrogates. */
  readonly value: string
  readonly ifVersion: IfVersion
  /** Seconds until the record expires, fractions allowed, 10^10 at most. Default: it never expires. */
  readonly ttl?: number
  /** The index entries by which `list` finds it; they last as long as the record. */
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

/** A page of an index. `cursor` is present if there may be more. */
export interface Page {
  readonly ids: readonly RecordId[]
  readonly cursor?: string
}

/**
 * Storage for sessions, keys and everything else that must outlive a process. Every function keeps three results apart:
 * present (`Stored`), absent (`undefined`), unknown (it rejects with {@link StoreError}).
 */
export interface RecordStore {
  get(id: RecordId): Promise<Stored | undefined>
  /**
   * Writes all changes or none, within one partition. `false`: a condition did not hold, and nothing was written. After
   * a rejection with StoreError it is unknown whether the changes were written: read again.
   *
   * Index entries are stored separately and written before the record, so that an entry may be stale but is never
   * missing.
   *
   * @throws TypeError for changes that span partitions, name a record twice or cannot be stored
   */
  write(changes: readonly Change[]): Promise<boolean>
  /**
   * Records under an index value, in any order, but in the same one for every page: a record that exists from the first
   * page to the last is listed. Entries may be stale: read the record. `limit` is 100 by default, 1,000 at most.
   *
   * @throws TypeError for a `cursor` that did not come from a page: it may come from outside
   */
  list(index: string, value: string, page?: { cursor?: string; limit?: number }): Promise<Page>
  /** `true` for the first caller only, for `ttl` seconds. */
  consume(id: RecordId, ttl: number): Promise<boolean>
  /** Removes up to `limit` expired records if the engine does not do it itself. Resolves to how many. */
  sweep?(limit: number): Promise<number>
  /**
   * Settings of the server that may lose acknowledged writes, as texts for an operator, if the server can be asked.
   * Without secrets. Code that reports events calls this once and reports each text as `store_warning`.
   */
  warnings?(): Promise<readonly string[]>
}

/** The codes of {@link StoreError}. */
export const storeErrors = {
  store_unavailable: 'The store is down or cannot be reached.',
  store_refused: 'The store answered this call with an error. Other calls are not affected.',
  store_not_migrated: 'The tables of the store are missing or older than this release: call migrate() once.',
  store_format_unknown:
    'A later release wrote a record in a format that this release does not know. The record is left unchanged.',
} as const

export type StoreErrorCode = keyof typeof storeErrors

/**
 * The result is unknown. It never means "absent". The driver's own error is the `cause`. Engines throw
 * `store_unavailable` if there is no connection or the server serves nobody, and `store_refused` if the server answers
 * a call with an error. Many of the first kind in a row are an outage, of the second never.
 */
export class StoreError extends SallyportError<StoreErrorCode> {
  constructor(code: StoreErrorCode = 'store_unavailable', cause?: unknown, retryable = code === 'store_unavailable') {
    super(code, storeErrors[code], { retryable, cause })
  }
}

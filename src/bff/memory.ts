import type { SignedOutReason } from '../protocol/session.js'
import type { EpochSeconds, Now } from '../protocol/time.js'
import type { AccessToken, SessionRecord } from './sessions.js'

/** What one process remembers of a session beside its sealed cookie. */
export interface Remembered {
  /** The newest there is: a cookie of an older generation is brought up to it. */
  record: SessionRecord
  /** By resource and scope. */
  readonly tokens: Map<string, AccessToken>
  id_token?: string
  /** The generation was made here, not read from a cookie after a restart or from another process. */
  ours: boolean
  /** About the current generation's refresh token. */
  unknown: boolean
  refused: boolean
  odd: number
  /** Not before this instant is the provider asked again for this session. */
  notBefore: EpochSeconds
  /** The end of the queue: one refresh at a time. */
  turn: Promise<unknown>
}

export interface SessionMemory {
  get(id: string): Remembered | undefined
  /** The remembered session, or a new memory of this record. */
  recall(record: SessionRecord): Remembered
  remember(record: SessionRecord, ours: boolean): Remembered
  /** Ends: nothing brings it back until `until`, when its cookie has expired. */
  bury(id: string, reason: SignedOutReason, until: EpochSeconds): void
  grave(id: string): SignedOutReason | undefined
}

/** Sessions remembered at most; beyond that the ones longest unused are forgotten, which costs them one refresh. */
const LIMIT = 100_000
/** Seconds between two sweeps. */
const SWEEP = 60

export function createSessionMemory(now: Now): SessionMemory {
  const sessions = new Map<string, Remembered>()
  const graves = new Map<string, { reason: SignedOutReason; until: EpochSeconds }>()
  let swept = now()

  function sweep() {
    if (now() - swept < SWEEP) return
    swept = now()
    for (const [id, { record }] of sessions) if (record.expires <= swept) sessions.delete(id)
    for (const [id, { until }] of graves) if (until <= swept) graves.delete(id)
  }

  function remember(record: SessionRecord, ours: boolean): Remembered {
    sweep()
    const fresh: Remembered = {
      record,
      tokens: new Map(),
      ours,
      unknown: false,
      refused: false,
      odd: 0,
      notBefore: 0,
      turn: Promise.resolve(),
    }
    sessions.set(record.id, fresh)
    for (const oldest of sessions.keys()) {
      if (sessions.size <= LIMIT) break
      sessions.delete(oldest)
    }
    return fresh
  }

  return {
    get: (id) => sessions.get(id),
    remember,
    recall(record) {
      const found = sessions.get(record.id)
      if (!found) return remember(record, false)
      // Another process got further: what is known of the older refresh token no longer matters.
      if (found.record.generation < record.generation)
        Object.assign(found, { record, ours: false, unknown: false, refused: false, odd: 0, notBefore: 0 })
      // Last in the map's order is last to be forgotten.
      sessions.delete(record.id)
      sessions.set(record.id, found)
      return found
    },
    bury(id, reason, until) {
      sweep()
      sessions.delete(id)
      graves.set(id, { reason, until })
    },
    grave: (id) => graves.get(id)?.reason,
  }
}

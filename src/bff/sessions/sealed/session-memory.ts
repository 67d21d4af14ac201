import { createBoundedCache } from '../../../protocol/bounded-cache.js'
import type { SignedOutReason } from '../../../protocol/session.js'
import { type EpochSeconds, monotonicClock, type Now } from '../../../protocol/time.js'
import type { SessionRecord } from '../session-record.js'
import type { RefreshAttempt, SessionStorage, SessionWithTokens } from '../session-storage.js'

/** What one process knows of sessions beside their sealed cookies. */
export interface SessionMemory extends SessionStorage {
  peek(id: string): SessionWithTokens | undefined
  /** The session as remembered, brought up to this record if that is newer. */
  recall(record: SessionRecord): SessionWithTokens
  remember(session: Omit<SessionWithTokens, 'version'>): SessionWithTokens
  /** Ends: nothing brings it back until `until`, when its cookie has expired. */
  bury(id: string, reason: SignedOutReason, until: EpochSeconds): void
  grave(id: string): SignedOutReason | undefined
}

/** Sessions remembered at most: before that the ones longest unused are forgotten, which costs them one refresh. */
const LIMIT = 100_000
/** Seconds between two sweeps. */
const SWEEP = 60

/** `ended` hears of every session that the coordinator ends. */
export function createSessionMemory(
  now: Now,
  ended: (record: SessionRecord, reason: SignedOutReason) => void,
): SessionMemory {
  const sessions = createBoundedCache<{ session: SessionWithTokens; attempt?: RefreshAttempt }>(LIMIT)
  const graves = new Map<string, { reason: SignedOutReason; until: EpochSeconds }>()
  const clock = monotonicClock(now)
  let versions = 0
  let swept = clock()

  function sweep() {
    if (clock() - swept < SWEEP) return
    swept = clock()
    const at = now()
    sessions.sweep(({ session }) => session.record.expires <= at)
    for (const [id, { until }] of graves) if (until <= at) graves.delete(id)
  }

  function remember(next: Omit<SessionWithTokens, 'version'>): SessionWithTokens {
    sweep()
    const session = { ...next, version: ++versions }
    sessions.set(session.record.id, { session })
    return session
  }

  const current = ({ record: { id }, version }: SessionWithTokens) => {
    const found = sessions.get(id)
    return found?.session.version === version ? found : undefined
  }

  const self: SessionMemory = {
    peek: (id) => sessions.get(id)?.session,
    remember,
    recall(record) {
      const found = sessions.get(record.id)
      // Another process got further: what is known of the older generation no longer matters.
      if (!found || found.session.record.generation < record.generation)
        return remember({
          record,
          tokens: found?.session.tokens ?? new Map(),
          id_token: found?.session.id_token,
          ours: false,
        })
      return found.session
    },
    bury(id, reason, until) {
      sweep()
      sessions.delete(id)
      graves.set(id, { reason, until })
    },
    grave: (id) => graves.get(id)?.reason,

    read: async (id) => sessions.get(id)?.session ?? { ended: self.grave(id) ?? 'expired' },
    async attempt(id) {
      const attempt = sessions.get(id)?.attempt
      return attempt && { attempt, version: 0 }
    },
    async begin(session, attempt) {
      const found = current(session)
      if (found) found.attempt = attempt
      return found !== undefined
    },
    async note(session, attempt) {
      const found = sessions.get(session.record.id)
      if (found?.attempt?.id === attempt.id) found.attempt = attempt
    },
    async save(session, next) {
      if (!current(session)) return false
      remember(next)
      return true
    },
    async end(session, reason) {
      const found = sessions.get(session.record.id)
      if (found && found.session.record.generation !== session.record.generation) return false
      if (found) ended(found.session.record, reason)
      return true
    },
  }
  return self
}

import { createBoundedCache } from '../../../protocol/bounded-cache.js'
import type { SignedOutReason } from '../../../protocol/session.js'
import { type EpochSeconds, monotonicClock, type Now } from '../../../protocol/time.js'
import type { SessionRecord } from '../session-record.js'
import type { RefreshAttempt, RefreshTokenEnd, SessionStorage, SessionWithTokens } from '../session-storage.js'

/** What this process knows about sessions in sealed cookies. */
interface SessionMemory extends SessionStorage {
  find(id: string): SessionWithTokens | undefined
  /** The session in memory. If the record is newer, it is remembered first. */
  recall(record: SessionRecord): SessionWithTokens
  remember(session: Omit<SessionWithTokens, 'version'>): SessionWithTokens
  /** Remembers that a session has ended, until its cookie has expired. */
  markEnded(id: string, reason: SignedOutReason, until: EpochSeconds, refreshToken?: RefreshTokenEnd): void
  endedReason(id: string): SignedOutReason | undefined
}

/** If there are more, the least recently used are forgotten. Each of them needs one refresh later. */
const MAX_SESSIONS = 100_000
/** Seconds between two sweeps. */
const SWEEP = 60

/** `onEnded` is called for every session that the coordinator ends. */
export function createSessionMemory(
  now: Now,
  onEnded: (record: SessionRecord, reason: SignedOutReason) => void,
): SessionMemory {
  const sessions = createBoundedCache<{ session: SessionWithTokens; attempt?: RefreshAttempt }>(MAX_SESSIONS)
  const endedSessions = new Map<string, { reason: SignedOutReason; until: EpochSeconds; revokes: boolean }>()
  const clock = monotonicClock(now)
  let versions = 0
  let swept = clock()

  function sweep() {
    if (clock() - swept < SWEEP) return
    swept = clock()
    const at = now()
    sessions.sweep(({ session }) => session.record.expires <= at)
    for (const [id, { until }] of endedSessions) if (until <= at) endedSessions.delete(id)
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

  const memory: SessionMemory = {
    find: (id) => sessions.get(id)?.session,
    remember,
    recall(record) {
      const found = sessions.get(record.id)
      // Another process has refreshed the session.
      if (!found || found.session.record.generation < record.generation)
        return remember({
          record,
          tokens: found?.session.tokens ?? new Map(),
          id_token: found?.session.id_token,
          knownNewest: false,
        })
      return found.session
    },
    markEnded(id, reason, until, refreshToken) {
      sweep()
      sessions.delete(id)
      endedSessions.set(id, { reason, until, revokes: refreshToken === 'revoke' })
    },
    endedReason: (id) => endedSessions.get(id)?.reason,

    read: async (id) => sessions.get(id)?.session ?? { ended: memory.endedReason(id) ?? 'expired' },
    async readAttempt(id) {
      const attempt = sessions.get(id)?.attempt
      return attempt && { attempt, version: 0 }
    },
    async beginAttempt(session, attempt) {
      const found = current(session)
      if (found) found.attempt = attempt
      return found !== undefined
    },
    async updateAttempt(session, attempt) {
      const found = sessions.get(session.record.id)
      if (found?.attempt?.id === attempt.id) found.attempt = attempt
    },
    async save(session, next) {
      if (!current(session)) return false
      remember(next)
      return true
    },
    // Which sessions share a grant, this process alone cannot know.
    revokesAfterEnd: async ({ id }) => endedSessions.get(id)?.revokes ?? false,
    async end(session, reason) {
      const found = sessions.get(session.record.id)
      if (found?.session.record.generation !== session.record.generation) return false
      onEnded(found.session.record, reason)
      return true
    },
  }
  return memory
}

import { randomId } from '../../../crypto/hash.js'
import { cookieValues } from '../../../protocol/http/cookies.js'
import type { PlainRequest } from '../../../protocol/http/plain-response.js'
import type { SignedOutReason } from '../../../protocol/session.js'
import { shortId } from '../../events.js'
import type { CookieJar } from '../../http/cookies.js'
import { KEPT_AFTER_END } from '../../lifetimes.js'
import type { Providers } from '../../providers.js'
import { type CookieKeys, openJson } from '../../sealing/cookie-keys.js'
import type { Settings } from '../../settings.js'
import { createRefreshCoordinator } from '../refresh.js'
import { endOf, type SessionRecord } from '../session-record.js'
import type { RefreshTokenEnd, SessionWithTokens } from '../session-storage.js'
import { type NoSession, noSession, type PresentSession, type Sessions, sessionOfLaterRelease } from '../sessions.js'
import { mayShareGrant } from '../shared-grant.js'
import { createSealedCookie } from './sealed-cookie.js'
import { createSessionMemory } from './session-memory.js'

/** The time of the last use. It has a cookie of its own, so that the session cookie need not be written at each use. */
interface LastUse {
  id: string
  at: number
}

/**
 * Sessions without a store. The record is in a sealed cookie. Access tokens, ID Tokens, newer generations and the ids of ended
 * sessions are in the memory of this process. A second process, or this one after a restart, does not know that a session has
 * ended, and can lose a refresh race. Nor does it know all sessions that share a grant at the provider: refresh tokens are revoked
 * at sign-out only.
 */
export function createSealedSessions(
  settings: Settings,
  jar: CookieJar,
  cookieKeys: CookieKeys,
  providers: Providers,
): Sessions {
  const { now, emit, idleTimeout } = settings
  const cookie = createSealedCookie(jar, cookieKeys, emit)
  const memory = createSessionMemory(now, endSession)
  const coordinator = createRefreshCoordinator(settings, providers, memory)

  /** Ends a session. Returns its newest state in memory. */
  function endSession(
    record: SessionRecord,
    reason: SignedOutReason,
    refreshToken?: RefreshTokenEnd,
  ): SessionWithTokens | undefined {
    const session = memory.find(record.id)
    memory.markEnded(record.id, reason, record.expires + KEPT_AFTER_END, refreshToken)
    emit({ type: 'signed_out', iss: record.iss, sub: record.sub, session: shortId(record.id), reason })
    return session
  }

  /** The last use; `undefined` if the cookie is missing or belongs to another session. */
  async function lastUse(header: string | null, id: string): Promise<LastUse | 'later' | undefined> {
    const values = cookieValues(header, jar.idle)
    const [value] = values
    if (value === undefined || values.length > 1) return undefined
    const idle = await openJson<LastUse>(cookieKeys, 'idle', value)
    if (!idle && cookieKeys.release(value) === 'later') return 'later'
    return idle?.id === id ? idle : undefined
  }

  async function idleCookie(id: string, expires: number): Promise<string> {
    const value = await cookieKeys.seal('idle', JSON.stringify({ id, at: now() } satisfies LastUse))
    return jar.set(jar.idle, value, expires - now() + KEPT_AFTER_END)
  }

  function expire(request: PlainRequest, record: SessionRecord): NoSession {
    const ended = memory.endedReason(record.id)
    if (!ended) endSession(record, 'expired')
    return noSession(jar, request, ended ?? 'expired')
  }

  const sealed = (record: SessionRecord) => cookie.seal(record, record.expires - now() + KEPT_AFTER_END)

  const presentSession = (
    session: SessionWithTokens,
    rest: Omit<PresentSession, 'record' | 'open'>,
  ): PresentSession => ({
    record: session.record,
    open: async () => memory.find(session.record.id) ?? session,
    ...rest,
  })

  return {
    async read(request, touch = true, end = true) {
      const header = request.headers.get('cookie')
      const found = await cookie.open(header)
      if (found.later) return sessionOfLaterRelease
      if (!found.record) return noSession(jar, request, 'none')
      const { id, generation, expires } = found.record
      const ended = memory.endedReason(id)
      if (ended) return noSession(jar, request, ended)
      if (!providers.forSession(found.record)) return noSession(jar, request, 'revoked')
      const idle = await lastUse(header, id)
      if (idle === 'later') return sessionOfLaterRelease
      const newest = memory.find(id)?.record ?? found.record
      const sessionEnd = endOf(newest.generation < generation ? found.record : newest)
      const over = now() >= expires || (now() >= sessionEnd && !coordinator.refreshes(id))
      if (!idle || now() > idle.at + idleTimeout || over)
        return end ? expire(request, found.record) : noSession(jar, request, 'expired')
      const due = touch && now() - idle.at >= Math.min(60, idleTimeout / 10)
      const cookies = due ? [await idleCookie(id, expires)] : []
      // Check again: a sign-out may have happened while the cookies were opened.
      const endedSince = memory.endedReason(id)
      if (endedSince) return noSession(jar, request, endedSince)
      return presentSession(memory.recall(found.record), {
        expiresAt: Math.floor(Math.min(sessionEnd, (due ? now() : idle.at) + idleTimeout)),
        cookies,
        // A cookie that an older key sealed is replaced like one of an older generation.
        cookieGeneration: found.stale ? -1 : generation,
      })
    },

    async create(request, newSession, { access, id_token }, replaced) {
      const found = await cookie.open(request.headers.get('cookie'))
      const previous = [...(found.record ? [found.record] : []), ...replaced]
      const record: SessionRecord = { ...newSession, id: randomId(), generation: 0 }
      // Seal first: if the new session does not fit, the previous one must not end.
      const cookies = [...(await sealed(record)), await idleCookie(record.id, record.expires)]
      for (const { id, expires } of previous) {
        const ended = memory.endedReason(id)
        if (ended === 'logged_out') continue
        const last = ended ? undefined : found.record?.id === id ? found.record : memory.find(id)?.record
        // It has ended otherwise, or this process has not seen it: a late answer must know all the same (see noSession).
        if (last) endSession(last, 'logged_out')
        else memory.markEnded(id, 'logged_out', expires + KEPT_AFTER_END)
      }
      const session = memory.remember({ record, id_token, tokens: new Map([['', access]]), knownNewest: true })
      emit({ type: 'signed_in', iss: record.iss, sub: record.sub, session: shortId(record.id) })
      return presentSession(session, {
        expiresAt: Math.floor(Math.min(endOf(record), now() + idleTimeout)),
        cookies,
        cookieGeneration: 0,
      })
    },

    async token(session, requested) {
      const { id } = session.record
      const ended = memory.endedReason(id)
      return ended ? { type: 'ended', reason: ended, found: true } : coordinator.token(await session.open(), requested)
    },

    async end({ record }, reason, refreshToken) {
      const session = endSession(record, reason, refreshToken)
      return { refresh_token: (session?.record ?? record).refresh_token, id_token: session?.id_token }
    },

    async sharesGrant(request, owner, near) {
      const { record } = await cookie.open(request.headers.get('cookie'))
      const live = [...near, ...(record ? [record.id] : [])].filter((id) => !memory.endedReason(id))
      const mayShare = (id: string) => {
        const found = memory.find(id)?.record ?? (record?.id === id ? record : undefined)
        // Another process knows that session, or this one before its restart.
        return !found || mayShareGrant(owner, found)
      }
      return live.some(mayShare)
    },

    async cookies(session) {
      // Late: the browser may have the cookies of another session by now.
      if (memory.endedReason(session.record.id)) return []
      const newest = memory.find(session.record.id)?.record
      const behind = newest && newest.generation !== session.cookieGeneration
      return [...session.cookies, ...(behind ? await sealed(newest) : [])]
    },

    clear: jar.clear,
    drain: () => coordinator.drain(),
  }
}

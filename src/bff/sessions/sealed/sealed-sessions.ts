import { randomId } from '../../../crypto/hash.js'
import { cookieValues } from '../../../protocol/http/cookies.js'
import type { PlainRequest } from '../../../protocol/http/plain-response.js'
import type { SignedOutReason } from '../../../protocol/session.js'
import { noRefreshTokenOnce, shortId } from '../../events.js'
import type { CookieJar } from '../../http/cookies.js'
import { REMEMBRANCE } from '../../lifetimes.js'
import type { Providers } from '../../providers.js'
import { type CookieKeys, openJson } from '../../sealing/cookie-keys.js'
import type { Settings } from '../../settings.js'
import { createCoordinator } from '../refresh.js'
import type { SessionRecord } from '../session-record.js'
import type { SessionWithTokens } from '../session-storage.js'
import { type NoSession, ofLaterRelease, type PresentSession, type Sessions } from '../sessions.js'
import { createSealedCookie } from './sealed-cookie.js'
import { createSessionMemory } from './session-memory.js'

/** In a cookie of its own, so that sliding it does not write the session. */
interface Idle {
  id: string
  at: number
}

/**
 * Sessions without a store: the record travels in a sealed cookie; access tokens, ID Tokens, newer generations and
 * ended ids live in the memory of this one process. A second process, or a restart, does not know that a session has
 * ended, and can lose a refresh race.
 */
export function createSealedSessions(
  settings: Settings,
  jar: CookieJar,
  keyring: CookieKeys,
  providers: Providers,
): Sessions {
  const { now, emit, idleTimeout } = settings
  const cookie = createSealedCookie(jar, keyring, emit)
  const memory = createSessionMemory(now, bury)
  const coordinator = createCoordinator(settings, providers, memory)
  const noRefreshToken = noRefreshTokenOnce(emit)

  /** Ends a session here, and hands back the newest that was known of it. */
  function bury(record: SessionRecord, reason: SignedOutReason): SessionWithTokens | undefined {
    const session = memory.peek(record.id)
    memory.bury(record.id, reason, record.expires + REMEMBRANCE)
    emit({ type: 'signed_out', iss: record.iss, sub: record.sub, session: shortId(record.id), reason })
    return session
  }

  const absent = (request: PlainRequest, reason: SignedOutReason): NoSession => ({
    reason,
    cookies: jar.clear(request),
  })

  /** The instant of the last use; a cookie that is missing or another session's is as good as none. */
  async function lastUse(header: string | null, id: string): Promise<Idle | 'later' | undefined> {
    const values = cookieValues(header, jar.idle)
    const [value] = values
    if (value === undefined || values.length > 1) return undefined
    const idle = await openJson<Idle>(keyring, 'idle', value)
    if (!idle && keyring.release(value) === 'later') return 'later'
    return idle?.id === id ? idle : undefined
  }

  async function idleCookie(id: string, expires: number): Promise<string> {
    const sealed = await keyring.seal('idle', JSON.stringify({ id, at: now() } satisfies Idle))
    return jar.set(jar.idle, sealed, expires - now() + REMEMBRANCE)
  }

  /** The session has run out: its refresh token is of no more use to anybody. */
  async function expire(request: PlainRequest, record: SessionRecord): Promise<NoSession> {
    const newest = bury(record, 'expired')?.record ?? record
    await revoke(newest)
    return absent(request, 'expired')
  }

  async function revoke(record: SessionRecord): Promise<void> {
    const { id, refresh_token } = record
    const done = refresh_token === undefined || (await providers.serving(record)?.revoke(refresh_token)) === 'done'
    if (!done) emit({ type: 'revocation_failed', session: shortId(id) })
  }

  const sealed = (record: SessionRecord) => cookie.seal(record, record.expires - now() + REMEMBRANCE)

  const presence = (session: SessionWithTokens, rest: Omit<PresentSession, 'record' | 'open'>): PresentSession => ({
    record: session.record,
    open: async () => memory.peek(session.record.id) ?? session,
    ...rest,
  })

  return {
    async read(request, touch = true, end = true) {
      const header = request.headers.get('cookie')
      const found = await cookie.open(header)
      if (found.later) return ofLaterRelease
      if (!found.record) return absent(request, 'none')
      const { id, generation, expires } = found.record
      const ended = memory.grave(id)
      if (ended) return absent(request, ended)
      if (!providers.serving(found.record)) return absent(request, 'revoked')
      const idle = await lastUse(header, id)
      if (idle === 'later') return ofLaterRelease
      if (!idle || now() > idle.at + idleTimeout || now() >= expires)
        return end ? expire(request, found.record) : absent(request, 'expired')
      const due = touch && now() - idle.at >= Math.min(60, idleTimeout / 10)
      const cookies = due ? [await idleCookie(id, expires)] : []
      // Once more, with nothing to wait for after it: a sign-out may have come while the cookies were opened.
      const endedSince = memory.grave(id)
      if (endedSince) return absent(request, endedSince)
      return presence(memory.recall(found.record), {
        expiresAt: Math.floor(Math.min(expires, (due ? now() : idle.at) + idleTimeout)),
        cookies,
        // A cookie that an older key sealed is brought up to date like one of an older generation.
        cookieGeneration: found.stale ? -1 : generation,
      })
    },

    async create(request, fresh, { access, id_token }, replaced) {
      const found = await cookie.open(request.headers.get('cookie'))
      const previous = [...(found.record ? [found.record] : []), ...replaced]
      const record: SessionRecord = { ...fresh, id: randomId(), generation: 0 }
      // Sealed first: a session that does not fit ends nothing that was there.
      const cookies = [...(await sealed(record)), await idleCookie(record.id, record.expires)]
      for (const { id, expires } of previous) {
        if (memory.grave(id)) continue
        const last = found.record?.id === id ? found.record : memory.peek(id)?.record
        // Of one that this process has not seen, the end is all that can be known.
        if (last) await revoke(bury(last, 'logged_out')?.record ?? last)
        else memory.bury(id, 'logged_out', expires + REMEMBRANCE)
      }
      const session = memory.remember({ record, id_token, tokens: new Map([['', access]]), ours: true })
      emit({ type: 'signed_in', iss: record.iss, sub: record.sub, session: shortId(record.id) })
      if (record.refresh_token === undefined) noRefreshToken()
      return presence(session, {
        expiresAt: Math.floor(Math.min(record.expires, now() + idleTimeout)),
        cookies,
        cookieGeneration: 0,
      })
    },

    async token(present, wanted) {
      const { id } = present.record
      const ended = memory.grave(id)
      return ended ? { type: 'ended', reason: ended } : coordinator.token(await present.open(), wanted)
    },

    async end({ record }, reason) {
      const session = bury(record, reason)
      return { refresh_token: (session?.record ?? record).refresh_token, id_token: session?.id_token }
    },

    async cookies(presence) {
      const newest = memory.peek(presence.record.id)?.record
      const behind = newest && newest.generation !== presence.cookieGeneration
      return [...presence.cookies, ...(behind ? await sealed(newest) : [])]
    },

    clear: jar.clear,
    drain: () => coordinator.drain(),
  }
}

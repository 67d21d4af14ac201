import { randomId } from '../crypto/hash.js'
import type { SignedOutReason } from '../protocol/session.js'
import type { CookieJar } from './cookie-jar.js'
import { shortId } from './events.js'
import { type Keyring, openJson } from './keyring.js'
import { createSessionMemory, type Remembered } from './memory.js'
import type { Settings } from './options.js'
import type { Provider } from './provider.js'
import { createBreaker, createRefresher } from './refresh.js'
import { createSealedCookie } from './sealed-cookie.js'
import type { Absence, Presence, SessionRecord, Sessions } from './sessions.js'

/** Seconds that cookies outlive their session: the page can be told that it has expired, and its token be revoked. */
const REMEMBRANCE = 86_400

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
  keyring: Keyring,
  provider: Provider,
): Sessions {
  const { now, emit, idleTimeout } = settings
  const cookie = createSealedCookie(jar, keyring, emit)
  const memory = createSessionMemory(now)
  const refresh = createRefresher(settings, provider, createBreaker(now), {
    remembered: (id) => memory.get(id),
    end: (record, reason) => bury(record, reason),
  })
  let saidNoRefreshToken = false

  function bury(record: SessionRecord, reason: SignedOutReason): Remembered | undefined {
    const remembered = memory.get(record.id)
    memory.bury(record.id, reason, record.expires + REMEMBRANCE)
    emit({ type: 'signed_out', sub: record.sub, session: shortId(record.id), reason })
    return remembered
  }

  const clear = (request: Request): string[] =>
    [jar.session, jar.part, jar.idle].flatMap((name) => (jar.values(request, name).length ? [jar.expire(name)] : []))

  const absent = (request: Request, reason: SignedOutReason): Absence => ({ reason, cookies: clear(request) })

  /** The instant of the last use; a cookie that is missing or another session's is as good as none. */
  async function lastUse(request: Request, id: string): Promise<Idle | undefined> {
    const values = jar.values(request, jar.idle)
    const [value] = values
    if (value === undefined || values.length > 1) return undefined
    const idle = await openJson<Idle>(keyring, 'idle', value)
    return idle?.id === id ? idle : undefined
  }

  async function idleCookie(id: string, expires: number): Promise<string> {
    const sealed = await keyring.seal('idle', JSON.stringify({ id, at: now() } satisfies Idle))
    return jar.set(jar.idle, sealed, expires - now() + REMEMBRANCE)
  }

  /** The session has run out: its refresh token is of no more use to anybody. */
  async function expire(request: Request, record: SessionRecord): Promise<Absence> {
    const newest = bury(record, 'expired')?.record ?? record
    if (newest.refresh_token !== undefined) await revoke(newest.id, newest.refresh_token)
    return absent(request, 'expired')
  }

  async function revoke(id: string, refresh_token: string): Promise<void> {
    if ((await provider.revoke(refresh_token)) !== 'done') emit({ type: 'revocation_failed', session: shortId(id) })
  }

  const sealed = (record: SessionRecord) => cookie.seal(record, record.expires - now() + REMEMBRANCE)

  return {
    async read(request, touch = true) {
      const found = await cookie.open(request)
      if (!found.record) return absent(request, 'none')
      const { id, generation } = found.record
      const ended = memory.grave(id)
      if (ended) return absent(request, ended)
      const idle = await lastUse(request, id)
      if (!idle || now() > idle.at + idleTimeout || now() >= found.record.expires) return expire(request, found.record)
      // Once more, with nothing to wait for in between: a sign-out may have come while the cookies were opened.
      const endedSince = memory.grave(id)
      if (endedSince) return absent(request, endedSince)
      const { record } = memory.recall(found.record)
      const due = touch && now() - idle.at >= Math.min(60, idleTimeout / 10)
      return {
        record,
        expiresAt: Math.floor(Math.min(record.expires, (due ? now() : idle.at) + idleTimeout)),
        cookies: due ? [await idleCookie(id, record.expires)] : [],
        // A cookie that an older key sealed is brought up to date like one of an older generation.
        cookieGeneration: found.stale ? -1 : generation,
      }
    },

    async create(request, fresh, { access, id_token }) {
      const previous = await cookie.open(request)
      const record: SessionRecord = { ...fresh, id: randomId(), generation: 0 }
      // Sealed first: a session that does not fit ends nothing that was there.
      const cookies = [...(await sealed(record)), await idleCookie(record.id, record.expires)]
      if (previous.record && !memory.grave(previous.record.id)) {
        const newest = bury(previous.record, 'logged_out')?.record ?? previous.record
        if (newest.refresh_token !== undefined) await revoke(newest.id, newest.refresh_token)
      }
      const remembered = memory.remember(record, true)
      remembered.id_token = id_token
      remembered.tokens.set('', access)
      emit({ type: 'signed_in', sub: record.sub, session: shortId(record.id) })
      if (record.refresh_token === undefined && !saidNoRefreshToken) {
        saidNoRefreshToken = true
        emit({
          type: 'no_refresh_token',
          remedy: 'Add offline_access to "scope", or allow refresh tokens for this client at the provider',
        })
      }
      return {
        record,
        expiresAt: Math.floor(Math.min(record.expires, now() + idleTimeout)),
        cookies,
        cookieGeneration: 0,
      }
    },

    async token({ record }, wanted) {
      const remembered = memory.get(record.id)
      return remembered ? refresh(remembered, wanted) : { type: 'ended', reason: memory.grave(record.id) ?? 'expired' }
    },

    async end(record, reason) {
      const remembered = bury(record, reason)
      const { refresh_token } = remembered?.record ?? record
      return {
        ...(refresh_token !== undefined && { refresh_token }),
        ...(remembered?.id_token !== undefined && { id_token: remembered.id_token }),
      }
    },

    async cookies(presence: Presence) {
      const newest = memory.get(presence.record.id)?.record
      const behind = newest && newest.generation !== presence.cookieGeneration
      return [...presence.cookies, ...(behind ? await sealed(newest) : [])]
    },

    clear,
    close() {},
  }
}

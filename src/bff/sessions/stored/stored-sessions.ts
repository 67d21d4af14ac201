import { randomId, sha256 } from '../../../crypto/hash.js'
import { createBoundedCache } from '../../../protocol/bounded-cache.js'
import type { PlainRequest } from '../../../protocol/http/plain-response.js'
import { monotonicClock } from '../../../protocol/time.js'
import { Refusal } from '../../errors.js'
import { shortId } from '../../events.js'
import type { CookieJar } from '../../http/cookies.js'
import { KEPT_AFTER_END } from '../../lifetimes.js'
import type { Providers } from '../../providers.js'
import type { CookieKeys } from '../../sealing/cookie-keys.js'
import { createSealedRecords } from '../../sealing/sealed-records.js'
import type { Settings } from '../../settings.js'
import type { WatchedStore } from '../../store/watched-store.js'
import type { BackgroundTasks } from '../background-tasks.js'
import { createRefreshCoordinator } from '../refresh.js'
import { endOf, type SessionRecord } from '../session-record.js'
import type { SessionWithTokens } from '../session-storage.js'
import { type NoSession, noSession, type Sessions, sessionOfLaterRelease } from '../sessions.js'
import { createIdleTimeout } from './idle-timeout.js'
import { createSessionList } from './session-list.js'
import { createSessionRecords, type LiveSession } from './session-records.js'
import { createSharedGrants } from './shared-grants.js'
import { createSignOutStamps, providerSessionKey, subjectKey } from './sign-out-stamps.js'
import { createStoredSessionStorage } from './stored-session-storage.js'

/** Seconds between two sweeps, for stores that need them. */
const SWEEP_INTERVAL = 60
/** Characters. */
const MAX_USER_AGENT = 256
/** The digests of this many cookies are remembered. */
const MAX_DIGESTS = 20_000

/**
 * Sessions in a store. The cookie holds 256 random bits. The store has their digest as the id, and the session sealed with the
 * cookie keys. Any number of processes can share one store.
 */
export function createStoredSessions(
  settings: Settings,
  store: WatchedStore,
  jar: CookieJar,
  cookieKeys: CookieKeys,
  providers: Providers,
  background: BackgroundTasks,
): Sessions {
  const { now, emit, idleTimeout } = settings
  const sealed = createSealedRecords(cookieKeys)
  const records = createSessionRecords(store, sealed, settings)
  const signOutStamps = createSignOutStamps(store, sealed, settings)
  const idleTimeouts = createIdleTimeout(store, sealed, settings)
  const sharedGrants = createSharedGrants({ settings, store, records, idleTimeouts })
  const storage = createStoredSessionStorage({
    store,
    sealed,
    records,
    signOutStamps,
    sharedGrants,
    lastKnownUse: idleTimeouts.known,
    onEnded(record, reason) {
      idleTimeouts.forget(record.id)
      emit({ type: 'signed_out', iss: record.iss, sub: record.sub, session: shortId(record.id), reason })
    },
  })
  const coordinator = createRefreshCoordinator(settings, providers, storage)
  const digests = createBoundedCache<string>(MAX_DIGESTS)
  const clock = monotonicClock(now)
  let swept = clock()

  /** The id of the session that a request came with: the digest of its cookie. */
  async function idOf(request: PlainRequest): Promise<string | undefined> {
    const values = jar.values(request, jar.session)
    const [secret] = values
    if (secret === undefined) return undefined
    if (values.length === 1 && /^[\w-]{43}$/.test(secret)) {
      const known = digests.get(secret)
      if (known) return known
      const id = await sha256(secret)
      digests.set(secret, id)
      return id
    }
    emit({ type: 'cookie_refused', detail: values.length > 1 ? 'duplicate' : 'unreadable' })
    return undefined
  }

  /** Revokes the refresh token of a session that was signed out, in the background. */
  function revoke({ record }: Pick<SessionWithTokens, 'record'>): void {
    background.run(async () => {
      await providers.revoke(record)
    })
  }

  /** Revokes the refresh token of a session that has ended otherwise, unless a live session may share its grant. */
  function revokeUnlessShared({ record }: Pick<SessionWithTokens, 'record'>, near: readonly string[] = []): void {
    if (record.refresh_token === undefined) return
    background.run(async () => {
      if (!(await sharedGrants.withLiveSession(record, near))) await providers.revoke(record)
    })
  }

  /** Seals a session with the newest key. It does no harm if another process is faster or the store is down. */
  async function sealAgain(session: LiveSession): Promise<void> {
    await store.write([await records.put(session, session.version)]).catch(() => {})
  }

  async function expire(request: PlainRequest, { record }: LiveSession): Promise<NoSession> {
    const ended = await storage.endById(record.id, 'expired')
    // Another request has ended it, perhaps a sign-in.
    if (!ended) return { reason: 'expired', cookies: [] }
    revokeUnlessShared(ended)
    return noSession(jar, request, 'expired')
  }

  async function indexOf({ iss, sub, sid }: SessionRecord) {
    const user = { index: 'session-sub', value: await subjectKey(iss, sub) }
    return sid === undefined ? [user] : [user, { index: 'session-sid', value: await providerSessionKey(iss, sid) }]
  }

  function sweep(): void {
    if (clock() - swept < SWEEP_INTERVAL) return
    swept = clock()
    background.run(async () => {
      await store.sweep?.(1000)
    })
  }

  return {
    sessionList: createSessionList({ settings, store, records, storage, idleTimeouts, signOutStamps, revoke }),

    async read(request, touch = true, end = true) {
      const id = await idOf(request)
      const session = id === undefined ? undefined : await records.load(id)
      if (session === 'later') return sessionOfLaterRelease
      if (!session) return noSession(jar, request, 'none')
      if ('ended' in session) return noSession(jar, request, session.ended)
      if (!providers.forSession(session.record)) return noSession(jar, request, 'revoked')
      const last = await idleTimeouts.lastUse(session.record, touch)
      if (last === 'later') return sessionOfLaterRelease
      const { expires } = session.record
      const sessionEnd = endOf(session.record)
      if (last === undefined || now() >= expires || (now() >= sessionEnd && !coordinator.refreshes(session.record.id)))
        return end ? expire(request, session) : noSession(jar, request, 'expired')
      if (touch && session.stale) await sealAgain(session)
      return {
        record: session.record,
        expiresAt: Math.floor(Math.min(sessionEnd, last + idleTimeout)),
        cookies: [],
        cookieGeneration: 0,
        open: async () => session,
      }
    },

    async create(request, newSession, { access, id_token }, replaced) {
      const currentId = await idOf(request)
      const previous = new Set([...(currentId === undefined ? [] : [currentId]), ...replaced.map(({ id }) => id)])
      const secret = randomId()
      const record: SessionRecord = {
        ...newSession,
        id: await sha256(secret),
        generation: 0,
        touched: now(),
        user_agent: (request.headers.get('user-agent') ?? '').slice(0, MAX_USER_AGENT),
      }
      const session = { record, id_token, tokens: new Map([['', access]]), knownNewest: true }
      try {
        if (!(await store.write([await records.put(session, 'absent', await indexOf(record))])))
          throw new Error('a random id was taken')
      } catch (error) {
        // Nobody is signed in, so the refresh token is not needed; but the previous session stays.
        revokeUnlessShared(session, [...previous])
        throw error
      }
      // Check after the write: "end all sessions" either finds the new session, or its stamp is found here.
      if (await signOutStamps.covers(record)) {
        const ended = await storage.endById(record.id, 'revoked', { refreshToken: 'revoke' })
        if (ended) revoke(ended)
        throw new Refusal('invalid_grant', { reason: 'revoked' })
      }
      emit({ type: 'signed_in', iss: record.iss, sub: record.sub, session: shortId(record.id) })
      for (const id of previous) {
        const ended = await storage.endById(id, 'logged_out')
        if (ended) revokeUnlessShared(ended, [record.id])
      }
      sweep()
      const expiresAt = Math.floor(Math.min(endOf(record), now() + idleTimeout))
      const cookie = jar.set(jar.session, secret, record.expires - now() + KEPT_AFTER_END)
      const surplus = [jar.part, jar.idle].filter((name) => jar.values(request, name).length).map(jar.expire)
      return {
        record,
        expiresAt,
        cookies: [cookie, ...surplus],
        cookieGeneration: 0,
        open: async () => ({ ...session, version: 0 }),
      }
    },

    token: async (session, requested) => coordinator.token(await session.open(), requested),

    async end({ record }, reason, refreshToken) {
      const session = await storage.endById(record.id, reason, { refreshToken })
      return session ? { refresh_token: session.record.refresh_token, id_token: session.id_token } : {}
    },

    async sharesGrant(request, owner, near) {
      const own = await idOf(request)
      return sharedGrants.withLiveSession(owner, own === undefined ? near : [...near, own])
    },

    cookies: async ({ cookies }) => cookies,
    clear: jar.clear,
    drain: () => coordinator.drain(),
  }
}

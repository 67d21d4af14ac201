import { randomId, sha256 } from '../../../crypto/hash.js'
import { createBoundedCache } from '../../../protocol/bounded-cache.js'
import type { PlainRequest } from '../../../protocol/http/plain-response.js'
import type { SignedOutReason } from '../../../protocol/session.js'
import { monotonicClock } from '../../../protocol/time.js'
import { Refusal } from '../../errors.js'
import { noRefreshTokenOnce, shortId } from '../../events.js'
import type { CookieJar } from '../../http/cookies.js'
import { REMEMBRANCE } from '../../lifetimes.js'
import type { Providers } from '../../providers.js'
import type { CookieKeys } from '../../sealing/cookie-keys.js'
import { createSealedRecords } from '../../sealing/sealed-records.js'
import type { Settings } from '../../settings.js'
import type { WatchedStore } from '../../store/watched-store.js'
import type { BackgroundTasks } from '../background-tasks.js'
import { createCoordinator } from '../refresh.js'
import type { SessionRecord } from '../session-record.js'
import type { SessionWithTokens } from '../session-storage.js'
import { type NoSession, ofLaterRelease, type PresentSession, type Sessions } from '../sessions.js'
import { createIdle } from './idle-timeout.js'
import { createSessionList } from './session-list.js'
import { createSessionRecords, type Live } from './session-records.js'
import { createSignOutStamps, providerSessionKey, subjectKey } from './sign-out-stamps.js'
import { createStoredSessionStorage } from './stored-session-storage.js'

/** Seconds between two looks for what has expired, where the store does not look itself. */
const SWEEP = 60
/** Characters of a browser's name for itself that are kept. */
const USER_AGENT = 256
/** Digests of cookies that are remembered at most. */
const DIGESTS = 20_000

/**
 * Sessions in a store. The cookie holds 256 random bits and nothing else; the store knows their digest only, and the
 * session sealed with the cookie keys. All processes over one store are one backend.
 */
export function createStoreSessions(
  settings: Settings,
  store: WatchedStore,
  jar: CookieJar,
  keyring: CookieKeys,
  providers: Providers,
  background: BackgroundTasks,
): Sessions {
  const { now, emit, idleTimeout } = settings
  const sealed = createSealedRecords(keyring)
  const records = createSessionRecords(store, sealed, settings)
  const notBefore = createSignOutStamps(store, sealed, settings)
  const idle = createIdle(store, sealed, settings)
  const storage = createStoredSessionStorage({
    store,
    sealed,
    records,
    notBefore,
    touched: idle.known,
    ended(record, reason) {
      idle.forget(record.id)
      emit({ type: 'signed_out', iss: record.iss, sub: record.sub, session: shortId(record.id), reason })
    },
  })
  const coordinator = createCoordinator(settings, providers, storage)
  const noRefreshToken = noRefreshTokenOnce(emit)
  const digests = createBoundedCache<string>(DIGESTS)
  const clock = monotonicClock(now)
  let swept = clock()

  const absent = (request: PlainRequest, reason: SignedOutReason): NoSession => ({
    reason,
    cookies: jar.clear(request),
  })

  const present = (live: Live, expiresAt: number, cookies: readonly string[] = []): PresentSession => ({
    record: live.record,
    expiresAt,
    cookies,
    cookieGeneration: 0,
    open: async () => live,
  })

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

  /** Revokes what an ended session leaves at the provider; nobody waits for it. */
  function revoke({ record }: Pick<SessionWithTokens, 'record'>): void {
    const { id, refresh_token } = record
    background.run(async () => {
      if (refresh_token !== undefined && (await providers.serving(record)?.revoke(refresh_token)) !== 'done')
        emit({ type: 'revocation_failed', session: shortId(id) })
    })
  }

  /** A key that is to be retired is let go of by every session that is used. Who is faster, or a store that is away, does no harm. */
  async function sealAnew(live: Live): Promise<void> {
    await store.write([await records.put(live, live.version)]).catch(() => {})
  }

  async function expire(request: PlainRequest, { record }: Live): Promise<NoSession> {
    const ended = await storage.bury(record.id, 'expired')
    if (ended) revoke(ended)
    return absent(request, 'expired')
  }

  async function indexOf({ iss, sub, sid }: SessionRecord) {
    const person = { index: 'session-sub', value: await subjectKey(iss, sub) }
    return sid === undefined ? [person] : [person, { index: 'session-sid', value: await providerSessionKey(iss, sid) }]
  }

  function sweep(): void {
    if (clock() - swept < SWEEP) return
    swept = clock()
    background.run(async () => {
      await store.sweep?.(1000)
    })
  }

  return {
    directory: createSessionList({ settings, store, records, storage, idle, notBefore, revoke }),

    async read(request, touch = true, end = true) {
      const id = await idOf(request)
      const live = id === undefined ? undefined : await records.load(id)
      if (live === 'later') return ofLaterRelease
      if (!live) return absent(request, 'none')
      if ('ended' in live) return absent(request, live.ended)
      if (!providers.serving(live.record)) return absent(request, 'revoked')
      const last = await idle.lastUse(live.record, touch)
      if (last === 'later') return ofLaterRelease
      if (last === undefined || now() >= live.record.expires)
        return end ? expire(request, live) : absent(request, 'expired')
      if (touch && live.stale) await sealAnew(live)
      return present(live, Math.floor(Math.min(live.record.expires, last + idleTimeout)))
    },

    async create(request, fresh, { access, id_token }, replaced) {
      const own = await idOf(request)
      const previous = new Set([...(own === undefined ? [] : [own]), ...replaced.map(({ id }) => id)])
      const secret = randomId()
      const record: SessionRecord = {
        ...fresh,
        id: await sha256(secret),
        generation: 0,
        touched: now(),
        user_agent: (request.headers.get('user-agent') ?? '').slice(0, USER_AGENT),
      }
      const session = { record, id_token, tokens: new Map([['', access]]), ours: true }
      try {
        if (!(await store.write([await records.put(session, 'absent', await indexOf(record))])))
          throw new Error('a random id was taken')
      } catch (error) {
        // Nobody is signed in: what the provider gave for it is of no use to anybody.
        revoke(session)
        throw error
      }
      // After the session is there to be found: whoever ends all of a person's sessions has either found it or is found here.
      if (await notBefore.covers(record)) {
        const ended = await storage.bury(record.id, 'revoked')
        if (ended) revoke(ended)
        throw new Refusal('invalid_grant', { reason: 'revoked' })
      }
      emit({ type: 'signed_in', iss: record.iss, sub: record.sub, session: shortId(record.id) })
      for (const id of previous) {
        const ended = await storage.bury(id, 'logged_out')
        if (ended) revoke(ended)
      }
      if (record.refresh_token === undefined) noRefreshToken()
      sweep()
      const expiresAt = Math.floor(Math.min(record.expires, now() + idleTimeout))
      const cookie = jar.set(jar.session, secret, record.expires - now() + REMEMBRANCE)
      const surplus = [jar.part, jar.idle].filter((name) => jar.values(request, name).length).map(jar.expire)
      return {
        record,
        expiresAt,
        cookies: [cookie, ...surplus],
        cookieGeneration: 0,
        open: async () => ({ ...session, version: 0 }),
      }
    },

    token: async (presence, wanted) => coordinator.token(await presence.open(), wanted),

    async end({ record }, reason) {
      const live = await storage.bury(record.id, reason)
      return live ? { refresh_token: live.record.refresh_token, id_token: live.id_token } : {}
    },

    cookies: async ({ cookies }) => cookies,
    clear: jar.clear,
    drain: () => coordinator.drain(),
  }
}

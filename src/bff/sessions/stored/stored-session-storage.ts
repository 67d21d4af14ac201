import type { SignedOutReason } from '../../../protocol/session.js'
import { type RecordStore, StoreError } from '../../../store/contract.js'
import type { SealedRecords } from '../../sealing/sealed-records.js'
import { recordOf } from '../../store/record-id.js'
import type { SessionRecord } from '../session-record.js'
import type { RefreshAttempt, RefreshTokenEnd, SessionStorage, SessionWithTokens } from '../session-storage.js'
import type { LiveSession, SessionRecords } from './session-records.js'
import type { SharedGrants } from './shared-grants.js'
import type { SignOutStamps } from './sign-out-stamps.js'

interface StoredSessionStorageContext {
  store: RecordStore
  sealed: SealedRecords
  records: SessionRecords
  signOutStamps: SignOutStamps
  sharedGrants: SharedGrants
  /** The last use of a session that this process knows of. */
  lastKnownUse(id: string): number
  /** Is called for every session that ends. */
  onEnded(record: SessionRecord, reason: SignedOutReason): void
}

interface HowToEnd {
  only?: (live: LiveSession) => boolean
  refreshToken?: RefreshTokenEnd | undefined
}

export interface StoredSessionStorage extends SessionStorage {
  /** Ends a session of any generation. Resolves to its last state; `undefined` if it has ended already, or `only` refuses. */
  endById(id: string, reason: SignedOutReason, how?: HowToEnd): Promise<LiveSession | undefined>
}

/** Stands for an unreadable attempt: it matches no generation. */
const noAttempt: RefreshAttempt = {
  id: '',
  generation: -1,
  running: false,
  unknown: false,
  refused: false,
  odd: 0,
  notBefore: 0,
}

/** Sessions and attempts in a store, shared by the refresh coordinators of many processes. */
export function createStoredSessionStorage({
  store,
  sealed,
  records,
  signOutStamps,
  sharedGrants,
  lastKnownUse,
  onEnded,
}: StoredSessionStorageContext): StoredSessionStorage {
  async function endById(id: string, reason: SignedOutReason, { only = () => true, refreshToken }: HowToEnd = {}) {
    for (;;) {
      const found = await records.load(id)
      if (!found || found === 'later') return undefined
      if ('ended' in found) {
        // Its browser signs in or out: a late answer must know (see noSession).
        if (reason === 'logged_out' && found.ended !== reason)
          await store.write([await records.endedOtherwise(id, found, reason)])
        return undefined
      }
      if (!only(found)) return undefined
      if (!(await store.write(await records.tombstone(found, reason, refreshToken)))) continue
      onEnded(found.record, reason)
      return found
    }
  }

  const attemptOf = (id: string) => recordOf('attempt', id)

  async function readAttempt(id: string) {
    const stored = await store.get(attemptOf(id))
    if (!stored) return undefined
    const found = await sealed.open<RefreshAttempt>('attempt', id, stored.value)
    // It is unknown whether a token request is running.
    if (found === 'later') throw new StoreError('store_format_unknown')
    // An unreadable attempt is ignored and overwritten.
    return { attempt: found?.content ?? noAttempt, version: stored.version }
  }

  const put = async (
    { record: { id, expires } }: SessionWithTokens,
    attempt: RefreshAttempt,
    ifVersion: number | 'absent',
  ) => ({
    type: 'put' as const,
    id: attemptOf(id),
    value: await sealed.seal('attempt', id, attempt),
    ifVersion,
    ttl: records.ttlOf(expires),
  })

  return {
    endById,
    readAttempt,

    async read(id) {
      const found = await records.load(id)
      if (found === 'later') throw new StoreError('store_format_unknown')
      return found ?? { ended: 'expired' }
    },

    async beginAttempt(session, begun, previousVersion) {
      // The session of a sign-in that was running during "sign out everywhere" ends here at the latest.
      if (await signOutStamps.covers(session.record)) {
        await endById(session.record.id, 'revoked', { refreshToken: 'revoke' })
        return false
      }
      return store.write([records.check(session), await put(session, begun, previousVersion ?? 'absent')])
    },

    async updateAttempt(session, noted) {
      const found = await readAttempt(session.record.id)
      if (found?.attempt.id === noted.id) await store.write([await put(session, noted, found.version)])
    },

    async save(session, next) {
      const known = lastKnownUse(session.record.id)
      const record = { ...next.record, touched: Math.max(next.record.touched ?? 0, known) }
      return store.write([
        await records.put({ ...next, record }, session.version),
        { type: 'delete', id: attemptOf(record.id), ifVersion: 'any' },
      ])
    },

    async end(session, reason) {
      const { id, generation } = session.record
      const ended = await endById(id, reason, { only: ({ record }) => record.generation === generation })
      return ended !== undefined
    },

    async revokesAfterEnd(record) {
      const found = await records.load(record.id).catch(() => undefined)
      const refreshToken = found instanceof Object && 'ended' in found ? found.refreshToken : undefined
      return refreshToken ? refreshToken === 'revoke' : !(await sharedGrants.withLiveSession(record))
    },
  }
}

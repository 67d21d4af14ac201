import type { SignedOutReason } from '../../../protocol/session.js'
import { type RecordStore, StoreError } from '../../../store/contract.js'
import type { SealedRecords } from '../../sealing/sealed-records.js'
import { recordOf } from '../../store/record-id.js'
import type { SessionRecord } from '../session-record.js'
import type { RefreshAttempt, SessionStorage, SessionWithTokens } from '../session-storage.js'
import type { Live, SessionRecords } from './session-records.js'
import type { SignOutStamps } from './sign-out-stamps.js'

/** What the storage needs of the sessions that it is a part of. */
export interface ShelfPorts {
  store: RecordStore
  sealed: SealedRecords
  records: SessionRecords
  notBefore: SignOutStamps
  /** The last use of a session that this process knows of. */
  touched(id: string): number
  /** Hears of every session that is ended here. */
  ended(record: SessionRecord, reason: SignedOutReason): void
}

export interface StoredSessionStorage extends SessionStorage {
  /** Ends a session whatever its generation. Resolves to what it was; `undefined` if somebody else has ended it. */
  bury(id: string, reason: SignedOutReason, only?: (live: Live) => boolean): Promise<Live | undefined>
}

/** Of no generation. */
const none: RefreshAttempt = {
  id: '',
  generation: -1,
  running: false,
  unknown: false,
  refused: false,
  odd: 0,
  notBefore: 0,
}

/** Sessions and attempts in a store: what the refresh coordinators of many processes agree by. */
export function createStoredSessionStorage({
  store,
  sealed,
  records,
  notBefore,
  touched,
  ended,
}: ShelfPorts): StoredSessionStorage {
  async function bury(id: string, reason: SignedOutReason, only: (live: Live) => boolean = () => true) {
    for (;;) {
      const found = await records.load(id)
      if (!found || found === 'later' || 'ended' in found || !only(found)) return undefined
      if (!(await store.write(await records.bury(found, reason)))) continue
      ended(found.record, reason)
      return found
    }
  }

  const attemptOf = (id: string) => recordOf('attempt', id)

  async function attempt(id: string) {
    const stored = await store.get(attemptOf(id))
    if (!stored) return undefined
    const found = await sealed.open<RefreshAttempt>('attempt', id, stored.value)
    // Whether the provider is being asked cannot be said.
    if (found === 'later') throw new StoreError('store_format_unknown')
    // What is not ours says nothing, and is overwritten.
    return { attempt: found?.content ?? none, version: stored.version }
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
    bury,
    attempt,

    async read(id) {
      const found = await records.load(id)
      if (found === 'later') throw new StoreError('store_format_unknown')
      return found ?? { ended: 'expired' }
    },

    async begin(session, begun, over) {
      // A sign-in that a "sign out everywhere" has overtaken ends here at the latest.
      if (await notBefore.covers(session.record)) {
        await bury(session.record.id, 'revoked')
        return false
      }
      return store.write([records.check(session), await put(session, begun, over ?? 'absent')])
    },

    async note(session, noted) {
      const found = await attempt(session.record.id)
      if (found?.attempt.id === noted.id) await store.write([await put(session, noted, found.version)])
    },

    async save(session, next) {
      const known = touched(session.record.id)
      const record = { ...next.record, touched: Math.max(next.record.touched ?? 0, known) }
      return store.write([
        await records.put({ ...next, record }, session.version),
        { type: 'delete', id: attemptOf(record.id), ifVersion: 'any' },
      ])
    },

    async end(session, reason) {
      const { id, generation } = session.record
      let moved = false
      await bury(id, reason, ({ record }) => {
        moved = record.generation !== generation
        return !moved
      })
      return !moved
    },
  }
}

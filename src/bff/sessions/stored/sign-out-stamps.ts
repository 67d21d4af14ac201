import { sha256 } from '../../../crypto/hash.js'
import { type RecordStore, StoreError } from '../../../store/contract.js'
import { KEPT_AFTER_END } from '../../lifetimes.js'
import type { SealedRecords } from '../../sealing/sealed-records.js'
import type { Settings } from '../../settings.js'
import { recordOf } from '../../store/record-id.js'
import type { SessionRecord } from '../session-record.js'
import type { SessionOwner } from '../sessions.js'

/** Index keys: the sessions of a user, and those of one session at the provider. */
export const subjectKey = (iss: string, sub: string): Promise<string> => sha256(`sub ${iss} ${sub}`)
export const providerSessionKey = (iss: string, sid: string): Promise<string> => sha256(`sid ${iss} ${sid}`)

/** Seconds, longer than a sign-in takes. A stamp for an unknown `sid` is kept no longer, since anybody can send one. */
const UNDER_WAY = 900

export type SignOutStamps = ReturnType<typeof createSignOutStamps>

/**
 * A stamp says: all sessions of this user, or of this session at the provider, that were created before it have ended. It
 * ends the session of a sign-in that is running while all sessions are ended. It is read at sign-in and at refresh only.
 */
export function createSignOutStamps(store: RecordStore, sealed: SealedRecords, { now, absoluteTimeout }: Settings) {
  const keysOf = ({ iss, sub, sid }: SessionOwner) =>
    Promise.all([
      ...(sub === undefined ? [] : [subjectKey(iss, sub)]),
      ...(sid === undefined ? [] : [providerSessionKey(iss, sid)]),
    ])

  async function read(key: string): Promise<number> {
    const stored = await store.get(recordOf('not-before', key))
    const found = stored && (await sealed.open<{ at: number }>('not-before', key, stored.value))
    // It is unknown whether the session has ended.
    if (found === 'later') throw new StoreError('store_format_unknown')
    return found?.content.at ?? Number.NEGATIVE_INFINITY
  }

  return {
    /**
     * Stamps the session at the provider if `sid` is given, otherwise the user. Without `lasting`, the stamp is kept only long
     * enough for a running sign-in.
     */
    async stamp({ iss, sub, sid }: SessionOwner, lasting: boolean): Promise<void> {
      const keys = await keysOf(sid === undefined ? { iss, sub } : { iss, sid })
      for (const key of keys) {
        const id = recordOf('not-before', key)
        const ttl = lasting ? absoluteTimeout + KEPT_AFTER_END : UNDER_WAY
        const value = await sealed.seal('not-before', key, { at: now() })
        await store.write([{ type: 'put', id, value, ifVersion: 'any', ttl }])
      }
    },

    /** Whether a stamp has ended this session. */
    async covers({ iss, sub, sid, created }: Pick<SessionRecord, 'iss' | 'sub' | 'sid' | 'created'>): Promise<boolean> {
      const stamps = await Promise.all((await keysOf({ iss, sub, sid })).map(read))
      return stamps.some((at) => created <= at)
    },
  }
}

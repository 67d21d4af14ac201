import { sha256 } from '../../../crypto/hash.js'
import { type RecordStore, StoreError } from '../../../store/contract.js'
import { REMEMBRANCE } from '../../lifetimes.js'
import type { SealedRecords } from '../../sealing/sealed-records.js'
import type { Settings } from '../../settings.js'
import { recordOf } from '../../store/record-id.js'
import type { SessionRecord } from '../session-record.js'
import type { SessionOwner } from '../sessions.js'

/** Under what a person's sessions are found, and those of one session at the provider. */
export const subjectKey = (iss: string, sub: string): Promise<string> => sha256(`sub ${iss} ${sub}`)
export const providerSessionKey = (iss: string, sid: string): Promise<string> => sha256(`sid ${iss} ${sid}`)

/** Seconds, longer than a sign-in takes. Anybody can name a session at the provider that there is none of. */
const UNDER_WAY = 900

export type SignOutStamps = ReturnType<typeof createSignOutStamps>

/**
 * Stamps that say: sessions of this person, or of this session at the provider, that began until now are over. They catch
 * the sign-in that is under way while all sessions are ended, and are read at sign-in and refresh only.
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
    // Whether the session is over cannot be said.
    if (found === 'later') throw new StoreError('store_format_unknown')
    return found?.content.at ?? Number.NEGATIVE_INFINITY
  }

  return {
    /**
     * Of a session at the provider where one is named, else of the person: never more than was said. What is not `lasting` is
     * there for a sign-in under way alone.
     */
    async stamp({ iss, sub, sid }: SessionOwner, lasting: boolean): Promise<void> {
      const keys = await keysOf(sid === undefined ? { iss, sub } : { iss, sid })
      for (const key of keys) {
        const id = recordOf('not-before', key)
        const ttl = lasting ? absoluteTimeout + REMEMBRANCE : UNDER_WAY
        const value = await sealed.seal('not-before', key, { at: now() })
        await store.write([{ type: 'put', id, value, ifVersion: 'any', ttl }])
      }
    },

    /** Whether a session is over by a stamp. */
    async covers({ iss, sub, sid, created }: Pick<SessionRecord, 'iss' | 'sub' | 'sid' | 'created'>): Promise<boolean> {
      const stamps = await Promise.all((await keysOf({ iss, sub, sid })).map(read))
      return stamps.some((at) => created <= at)
    },
  }
}

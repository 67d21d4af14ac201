import { createBoundedCache } from '../../../protocol/bounded-cache.js'
import type { RecordStore } from '../../../store/contract.js'
import { REMEMBRANCE } from '../../lifetimes.js'
import type { SealedRecords } from '../../sealing/sealed-records.js'
import type { Settings } from '../../settings.js'
import { recordOf } from '../../store/record-id.js'
import type { SessionRecord } from '../session-record.js'

/** Sessions whose last use this process remembers at most. */
const LIMIT = 100_000

export type Idle = ReturnType<typeof createIdle>

/**
 * When sessions were last used. A use is a record of its own, written at most once a minute by each process, and blindly:
 * it conflicts with nothing. It is read only where what is known without it would end the session, or where the exact
 * instant matters; so a session check reads one record.
 */
export function createIdle(store: RecordStore, sealed: SealedRecords, { now, idleTimeout, emit }: Settings) {
  const remembered = createBoundedCache<number>(LIMIT)
  /** Seconds between two writes. */
  const step = Math.min(60, idleTimeout / 10)

  /** The last use that is written down; `later` where a later release wrote it. What is not ours is no use. */
  async function written(id: string): Promise<number | 'later'> {
    const stored = await store.get(recordOf('idle', id))
    const found = stored && (await sealed.open<{ at: number }>('idle', id, stored.value))
    return found === 'later' ? found : (found?.content.at ?? 0)
  }

  const known = (id: string): number => remembered.get(id) ?? 0

  const knownOf = ({ id, touched, created }: SessionRecord): number => Math.max(touched ?? created, known(id))

  return {
    known,
    forget: (id: string) => remembered.delete(id),

    /** The last use as far as anybody knows. */
    async exactly(record: SessionRecord): Promise<number> {
      const last = await written(record.id)
      return last === 'later' ? knownOf(record) : Math.max(knownOf(record), last)
    },

    /** The last use, this one included if it counts (`touch`); `undefined` when it was too long ago. */
    async lastUse(record: SessionRecord, touch: boolean): Promise<number | 'later' | undefined> {
      const { id } = record
      const instant = now()
      let last = knownOf(record)
      if (!touch || instant > last + idleTimeout) {
        const found = await written(id)
        if (found === 'later') return found
        last = Math.max(last, found)
      }
      if (instant > last + idleTimeout) return undefined
      if (!touch || instant - last < step) return last
      try {
        const ttl = idleTimeout + REMEMBRANCE
        const value = await sealed.seal('idle', id, { at: instant })
        await store.write([{ type: 'put', id: recordOf('idle', id), value, ifVersion: 'any', ttl }])
        remembered.set(id, instant)
      } catch {
        // The session can be read: that its use cannot be written down is no reason to turn anybody away.
        emit({ type: 'store_unavailable', detail: 'a use of a session could not be written' })
      }
      return instant
    },
  }
}

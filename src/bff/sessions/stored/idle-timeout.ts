import { createBoundedCache } from '../../../protocol/bounded-cache.js'
import type { RecordStore } from '../../../store/contract.js'
import { KEPT_AFTER_END } from '../../lifetimes.js'
import type { SealedRecords } from '../../sealing/sealed-records.js'
import type { Settings } from '../../settings.js'
import { recordOf } from '../../store/record-id.js'
import type { SessionRecord } from '../session-record.js'

/** The last use of this many sessions is remembered. */
const MAX_REMEMBERED = 100_000

export type IdleTimeout = ReturnType<typeof createIdleTimeout>

/**
 * When sessions were last used. The last use is a record of its own. Each process writes it once a minute at most, without a
 * version check, so it conflicts with nothing. It is read only if the session would otherwise have expired, or if the exact time
 * is needed. So a session check usually reads one record.
 */
export function createIdleTimeout(store: RecordStore, sealed: SealedRecords, { now, idleTimeout, emit }: Settings) {
  const remembered = createBoundedCache<number>(MAX_REMEMBERED)
  /** Seconds. */
  const writeInterval = Math.min(60, idleTimeout / 10)

  /** The last use in the store; 0 if there is none; `later` if a later release wrote it. */
  async function readLastUse(id: string): Promise<number | 'later'> {
    const stored = await store.get(recordOf('idle', id))
    const found = stored && (await sealed.open<{ at: number }>('idle', id, stored.value))
    return found === 'later' ? found : (found?.content.at ?? 0)
  }

  const lastKnownUse = (id: string): number => remembered.get(id) ?? 0

  const lastKnownUseOf = ({ id, touched, created }: SessionRecord): number =>
    Math.max(touched ?? created, lastKnownUse(id))

  return {
    known: lastKnownUse,
    forget: (id: string) => remembered.delete(id),

    /** The last use, by any process. */
    async exactLastUse(record: SessionRecord): Promise<number> {
      const last = await readLastUse(record.id)
      return last === 'later' ? lastKnownUseOf(record) : Math.max(lastKnownUseOf(record), last)
    },

    /** The last use, including this one if `touch`; `undefined` if the idle timeout has passed. */
    async lastUse(record: SessionRecord, touch: boolean): Promise<number | 'later' | undefined> {
      const { id } = record
      const instant = now()
      let last = lastKnownUseOf(record)
      if (!touch || instant > last + idleTimeout) {
        const found = await readLastUse(id)
        if (found === 'later') return found
        last = Math.max(last, found)
      }
      if (instant > last + idleTimeout) return undefined
      if (!touch || instant - last < writeInterval) return last
      try {
        const ttl = idleTimeout + KEPT_AFTER_END
        const value = await sealed.seal('idle', id, { at: instant })
        await store.write([{ type: 'put', id: recordOf('idle', id), value, ifVersion: 'any', ttl }])
        remembered.set(id, instant)
      } catch {
        // The session itself can be read, so the request is served.
        emit({ type: 'store_unavailable', detail: 'a use of a session could not be written' })
      }
      return instant
    },
  }
}

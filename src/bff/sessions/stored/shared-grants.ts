import type { RecordStore } from '../../../store/contract.js'
import { mapConcurrently } from '../../../store/map-concurrently.js'
import type { Settings } from '../../settings.js'
import { endOf } from '../session-record.js'
import { type GrantOwner, mayShareGrant } from '../shared-grant.js'
import type { IdleTimeout } from './idle-timeout.js'
import type { SessionRecords } from './session-records.js'
import { providerSessionKey, subjectKey } from './sign-out-stamps.js'

/** Sessions of one index that are looked at. If there are more, one of them may share the grant. */
const MAX_SESSIONS = 100

interface SharedGrantsContext {
  settings: Settings
  store: RecordStore
  records: SessionRecords
  idleTimeouts: IdleTimeout
}

/** Finds out whether a live session would lose its tokens if those of another were revoked. */
export function createSharedGrants({ settings, store, records, idleTimeouts }: SharedGrantsContext) {
  const { now, idleTimeout } = settings

  async function shares(id: string, grant: GrantOwner & { id?: string }): Promise<boolean> {
    if (id === grant.id) return false
    const found = await records.load(id)
    if (found === 'later') return true
    if (!found || 'ended' in found || !mayShareGrant(grant, found.record)) return false
    const lastUse = await idleTimeouts.exactLastUse(found.record)
    return now() < Math.min(endOf(found.record), lastUse + idleTimeout)
  }

  async function anyOf(ids: readonly string[], grant: GrantOwner & { id?: string }): Promise<boolean> {
    return (await mapConcurrently(ids, (id) => shares(id, grant))).includes(true)
  }

  return {
    /**
     * Whether a live session may share the grant of `grant`: one of `near` (of the same browser), of the same session at the provider,
     * or of the same user. If the store does not say, one may.
     */
    async withLiveSession(grant: GrantOwner & { id?: string }, near: readonly string[] = []): Promise<boolean> {
      const { iss, sub, sid } = grant
      try {
        if (await anyOf(near, grant)) return true
        const indexes = [
          ...(sid === undefined ? [] : [['session-sid', await providerSessionKey(iss, sid)] as const]),
          ['session-sub', await subjectKey(iss, sub)] as const,
        ]
        for (const [index, value] of indexes) {
          const { ids, cursor } = await store.list(index, value, { limit: MAX_SESSIONS })
          const listed = ids.map(({ id }) => id)
          if (cursor !== undefined || (await anyOf(listed, grant))) return true
        }
        return false
      } catch {
        return true
      }
    },
  }
}

export type SharedGrants = ReturnType<typeof createSharedGrants>

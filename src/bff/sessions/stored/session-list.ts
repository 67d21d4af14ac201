import type { RecordStore } from '../../../store/contract.js'
import { mapConcurrently } from '../../../store/map-concurrently.js'
import type { Settings } from '../../settings.js'
import { endOf, type SessionRecord } from '../session-record.js'
import type { RefreshTokenEnd } from '../session-storage.js'
import type { Device, SessionList, SessionOwner } from '../sessions.js'
import type { IdleTimeout } from './idle-timeout.js'
import type { LiveSession, SessionRecords } from './session-records.js'
import { providerSessionKey, type SignOutStamps, subjectKey } from './sign-out-stamps.js'
import type { StoredSessionStorage } from './stored-session-storage.js'

/** Index entries per page. */
const BATCH = 100

interface SessionListContext {
  settings: Settings
  store: RecordStore
  records: SessionRecords
  storage: StoredSessionStorage
  idleTimeouts: IdleTimeout
  signOutStamps: SignOutStamps
  revoke(live: LiveSession): void
}

/** Finds and ends sessions by user, or by their session at the provider. Index entries may be stale: the record decides. */
export function createSessionList({
  settings,
  store,
  records,
  storage,
  idleTimeouts,
  signOutStamps,
  revoke,
}: SessionListContext): SessionList {
  const { now, idleTimeout } = settings

  async function device(record: SessionRecord, current: string): Promise<Device | undefined> {
    const last_used = await idleTimeouts.exactLastUse(record)
    const expires_at = Math.floor(Math.min(endOf(record), last_used + idleTimeout))
    if (now() >= expires_at) return undefined
    const { id, created, user_agent = '' } = record
    return {
      id,
      current: id === current,
      created: Math.floor(created),
      last_used: Math.floor(last_used),
      expires_at,
      user_agent,
    }
  }

  const page = (index: string, value: string, cursor: string | undefined) =>
    store.list(index, value, { limit: BATCH, ...(cursor !== undefined && { cursor }) })

  async function endAll(
    { iss, sub, sid }: SessionOwner,
    refreshToken?: RefreshTokenEnd,
    except?: string,
  ): Promise<number> {
    // Stamp first: a sign-in that is running now checks it after writing its session.
    await signOutStamps.stamp({ iss, sub, sid }, sid === undefined)
    const matches = ({ record }: LiveSession) =>
      record.id !== except &&
      record.iss === iss &&
      (sid === undefined || record.sid === sid) &&
      (sub === undefined || record.sub === sub)
    const [index, value] =
      sid === undefined
        ? (['session-sub', await subjectKey(iss, sub ?? '')] as const)
        : (['session-sid', await providerSessionKey(iss, sid)] as const)
    let count = 0
    let cursor: string | undefined
    do {
      const next = await page(index, value, cursor)
      // Such a session exists or existed: if it cannot be ended now, the stamp ends it later.
      if (sid !== undefined && cursor === undefined && next.ids.length)
        await signOutStamps.stamp({ iss, sub, sid }, true)
      const ended = await mapConcurrently(next.ids, ({ id }) =>
        storage.endById(id, 'revoked', { only: matches, refreshToken }),
      )
      for (const live of ended) {
        if (!live) continue
        count++
        if (refreshToken === 'revoke') revoke(live)
      }
      cursor = next.cursor
    } while (cursor !== undefined)
    return count
  }

  return {
    async list({ record: own }, from) {
      const { ids, cursor } = await page('session-sub', await subjectKey(own.iss, own.sub), from)
      const found = await mapConcurrently(ids, async ({ id }) => {
        const live = await records.load(id)
        return live && live !== 'later' && !('ended' in live) && live.record.sub === own.sub
          ? device(live.record, own.id)
          : undefined
      })
      const items = found.filter((device) => device !== undefined).sort((a, b) => b.last_used - a.last_used)
      return { items, ...(cursor !== undefined && { cursor }) }
    },

    async end({ record: own }, id) {
      const ended = await storage.endById(id, 'revoked', {
        only: ({ record }) => record.iss === own.iss && record.sub === own.sub,
        refreshToken: 'revoke',
      })
      if (!ended) return undefined
      revoke(ended)
      return id === own.id ? 'current' : 'other'
    },

    endOthers: ({ record: { id, iss, sub } }, refreshToken) => endAll({ iss, sub }, refreshToken, id),

    endAll: (owner, refreshToken) => endAll(owner, refreshToken),
  }
}

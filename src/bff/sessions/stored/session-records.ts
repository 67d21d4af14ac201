import type { SignedOutReason } from '../../../protocol/session.js'
import type { Change, Put, RecordStore } from '../../../store/contract.js'
import { KEPT_AFTER_END } from '../../lifetimes.js'
import type { SealedRecords } from '../../sealing/sealed-records.js'
import type { Settings } from '../../settings.js'
import { recordOf } from '../../store/record-id.js'
import type { AccessToken } from '../session-record.js'
import type { RefreshTokenEnd, SessionWithTokens } from '../session-storage.js'

/** A session that has not ended, as read from the store. */
export interface LiveSession extends SessionWithTokens {
  /** An older key sealed it: seal it again. */
  readonly stale: boolean
}

/** What is left of an ended session. */
interface Tombstone {
  readonly ended: SignedOutReason
  readonly generation: number
  /** Absent if an older release wrote the record. */
  readonly refreshToken?: RefreshTokenEnd
}

type Content = Omit<SessionWithTokens, 'version' | 'knownNewest'> | Tombstone

function revive(
  content: Tombstone | (SessionWithTokens & { tokens: Iterable<readonly [string, AccessToken]> }),
): Content {
  return 'ended' in content ? content : { ...content, tokens: new Map(content.tokens) }
}

const idOf = (id: string) => recordOf('session', id)

/** Reads and writes sessions as records of a store. */
export function createSessionRecords(
  store: RecordStore,
  sealed: SealedRecords,
  { now, emit, absoluteTimeout }: Pick<Settings, 'now' | 'emit' | 'absoluteTimeout'>,
) {
  const ttlOf = (expires: number) => Math.max(1, expires - now()) + KEPT_AFTER_END

  return {
    /** `later`: a later release wrote it. It is neither read nor replaced. */
    async load(id: string): Promise<LiveSession | Tombstone | 'later' | undefined> {
      const stored = await store.get(idOf(id))
      if (!stored) return undefined
      const found = await sealed.open('session', id, stored.value, revive)
      if (found === 'later') {
        emit({ type: 'operator_error', detail: 'A session record was written by a later release; it is not changed' })
        return found
      }
      if (!found) {
        const detail =
          'A session record cannot be read: it was altered, or its key is not in "cookieKeys" any more. It is ignored'
        emit({ type: 'operator_error', detail })
        return undefined
      }
      const { content, stale } = found
      if ('ended' in content) return content
      const { record, tokens, id_token } = content
      return { record, tokens, id_token, knownNewest: true, version: stored.version, stale }
    },

    async put(
      session: Omit<SessionWithTokens, 'version'>,
      ifVersion: Put['ifVersion'],
      index?: Put['index'],
    ): Promise<Put> {
      const { record, tokens, id_token } = session
      const { id, expires } = record
      const value = await sealed.seal('session', id, { record, id_token, tokens: [...tokens] })
      return { type: 'put', id: idOf(id), value, ifVersion, ttl: ttlOf(expires), ...(index && { index }) }
    },

    /** The changes that end a session. The tombstone stays until the cookie has expired. */
    async tombstone(
      { record, version }: LiveSession,
      reason: SignedOutReason,
      refreshToken?: RefreshTokenEnd,
    ): Promise<Change[]> {
      const { id, generation, expires } = record
      const tombstone: Tombstone = { ended: reason, generation, ...(refreshToken && { refreshToken }) }
      const value = await sealed.seal('session', id, tombstone)
      return [
        { type: 'put', id: idOf(id), value, ifVersion: version, ttl: ttlOf(expires) },
        { type: 'delete', id: recordOf('attempt', id), ifVersion: 'any' },
        { type: 'delete', id: recordOf('idle', id), ifVersion: 'any' },
      ]
    },

    /** Another reason why a session has ended. No write makes it live again, so any version may be replaced. */
    async endedOtherwise(id: string, tombstone: Tombstone, reason: SignedOutReason): Promise<Put> {
      const value = await sealed.seal('session', id, { ...tombstone, ended: reason })
      return { type: 'put', id: idOf(id), value, ifVersion: 'any', ttl: ttlOf(now() + absoluteTimeout) }
    },

    check: ({ record, version }: SessionWithTokens): Change => ({
      type: 'check',
      id: idOf(record.id),
      ifVersion: version,
    }),

    ttlOf,
  }
}

export type SessionRecords = ReturnType<typeof createSessionRecords>

import { createBounded } from '../protocol/bounded.js'
import type { SignedOutReason } from '../protocol/session.js'
import type { Change, Put, RecordId, RecordStore } from '../store/contract.js'
import { type Keyring, parseOnce } from './keyring.js'
import { type AccessToken, REMEMBRANCE, type SessionRecord } from './record.js'
import type { Settings } from './settings.js'
import type { Held } from './shelf.js'
import type { Tokens } from './tokens.js'

/** A live session as its record says it, tokens still sealed. */
export interface Live {
  readonly record: SessionRecord
  readonly sealed: string
  readonly version: number
}

/** What is left of an ended one. */
export interface Tombstone {
  readonly ended: SignedOutReason
  readonly generation: number
}

/** What only this backend can open: bound to kind and id, so that no record's tokens can be put into another's. */
interface Sealed {
  readonly of: string
  readonly refresh_token?: string | undefined
  readonly id_token?: string | undefined
  readonly tokens: Tokens
}

const writeSealed = (content: Sealed): string => JSON.stringify({ ...content, tokens: [...content.tokens] })

function readSealed(text: string): Sealed {
  const content = JSON.parse(text) as Sealed & { tokens: Iterable<readonly [string, AccessToken]> }
  return { ...content, tokens: new Map(content.tokens) }
}

/** Characters of records that are remembered, parsed, at most. */
const REMEMBERED = 16_777_216

/** All records of one session lie in one partition, which its id begins with. */
export const recordOf = (kind: string, id: string): RecordId => ({ kind, partition: id.slice(0, 8), id })

const session = (id: string) => recordOf('session', id)
const boundTo = (id: string) => `session ${id}`

/** Sessions as records of a store: what stands where, and in which form. */
export function createSessionRecords(
  store: RecordStore,
  keyring: Keyring,
  { now, emit }: Pick<Settings, 'now' | 'emit'>,
) {
  const remembered = createBounded<{ value: string; live: Live }>(REMEMBERED)
  const ttlOf = (expires: number) => Math.max(1, expires - now()) + REMEMBRANCE

  async function seal({ record, id_token, tokens }: Omit<Held, 'version'>): Promise<string> {
    const { id, refresh_token } = record
    return keyring.seal('record', writeSealed({ of: boundTo(id), refresh_token, id_token, tokens }))
  }

  return {
    async load(id: string): Promise<Live | Tombstone | undefined> {
      const stored = await store.get(session(id))
      if (!stored) return undefined
      const known = remembered.get(id)
      if (known?.value === stored.value && known.live.version === stored.version) return known.live
      const parsed = parse(stored.value)
      if (!parsed) {
        emit({ type: 'operator_error', detail: 'A session record cannot be read; it is taken for none' })
        return undefined
      }
      if ('ended' in parsed) return parsed
      const { sealed, ...record } = parsed
      const live: Live = { record: { ...record, id }, sealed, version: stored.version }
      remembered.set(id, { value: stored.value, live }, stored.value.length * 2)
      return live
    },

    /** A session whose tokens cannot be opened, since their key is retired, is one that cannot be renewed. */
    async open({ record, sealed, version }: Live): Promise<Held> {
      const opened = await keyring.open('record', sealed)
      const content = opened && parseOnce(opened, () => readSealed(opened.plaintext))
      const own = content?.of === boundTo(record.id) ? content : undefined
      if (!own)
        emit({ type: 'operator_error', detail: 'The tokens of a session cannot be opened: is their key retired?' })
      const { refresh_token, id_token, tokens } = own ?? { tokens: new Map<string, AccessToken>() }
      return {
        record: { ...record, ...(refresh_token !== undefined && { refresh_token }) },
        tokens,
        id_token,
        ours: true,
        version,
      }
    },

    async put(held: Omit<Held, 'version'>, ifVersion: Put['ifVersion'], index?: Put['index']): Promise<Put> {
      const { id, refresh_token: _, ...record } = held.record
      const value = JSON.stringify({ ...record, sealed: await seal(held) })
      return { type: 'put', id: session(id), value, ifVersion, ttl: ttlOf(record.expires), ...(index && { index }) }
    },

    /** What replaces a session: nothing in it is secret, and nothing brings the session back before its cookie is gone. */
    bury({ record, version }: Live, reason: SignedOutReason): Change[] {
      const { id, generation, expires } = record
      const tombstone: Tombstone = { ended: reason, generation }
      return [
        { type: 'put', id: session(id), value: JSON.stringify(tombstone), ifVersion: version, ttl: ttlOf(expires) },
        { type: 'delete', id: recordOf('attempt', id), ifVersion: 'any' },
        { type: 'delete', id: recordOf('idle', id), ifVersion: 'any' },
      ]
    },

    check: ({ record, version }: Held): Change => ({ type: 'check', id: session(record.id), ifVersion: version }),

    ttlOf,
  }
}

export type SessionRecords = ReturnType<typeof createSessionRecords>

type Written = (Omit<SessionRecord, 'id'> & { sealed: string }) | Tombstone

/** Only this backend writes these records; what is not even JSON is somebody else's, or garbage. */
function parse(value: string): Written | undefined {
  try {
    const parsed = JSON.parse(value) as Partial<Record<string, unknown>> | null
    const known = typeof parsed?.['ended'] === 'string' || typeof parsed?.['sealed'] === 'string'
    return known && typeof parsed['generation'] === 'number' ? (parsed as unknown as Written) : undefined
  } catch {
    return undefined
  }
}

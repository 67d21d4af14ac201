import { randomId, sha256 } from '../crypto/hash.js'
import type { Put, RecordId, RecordStore } from '../store/contract.js'
import { storedJson } from '../store/stored-json.js'
import { writeAndConfirm } from '../store/write-and-confirm.js'
import { tokenError } from './errors.js'

/** What was granted at sign-in. */
export interface SignInGrant {
  sub: string
  client_id: string
  scopes: readonly string[]
  claims: Readonly<Record<string, unknown>>
  /** The API that it was granted for. A row of an older release has none: it is for the issuer's default audience. */
  audience?: string
}

interface TokenRow {
  grant: SignInGrant
  family: string
  /** Epoch seconds. */
  expiresAt: number
  /** When all refresh tokens of the sign-in expire, however often they are rotated. A row of an older release has none. */
  endsAt?: number
  spent?: boolean
}

const rows = storedJson<TokenRow>()
const replays = storedJson<{ salt: string }>()

/** Seconds in which a spent token returns the same successor, for lost responses and concurrent requests. */
const REPLAY_WINDOW = 60
/** Seconds that the end of a sign-in is stored after its last token has expired. */
const RETENTION = 86_400
/** Attempts while other requests use the same token. */
const MAX_ATTEMPTS = 5

/** All rows of one sign-in are in one partition. A token begins with the name of its partition. */
const PARTITION = 8
const idOf = async (token: string): Promise<RecordId> => ({
  kind: 'refresh-token',
  partition: token.slice(0, PARTITION),
  id: await sha256(token),
})
const replayId = ({ partition, id }: RecordId): RecordId => ({ kind: 'refresh-replay', partition, id })
const familyId = (family: string): RecordId => ({
  kind: 'refresh-family',
  partition: family.slice(0, PARTITION),
  id: family,
})

/** The successor is derived from the token, so it cannot be computed from the store alone. */
const successorOf = async (token: string, family: string, salt: string): Promise<string> =>
  family.slice(0, PARTITION) + (await sha256(`${salt} ${token}`))

/**
 * Refresh tokens: opaque, stored as digests, valid once. A second use revokes all refresh tokens of the sign-in. Within a minute
 * it returns the same successor instead, if that is not used yet.
 */
export function createRefreshTokens(
  store: RecordStore,
  lifetime: number,
  absolute: number,
  now: () => number,
  reused: (sub: string) => void,
) {
  const put = (id: RecordId, row: TokenRow, ifVersion: number | 'absent'): Put => ({
    type: 'put',
    id,
    value: rows.write(row),
    ifVersion,
    ttl: Math.max(1, row.expiresAt - now()),
  })

  /**
   * Stores that the family has ended. The row outlives every token of the family: its lifetime depends on `endsAt`, not on the
   * current options. A row of an older release has no `endsAt`, so the mark never expires.
   */
  async function end({ family, endsAt }: TokenRow): Promise<void> {
    const ended = { type: 'put', id: familyId(family), value: 'ended', ifVersion: 'any' } as const
    await store.write([{ ...ended, ...(endsAt !== undefined && { ttl: Math.max(1, endsAt - now()) + RETENTION }) }])
  }

  async function find(token: string) {
    if (!/^[\w-]{51}$/.test(token)) return undefined
    const id = await idOf(token)
    const stored = await store.get(id)
    return stored && { id, row: rows.read(stored.value), version: stored.version }
  }

  /** The same successor again, if it is not used yet. The store's clock ends the window. */
  async function replayed(token: string, id: RecordId, { family }: TokenRow): Promise<string | undefined> {
    const stored = await store.get(replayId(id))
    if (!stored) return undefined
    const successor = await successorOf(token, family, replays.read(stored.value).salt)
    const found = await find(successor)
    return found && !found.row.spent ? successor : undefined
  }

  return {
    /** Creates the first refresh token of a sign-in. */
    async create(grant: SignInGrant): Promise<string> {
      const family = randomId()
      const token = family.slice(0, PARTITION) + randomId()
      const endsAt = now() + absolute
      const row = { grant, family, expiresAt: Math.min(now() + lifetime, endsAt), endsAt }
      if (!(await writeAndConfirm(store, put(await idOf(token), row, 'absent')))) throw tokenError('refresh_conflict')
      return token
    },

    /**
     * Spends a token and creates its successor, in one write. `make` is called for a valid token. If it fails, the token is not
     * spent.
     *
     * @throws SallyportError `refresh_invalid`, `refresh_reused`, `refresh_conflict`, and what `make` throws
     */
    async rotate<Made>(
      token: string,
      make: (grant: SignInGrant) => Promise<Made>,
    ): Promise<{ token: string; made: Made }> {
      for (let turn = 0; turn < MAX_ATTEMPTS; turn++) {
        const found = await find(token)
        if (!found || now() >= found.row.expiresAt) throw tokenError('refresh_invalid')
        const { id, row, version } = found
        if (await store.get(familyId(row.family))) throw tokenError('refresh_invalid')
        if (row.spent) {
          const again = await replayed(token, id, row)
          if (again !== undefined) return { token: again, made: await make(row.grant) }
          await end(row)
          reused(row.grant.sub)
          throw tokenError('refresh_reused')
        }
        const made = await make(row.grant)
        const { endsAt = now() + absolute } = row
        const salt = randomId()
        const successor = await successorOf(token, row.family, salt)
        const isWritten = await writeAndConfirm(
          store,
          { type: 'check', id: familyId(row.family), ifVersion: 'absent' },
          put(id, { ...row, endsAt, spent: true }, version),
          put(await idOf(successor), { ...row, endsAt, expiresAt: Math.min(now() + lifetime, endsAt) }, 'absent'),
          { type: 'put', id: replayId(id), value: replays.write({ salt }), ifVersion: 'any', ttl: REPLAY_WINDOW },
        )
        if (isWritten) return { token: successor, made }
      }
      throw tokenError('refresh_conflict')
    },

    /** Revokes all refresh tokens of a token's sign-in. An unknown token is ignored. @see RFC 7009 section 2.2 */
    async revoke(token: string): Promise<void> {
      const found = await find(token)
      if (found) await end(found.row)
    },
  }
}

import { randomId, sha256 } from '../crypto/hash.js'
import type { Put, RecordId, RecordStore } from '../store/contract.js'
import { storedJson } from '../store/stored-json.js'
import { writeAndConfirm } from '../store/write-and-confirm.js'
import { tokenError } from './errors.js'

/** What a sign-in was given, as long as it lasts. */
export interface SignInGrant {
  sub: string
  client_id: string
  scopes: readonly string[]
  claims: Readonly<Record<string, unknown>>
  /** The API that it was given for. A row of an older release has none, and is for the issuer's own audience. */
  audience?: string
}

interface TokenRow {
  grant: SignInGrant
  family: string
  /** Epoch seconds. */
  expiresAt: number
  /** When all that came from the sign-in ends, however often it was renewed. A row of an older release has none. */
  endsAt?: number
  spent?: boolean
}

const rows = storedJson<TokenRow>()
const replays = storedJson<{ salt: string }>()

/** Seconds in which a spent token gives its successor again, to whoever lost the answer or asked at the same moment. */
const REPLAY_WINDOW = 60
/** Seconds that the end of a sign-in is remembered beyond its last token. */
const RETENTION = 86_400
/** Attempts while others use the same token. */
const MAX_ATTEMPTS = 5

/** All that came from one sign-in lies together; a token begins with its partition. */
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

/** Nobody who reads the store can make it: that takes the token before it. */
const successorOf = async (token: string, family: string, salt: string): Promise<string> =>
  family.slice(0, PARTITION) + (await sha256(`${salt} ${token}`))

/**
 * Refresh tokens: opaque, kept as digests, good once. A token that comes a second time ends everything from its sign-in; for a
 * minute it gives the same successor, as long as that was not used.
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
   * That it is there says it all. It outlives every token of the family, by what was issued and not by what is issued now. Of a
   * row of an older release nobody knows how long those live.
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

  /** The successor once more, while it was not used. The window is by the store's clock. */
  async function replayed(token: string, id: RecordId, { family }: TokenRow): Promise<string | undefined> {
    const stored = await store.get(replayId(id))
    if (!stored) return undefined
    const successor = await successorOf(token, family, replays.read(stored.value).salt)
    const found = await find(successor)
    return found && !found.row.spent ? successor : undefined
  }

  return {
    /** The first one of a sign-in. */
    async create(grant: SignInGrant): Promise<string> {
      const family = randomId()
      const token = family.slice(0, PARTITION) + randomId()
      const endsAt = now() + absolute
      const row = { grant, family, expiresAt: Math.min(now() + lifetime, endsAt), endsAt }
      const change = put(await idOf(token), row, 'absent')
      if (!(await writeAndConfirm(store, [change], change))) throw tokenError('refresh_conflict')
      return token
    },

    /**
     * Spends a token and makes its successor, in one write. `make` is called for a token that is good; where it fails, nothing
     * is spent.
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
        const replay: Put = {
          type: 'put',
          id: replayId(id),
          value: replays.write({ salt }),
          ifVersion: 'any',
          ttl: REPLAY_WINDOW,
        }
        const changes = [
          { type: 'check', id: familyId(row.family), ifVersion: 'absent' } as const,
          put(id, { ...row, endsAt, spent: true }, version),
          put(await idOf(successor), { ...row, endsAt, expiresAt: Math.min(now() + lifetime, endsAt) }, 'absent'),
          replay,
        ]
        if (await writeAndConfirm(store, changes, replay)) return { token: successor, made }
      }
      throw tokenError('refresh_conflict')
    },

    /** Ends all that came from a token's sign-in; of an unknown one nothing is said. @see RFC 7009 section 2.2 */
    async revoke(token: string): Promise<void> {
      const found = await find(token)
      if (found) await end(found.row)
    },
  }
}

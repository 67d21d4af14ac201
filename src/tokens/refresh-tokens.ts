import { randomId, sha256 } from '../crypto/hash.js'
import type { RecordId, RecordStore } from '../store/contract.js'
import { storedJson } from '../store/stored-json.js'
import { tokenError } from './errors.js'

/** What a sign-in was given, as long as it lasts. */
export interface Grant {
  sub: string
  client_id: string
  scopes: readonly string[]
  claims: Readonly<Record<string, unknown>>
  /** The API that it was given for. A row of an older release has none, and is for the issuer's own audience. */
  audience?: string
}

interface TokenRow {
  grant: Grant
  family: string
  /** Epoch seconds. */
  expiresAt: number
  /** When all that came from the sign-in ends, however often it was renewed. A row of an older release has none. */
  endsAt?: number
  spent?: boolean
}

const rows = storedJson<TokenRow>()

/** All that came from one sign-in lies together; a token begins with its partition. */
const PARTITION = 8
const idOf = async (token: string): Promise<RecordId> => ({
  kind: 'refresh-token',
  partition: token.slice(0, PARTITION),
  id: await sha256(token),
})
const familyId = (family: string): RecordId => ({
  kind: 'refresh-family',
  partition: family.slice(0, PARTITION),
  id: family,
})

/** Refresh tokens: opaque, kept as digests, good once. A token that comes a second time ends everything from its sign-in. */
export function createRefreshTokens(
  store: RecordStore,
  lifetime: number,
  absolute: number,
  now: () => number,
  reused: (sub: string) => void,
) {
  const newToken = (family: string) => family.slice(0, PARTITION) + randomId()
  const put = (id: RecordId, row: TokenRow, ifVersion: number | 'absent') =>
    ({
      type: 'put',
      id,
      value: rows.write(row),
      ifVersion,
      ttl: Math.max(1, row.expiresAt - now()) + lifetime,
    }) as const

  /** That it is there says it all. */
  async function end(family: string): Promise<void> {
    await store.write([{ type: 'put', id: familyId(family), value: 'ended', ifVersion: 'any', ttl: 2 * lifetime }])
  }

  async function find(token: string) {
    if (!/^[\w-]{51}$/.test(token)) return undefined
    const id = await idOf(token)
    const stored = await store.get(id)
    return stored && { id, row: rows.read(stored.value), version: stored.version }
  }

  return {
    /** The first one of a sign-in. */
    async create(grant: Grant): Promise<string> {
      const family = randomId()
      const token = newToken(family)
      const endsAt = now() + absolute
      const row = { grant, family, expiresAt: Math.min(now() + lifetime, endsAt), endsAt }
      if (!(await store.write([put(await idOf(token), row, 'absent')]))) throw tokenError('refresh_conflict')
      return token
    },

    /**
     * Spends a token and makes its successor, in one write. `make` is called for a token that is good; where it fails, nothing
     * is spent.
     *
     * @throws SallyportError `refresh_invalid`, `refresh_reused`, `refresh_conflict`, and what `make` throws
     */
    async rotate<Made>(token: string, make: (grant: Grant) => Promise<Made>): Promise<{ token: string; made: Made }> {
      const found = await find(token)
      if (!found || now() >= found.row.expiresAt) throw tokenError('refresh_invalid')
      const { id, row, version } = found
      if (await store.get(familyId(row.family))) throw tokenError('refresh_invalid')
      if (row.spent) {
        await end(row.family)
        reused(row.grant.sub)
        throw tokenError('refresh_reused')
      }
      const made = await make(row.grant)
      const { endsAt = now() + absolute } = row
      const successor = newToken(row.family)
      const written = await store.write([
        { type: 'check', id: familyId(row.family), ifVersion: 'absent' },
        put(id, { ...row, spent: true }, version),
        put(await idOf(successor), { ...row, endsAt, expiresAt: Math.min(now() + lifetime, endsAt) }, 'absent'),
      ])
      if (!written) throw tokenError('refresh_conflict')
      return { token: successor, made }
    },

    /** Ends all that came from a token's sign-in; of an unknown one nothing is said. @see RFC 7009 section 2.2 */
    async revoke(token: string): Promise<void> {
      const found = await find(token)
      if (found) await end(found.row.family)
    },
  }
}

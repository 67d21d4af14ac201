import { sha256 } from '../crypto/hash.js'
import type { Asked } from '../protocol/answer.js'
import { peerOf } from '../protocol/peer.js'
import { Refusal } from './errors.js'
import type { Emit } from './events.js'
import type { SessionRecord } from './record.js'
import { within } from './within.js'

/** A limiter of `rate-limiter-flexible`, or anything alike: it rejects with `msBeforeNext` where a key has used up its points. */
export interface RateLimiter {
  consume(key: string): Promise<unknown>
}

export interface RateLimits {
  /** For each address: what begins and finishes sign-ins, hands out tokens, or reaches an API as nobody. */
  address?: RateLimiter
  /** For each person, whatever their number of sessions: calls of APIs through the proxy. */
  person?: RateLimiter
  /**
   * The address that a request comes from, where a proxy of yours says so. Default: the address of the socket, as a rim
   * knows it. Requests without any share one.
   */
  addressOf?(request: { readonly headers: Pick<Headers, 'get'> }): string | undefined
}

export type RateLimiting = ReturnType<typeof createRateLimits>

/** Seconds that a limiter has to answer. */
const PATIENCE = 1

/**
 * Counts before anything is done. A limiter that is out of reach lets everybody through: an outage of a counter is not to
 * be an outage of sign-in. Keys are digests of people, and the networks of addresses.
 *
 * @see RFC 6585 section 4
 */
export function createRateLimits({ address, person, addressOf }: RateLimits, emit: Emit) {
  async function consume(limiter: RateLimiter, key: string): Promise<void> {
    try {
      const spent = limiter.consume(key).then(() => true)
      if (!(await within(spent, PATIENCE, false))) emit({ type: 'limiter_unavailable' })
    } catch (error) {
      const wait = error instanceof Object && 'msBeforeNext' in error ? Number(error.msBeforeNext) : Number.NaN
      if (!Number.isNaN(wait)) throw new Refusal('too_many_requests', { retryAfter: wait / 1000 })
      emit({ type: 'limiter_unavailable' })
    }
  }

  return {
    /** @throws Refusal */
    async byAddress(request: Asked): Promise<void> {
      if (!address) return
      const from = addressOf ? addressOf(request) : peerOf(request)?.address
      await consume(address, `address:${networkOf(from ?? '')}`)
    },
    /** @throws Refusal */
    async byPerson({ iss, sub }: Pick<SessionRecord, 'iss' | 'sub'>): Promise<void> {
      if (person) await consume(person, `person:${await sha256(JSON.stringify([iss, sub]))}`)
    },
  }
}

/** An IPv6 host has a whole /64 to choose from: what counts is its network. IPv4 as it is, mapped or not. @see RFC 6177 */
export function networkOf(address: string): string {
  const bare = address.replace(/%.*$/, '')
  if (!bare.includes(':') || !URL.canParse(`http://[${bare}]`)) return bare
  const [head = '', tail = ''] = new URL(`http://[${bare}]`).hostname.slice(1, -1).split('::')
  const [left, right] = [head, tail].map((part) => part.split(':').filter(Boolean)) as [string[], string[]]
  const groups = [...left, ...Array(8 - left.length - right.length).fill('0'), ...right]
  if (groups.slice(0, 6).join(':') !== '0:0:0:0:0:ffff') return `${groups.slice(0, 4).join(':')}::/64`
  const [high, low] = groups.slice(6).map((group) => Number.parseInt(group, 16)) as [number, number]
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

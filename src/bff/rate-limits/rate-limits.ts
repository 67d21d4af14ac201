import { sha256 } from '../../crypto/hash.js'
import { isPublicAddress } from '../../protocol/http/networks.js'
import type { PlainRequest } from '../../protocol/http/plain-response.js'
import { clientAddressOf } from '../../protocol/http/trusted-proxies.js'
import { withTimeout } from '../../protocol/timeout.js'
import { Refusal } from '../errors.js'
import type { Emit } from '../events.js'
import { createAddressCounter, type RateLimiter } from './address-counter.js'

export interface RateLimits {
  /**
   * For each address: what begins and finishes sign-ins, hands out tokens, signs out by a frame of the provider's, or reaches an
   * API as nobody. A request with a live session is never refused.
   */
  address?: RateLimiter
  /** For each person, whatever their number of sessions: calls of APIs through the proxy. */
  person?: RateLimiter
  /**
   * The address that a request comes from, where a proxy of yours says so. Default: by `trustedProxies`, else the address of the
   * socket, as a rim knows it. Requests without any share one.
   */
  addressOf?(request: { readonly headers: Pick<Headers, 'get'> }): string | undefined
}

interface RateLimiterSettings {
  rateLimits: RateLimits | false | undefined
  trustedProxies: readonly string[]
  emit: Emit
  now(): number
}

export type RateLimiting = ReturnType<typeof createRateLimits>

/** Seconds that a limiter has to answer. */
const LIMITER_TIMEOUT = 1
/**
 * What one address can do in a minute by default, as nobody. A sign-in is two to four requests: 250 people of one office can
 * sign in in the same minute, a thousand between 8:58 and 9:02, behind one address. A flood leaves at most as many records a
 * minute, none for longer than 15 minutes.
 */
const SIGN_IN_POINTS = 1000
/** The same for calls of APIs that need nobody: a page makes many of them. They leave nothing here. */
const API_POINTS = 6000
const MINUTE = 60

/**
 * Counts before anything is done. A limiter that is out of reach lets everybody through: an outage of a counter is not to
 * be an outage of sign-in. Keys are digests of people, and the networks of addresses.
 *
 * By default, in this process's memory, and only an address that says something: a public one at the other end of the socket,
 * or one that a trusted proxy names. Behind a proxy that nobody has named all people have one address, which is private: then
 * nobody is counted.
 *
 * `live`: whether a request comes with a session; asked only before one is refused.
 *
 * @see RFC 6585 section 4
 */
export function createRateLimits(
  { rateLimits, trustedProxies, emit, now }: RateLimiterSettings,
  hasSession: (request: PlainRequest) => Promise<boolean>,
) {
  const { address, person, addressOf } = rateLimits || {}
  const defaults =
    rateLimits === undefined
      ? {
          signIn: createAddressCounter(SIGN_IN_POINTS, MINUTE, now),
          api: createAddressCounter(API_POINTS, MINUTE, now),
        }
      : undefined
  const counted = new WeakMap<object, { limiter: RateLimiter; key: string }>()
  let addressesUnusable = false

  async function consume(limiter: RateLimiter, key: string): Promise<void> {
    try {
      const spent = limiter.consume(key).then(() => true)
      if (!(await withTimeout(spent, LIMITER_TIMEOUT, false))) emit({ type: 'limiter_unavailable' })
    } catch (error) {
      const wait = error instanceof Object && 'msBeforeNext' in error ? Number(error.msBeforeNext) : Number.NaN
      if (!Number.isNaN(wait)) throw new Refusal('too_many_requests', { retryAfter: wait / 1000 })
      emit({ type: 'limiter_unavailable' })
    }
  }

  /** What a request counts under; `undefined`: it is not counted. */
  function keyOf(request: PlainRequest): string | undefined {
    const caller = clientAddressOf(request, trustedProxies)
    if (!defaults) return `address:${networkOf((addressOf ? addressOf(request) : caller?.address) ?? '')}`
    if (caller && (caller.forwarded || isPublicAddress(caller.address))) return networkOf(caller.address)
    if (!addressesUnusable) emit({ type: 'address_limit_off', remedy })
    addressesUnusable = true
    return undefined
  }

  return {
    /** Whether addresses have turned out to say nothing here. */
    blind: () => addressesUnusable,

    /** @throws Refusal */
    async countAddress(request: PlainRequest, kind: 'signIn' | 'api' = 'signIn'): Promise<void> {
      const limiter = defaults ? defaults[kind] : address
      if (!limiter) return
      const key = keyOf(request)
      if (key === undefined) return
      try {
        await consume(limiter, key)
        counted.set(request, { limiter, key })
      } catch (refusal) {
        if (!(await hasSession(request).catch(() => false))) throw refusal
      }
    },

    /** Somebody is signed in who has asked this: it does not count. */
    giveBack(request: PlainRequest): void {
      const entry = counted.get(request)
      if (counted.delete(request)) entry?.limiter.reward?.(entry.key, 1).catch(() => {})
    },

    /** @throws Refusal */
    async countPerson({ iss, sub }: { iss: string; sub: string }): Promise<void> {
      if (person) await consume(person, `person:${await sha256(JSON.stringify([iss, sub]))}`)
    },
  }
}

const remedy =
  'Requests come from a private address or from none: nobody is limited by address. Name your proxies in "trustedProxies", or set "rateLimits"'

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

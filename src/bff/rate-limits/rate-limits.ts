import { sha256 } from '../../crypto/hash.js'
import { isPublicAddress, rateLimitNetwork } from '../../protocol/http/networks.js'
import type { PlainRequest } from '../../protocol/http/plain-response.js'
import { clientAddressOf } from '../../protocol/http/trusted-proxies.js'
import { withTimeout } from '../../protocol/timeout.js'
import { Refusal } from '../errors.js'
import type { Emit } from '../events.js'
import { createAddressCounter, type RateLimiter } from './address-counter.js'

export interface RateLimits {
  /**
   * For each address: requests that begin or finish sign-ins, get tokens, or call anonymous routes, and front-channel sign-out. A
   * request with a session is never refused.
   */
  address?: RateLimiter
  /** For each user, in all their sessions: calls of APIs through the proxy. */
  person?: RateLimiter
  /**
   * The client’s address, for example from a header of your proxy. Default: by `trustedProxies`, otherwise the address of the
   * socket. All requests without an address count as one.
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

/** Seconds to wait for a limiter. */
const LIMITER_TIMEOUT = 1
/**
 * The default limit of anonymous requests, for each address and minute. A sign-in takes two to four requests: 250 people of one
 * office can sign in in the same minute, a thousand between 8:58 and 9:02, behind one address. A flood writes at most as many
 * records a minute, and each is deleted after 15 minutes.
 */
const SIGN_IN_POINTS = 1000
/** The default limit for anonymous routes. A page calls them often, and they write no records. */
const API_POINTS = 6000
const MINUTE = 60

/**
 * Counts requests before they are processed. If a limiter is down, all requests pass: that must not stop sign-in. The keys are
 * digests of users, and the networks of addresses.
 *
 * By default, requests are counted in the memory of this process, and only if the address is public or comes from a trusted
 * proxy. Behind a proxy that is not in `trustedProxies`, all users share one private address: then nothing is counted.
 *
 * `hasSession` is called only before a request is refused.
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
      const consumed = limiter.consume(key).then(() => true)
      if (!(await withTimeout(consumed, LIMITER_TIMEOUT, false))) emit({ type: 'limiter_unavailable' })
    } catch (error) {
      const wait = error instanceof Object && 'msBeforeNext' in error ? Number(error.msBeforeNext) : Number.NaN
      if (!Number.isNaN(wait)) throw new Refusal('too_many_requests', { retryAfter: wait / 1000 })
      emit({ type: 'limiter_unavailable' })
    }
  }

  /** The key of a request; `undefined`: it is not counted. */
  function keyOf(request: PlainRequest): string | undefined {
    const caller = clientAddressOf(request, trustedProxies)
    if (!defaults) return `address:${rateLimitNetwork((addressOf ? addressOf(request) : caller?.address) ?? '')}`
    if (caller && (caller.forwarded || isPublicAddress(caller.address))) return rateLimitNetwork(caller.address)
    if (!addressesUnusable) emit({ type: 'address_limit_off', remedy })
    addressesUnusable = true
    return undefined
  }

  return {
    /** Whether there was a request whose address could not be used. */
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

    /** The request has a session: it does not count. */
    giveBack(request: PlainRequest): void {
      const entry = counted.get(request)
      if (counted.delete(request)) entry?.limiter.reward?.(entry.key, 1).catch(() => {})
    },

    /** @throws Refusal */
    async countUser({ iss, sub }: { iss: string; sub: string }): Promise<void> {
      if (person) await consume(person, `person:${await sha256(JSON.stringify([iss, sub]))}`)
    },
  }
}

const remedy =
  'Requests come from a private address or from none: they are not limited by address. Name your proxies in "trustedProxies", or set "rateLimits"'

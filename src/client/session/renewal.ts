import type { SignedOutReason, TokenResponse } from '../../protocol/session.js'
import { monotonicNow, type Now } from '../../protocol/time.js'
import { type Backend, errorOf } from '../backend.js'
import { clientError, temporaryError } from '../errors.js'
import type { AuthEvent, TokenOptions } from '../types.js'
import type { BackOff } from './back-off.js'

interface CachedToken {
  token: string
  expiresIn: number
  /** By {@link tokenClock}. */
  end: number
}

/** The token that is asked for, and the one that was refused. */
export interface RequestedToken extends TokenOptions {
  /** A token that an API refused. */
  refused?: string
  /** Its SHA-256, for the backend. */
  digest?: string
  /** The user at the time of the call: `sub`, and the backend's digest of issuer and `sub`. */
  sub?: string | undefined
  user?: string | undefined
}

/** What renewal uses of the page's `auth`. */
interface RenewalContext {
  ask: Backend
  now: Now
  backOff: BackOff
  /** The `sub` of the user who is signed in. */
  sub(): string | undefined
  /** The backend has ended the session; `tellTabs`: the other tabs are told. */
  endSession(reason: SignedOutReason, tellTabs: boolean): void
  emit(event: AuthEvent): void
}

/**
 * Holds the access tokens, in this closure and nowhere else, and renews them one at a time.
 *
 * There is no timer: the age of a token is computed when it is asked for. It is the larger of what the two clocks say, so
 * that setting the system clock back does not make an old token valid.
 */
export function createRenewal({ ask, now, backOff, sub, endSession, emit }: RenewalContext) {
  let cache = new Map<string, CachedToken>()
  let renewals = new Map<string, Promise<string>>()
  let lastRenewal: Promise<unknown> = Promise.resolve()

  let elapsed = 0
  let lastWallClock = now()
  let lastMonotonic = monotonicNow()

  /** Seconds since this page began, as `monotonicClock()` of protocol/time.ts counts them: in place it is smaller. */
  function tokenClock(): number {
    const age = now() - lastWallClock
    if (age >= 0 && age < 1) return elapsed + age
    const passed = monotonicNow() - lastMonotonic
    lastMonotonic += passed
    lastWallClock += age
    elapsed += Math.max(age, passed)
    return elapsed
  }
  const secondsLeft = ({ end }: CachedToken) => end - tokenClock()

  function keep(requested: TokenOptions, { access_token: token, expires_in }: TokenResponse): string {
    const expiresIn = +expires_in || 60
    cache.set(keyOf(requested), { token, expiresIn, end: tokenClock() + expiresIn })
    return token
  }

  /** The token in memory, if it is valid for long enough. */
  function current(requested: RequestedToken): string | undefined {
    const { minValidity = 30, refused } = requested
    const entry = cache.get(keyOf(requested))
    if (!entry || entry.token === refused) return undefined
    // For a token that never lives that long, half of its lifetime is enough.
    const needed = entry.expiresIn <= minValidity ? entry.expiresIn / 2 : minValidity
    return secondsLeft(entry) >= needed ? entry.token : undefined
  }

  async function renew(requested: RequestedToken): Promise<string> {
    const key = keyOf(requested)
    const cacheBefore = cache
    const answer = backOff.waiting()
      ? undefined
      : await ask('/token', {
          ...formOf(requested),
          grant_type: 'refresh_token',
          refused: requested.digest,
          sub: requested.sub,
        })
    // The user has signed out, or another one has signed in, during the request: the answer is dropped.
    if (cacheBefore !== cache) {
      // The same user may have signed in again: then there is a token already.
      const entry = cache.get(key)
      if (entry) return entry.token
      throw clientError('login_required')
    }
    const body = answer?.body
    if (answer?.ok && body?.['access_token']) {
      backOff.reset()
      emit({ type: 'token_renewed' })
      return keep(requested, body as unknown as TokenResponse)
    }
    if (body?.error === 'invalid_grant') {
      // Another user may have signed in since the call.
      if (requested.sub === sub()) endSession(body.reason ?? 'revoked', true)
      throw clientError('login_required')
    }
    const failure = answer ? errorOf(answer, 'refresh_unavailable') : temporaryError('refresh_unavailable')
    if (failure.retryable) {
      if (answer) backOff.failed(answer.retryAfter)
      const entry = cache.get(key)
      if (entry && entry.token !== requested.refused && secondsLeft(entry) > 0) return entry.token
    }
    throw failure
  }

  return {
    keep,
    current,
    /** Drops all tokens, in this tick; answers to running requests are dropped when they arrive. */
    clear() {
      cache = new Map()
      renewals = new Map()
    },
    /** One request at a time; equal requests share one. */
    renew(requested: RequestedToken): Promise<string> {
      const key = keyOf(requested) + requested.digest
      const running = renewals
      const renewal =
        running.get(key) ??
        lastRenewal.then(() => current(requested) ?? renew(requested)).finally(() => running.delete(key))
      running.set(key, renewal)
      lastRenewal = renewal.catch(() => {})
      return renewal
    },
  }
}

/** Resource and scope of a token, as the key of the cache. */
const keyOf = ({ resource = '', scope = '' }: TokenOptions): string => resource + scope && `${resource} ${scope}`

/** The parameters of the request to the backend. */
export const formOf = ({ resource, scope, minValidity }: TokenOptions) => ({
  resource,
  scope,
  min_validity: minValidity,
})

/** Ends the wait of one caller when its signal aborts; the request goes on for the others. */
export const abortable = <Value>(work: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> =>
  new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    signal?.addEventListener('abort', () => reject(signal.reason))
    work.then(resolve, reject)
  })

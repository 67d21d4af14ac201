import type { SignedOutReason, TokenAnswer } from '../protocol/session.js'
import type { Now } from '../protocol/time.js'
import { type Answer, type Backend, quote } from './backend.js'
import { clientError, notNow } from './errors.js'
import type { TokenOptions } from './types.js'

/** A token and when it came. */
interface Held {
  token: string
  expiresIn: number
  at: number
  ticks: number
}

/** What renewal needs to know and to say; it decides nothing about sessions. */
export interface RenewalPorts {
  ask: Backend
  now: Now
  /** Whom this page believes to be signed in. */
  sub(): string | undefined
  /** The backend said that the session is over. */
  ended(reason: SignedOutReason): void
  /** Everything waits until then after a "not now". */
  backOff: BackOff
  renewed(): void
}

const JITTER = 0.5
const LONGEST = 30

export type BackOff = ReturnType<typeof createBackOff>

/** How long to leave the backend alone after it said "not now": what it asked for, else 1 s, doubling up to 30 s, with jitter. */
export function createBackOff(now: Now) {
  let until = 0
  let failures = 0
  return {
    /** Also false when the clock was set back by more than any wait of ours. */
    waiting: () => now() < until && now() > until - 3600,
    failed(retryAfter: number) {
      const backOff = Math.min(LONGEST, 2 ** failures++) * (1 - JITTER * Math.random())
      until = now() + Math.min(3600, Math.max(retryAfter, backOff))
    },
    reset() {
      until = failures = 0
    },
  }
}

/**
 * Holds the access tokens, in this closure and nowhere else, and renews them one at a time.
 *
 * No timer decides validity: the clock is read when a token is asked for. Age is the larger of what the clock and the
 * browser's monotonic one say, so that a clock set back does not make an old token young.
 */
export function createRenewal({ ask, now, sub, ended, backOff, renewed }: RenewalPorts) {
  let held = new Map<string, Held>()
  let flights = new Map<string, Promise<string>>()
  let last: Promise<unknown> = Promise.resolve()

  const left = (entry: Held) => entry.expiresIn - Math.max(now() - entry.at, (performance.now() - entry.ticks) / 1000)

  function keep(key: string, { access_token, expires_in }: TokenAnswer): string {
    held.set(key, { token: access_token, expiresIn: +expires_in || 60, at: now(), ticks: performance.now() })
    return access_token
  }

  /** The token in memory if it is good enough, without asking anybody. */
  function current(key: string, minValidity: number, refused?: string): string | undefined {
    const entry = held.get(key)
    if (!entry || entry.token === refused || now() < entry.at - 1) return undefined
    // A token that had less left when it came is the best there was: half of that is then enough.
    return left(entry) >= Math.min(minValidity, entry.expiresIn < minValidity ? entry.expiresIn / 2 : minValidity)
      ? entry.token
      : undefined
  }

  async function renew(key: string, options: TokenOptions, refused?: string, digest?: string): Promise<string> {
    const mine = held
    const form = {
      grant_type: 'refresh_token',
      min_validity: options.minValidity,
      resource: options.resource,
      scope: options.scope,
      refused: digest,
      sub: sub(),
    }
    let answer: Answer | undefined
    if (!backOff.waiting()) {
      answer = await ask('/token', form)
      // Another tab's answer carries the newer cookie: it arrives within moments.
      if (answer.status === 409) {
        await new Promise((resolve) => setTimeout(resolve, 250 + 500 * Math.random()))
        answer = await ask('/token', form)
      }
    }
    // Signed out, or in as somebody else, while this was under way: whatever came back is nobody's.
    if (mine !== held) throw clientError('login_required')
    const error = answer?.body?.error
    if (answer?.ok && typeof answer.body?.access_token === 'string') {
      backOff.reset()
      renewed()
      return keep(key, answer.body as unknown as TokenAnswer)
    }
    if (error === 'invalid_grant') {
      ended(answer?.body?.reason ?? 'revoked')
      throw clientError('login_required')
    }
    if (error === 'invalid_scope' || error === 'invalid_target')
      throw clientError(error, { cause: quote(answer as Answer) })
    if (error && answer && answer.status >= 400 && answer.status < 409 && answer.status !== 408)
      throw clientError('request_refused', { cause: quote(answer) })
    if (answer) backOff.failed(answer.retryAfter)
    const entry = held.get(key)
    if (entry && entry.token !== refused && left(entry) > 0) return entry.token
    throw notNow('refresh_unavailable', answer && quote(answer))
  }

  return {
    keep,
    current,
    /** Forgets every token, in this tick; answers under way are dropped when they come. */
    clear() {
      held = new Map()
      flights = new Map()
    },
    /** One request at a time, whoever asks for whatever; the same question is asked once. */
    renew(key: string, options: TokenOptions, refused?: string, digest?: string): Promise<string> {
      const name = key + digest
      let flight = flights.get(name)
      if (!flight) {
        const mine = flights
        flight = last
          .then(() => current(key, options.minValidity ?? 0, refused) ?? renew(key, options, refused, digest))
          .finally(() => mine.delete(name))
        last = flight.catch(() => {})
        flights.set(name, flight)
      }
      return flight
    },
  }
}

/** What a token is for, as one text: the same question has the same key however its scope is ordered. */
export const keyOf = ({ resource, scope }: TokenOptions): string =>
  resource || scope ? JSON.stringify([resource, scope?.split(' ').sort()]) : ''

/** Ends this caller's wait when its signal says so; the work goes on for the others. */
export function abortable<Value>(work: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> {
  if (!signal) return work
  let stop = () => {}
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason)
    signal.addEventListener('abort', stop)
  })
  return Promise.race([work, aborted]).finally(() => signal.removeEventListener('abort', stop))
}

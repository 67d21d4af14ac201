import type { SignedOutReason, TokenResponse } from '../../protocol/session.js'
import type { Now } from '../../protocol/time.js'
import { type Backend, failureOf } from '../backend.js'
import { clientError, temporaryError } from '../errors.js'
import type { AuthEvent, TokenOptions } from '../types.js'
import type { BackOff } from './back-off.js'

interface HeldToken {
  token: string
  expiresIn: number
  /** By the clock of this page's tokens. */
  end: number
}

/** What is asked for, and which token will not do. */
export interface RequestedToken extends TokenOptions {
  /** A token that an API refused. */
  refused?: string
  /** Its SHA-256, for the backend. */
  digest?: string
  /** Whom this page showed when it was asked for: `sub`, and the backend's name for them. */
  sub?: string | undefined
  user?: string | undefined
}

/** What renewal needs to know and to say; it decides nothing about sessions. */
export interface RenewalContext {
  ask: Backend
  now: Now
  backOff: BackOff
  /** Whom this page believes to be signed in. */
  sub(): string | undefined
  /** The session is over; `tell`: the backend said so, which the other tabs want to know. */
  end(reason: SignedOutReason, tell: boolean): void
  emit(event: AuthEvent): void
}

/**
 * Holds the access tokens, in this closure and nowhere else, and renews them one at a time.
 *
 * No timer decides validity: the clock is read when a token is asked for. What has passed is the larger of what the two
 * clocks say, so that one set back does not make an old token young.
 */
export function createRenewal({ ask, now, backOff, sub, end, emit }: RenewalContext) {
  let held = new Map<string, HeldToken>()
  let flights = new Map<string, Promise<string>>()
  let last: Promise<unknown> = Promise.resolve()

  const ticks = () => performance.now() / 1000
  let time = 0
  let wall = now()
  let tick = ticks()

  /** Seconds that have passed for a token. The monotonic clock costs four times what the other one does: once a second. */
  function clock(): number {
    const age = now() - wall
    if (age >= 0 && age < 1) return time + age
    const passed = ticks() - tick
    tick += passed
    wall += age
    time += Math.max(age, passed)
    return time
  }
  const left = ({ end }: HeldToken) => end - clock()

  function keep(requested: TokenOptions, { access_token: token, expires_in }: TokenResponse): string {
    const expiresIn = +expires_in || 60
    held.set(keyOf(requested), { token, expiresIn, end: clock() + expiresIn })
    return token
  }

  /** The token in memory if it is good enough, without asking anybody. */
  function current(requested: RequestedToken): string | undefined {
    const { minValidity = 30, refused } = requested
    const entry = held.get(keyOf(requested))
    if (!entry || entry.token === refused) return undefined
    // A token that had less left when it came is the best there was: half of that is then enough.
    const need = entry.expiresIn <= minValidity ? entry.expiresIn / 2 : minValidity
    return left(entry) >= need ? entry.token : undefined
  }

  async function renew(requested: RequestedToken): Promise<string> {
    const key = keyOf(requested)
    const mine = held
    const question = () =>
      ask('/token', {
        ...formOf(requested),
        grant_type: 'refresh_token',
        refused: requested.digest,
        sub: requested.sub,
      })
    let answer = backOff.waiting() ? undefined : await question()
    if (answer?.status === 409) {
      // Another tab's answer carries the newer cookie: it arrives within moments.
      await new Promise((resolve) => setTimeout(resolve, 500 * Math.random()))
      answer = await question()
    }
    // Signed out, or in as somebody else, while this was under way: whatever came back is nobody's.
    if (mine !== held) {
      // Or signed in anew, for more: then there is a token already.
      const entry = held.get(key)
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
      // Of whoever it was asked for: somebody else may be here by now.
      if (requested.sub === sub()) end(body.reason ?? 'revoked', true)
      throw clientError('login_required')
    }
    const failure = answer ? failureOf(answer, 'refresh_unavailable') : temporaryError('refresh_unavailable')
    if (failure.retryable) {
      if (answer) backOff.failed(answer.retryAfter)
      const entry = held.get(key)
      if (entry && entry.token !== requested.refused && left(entry) > 0) return entry.token
    }
    throw failure
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
    renew(requested: RequestedToken): Promise<string> {
      const name = keyOf(requested) + requested.digest
      const mine = flights
      const flight =
        mine.get(name) ?? last.then(() => current(requested) ?? renew(requested)).finally(() => mine.delete(name))
      mine.set(name, flight)
      last = flight.catch(() => {})
      return flight
    },
  }
}

/** What a token is for, as one text. */
const keyOf = ({ resource = '', scope = '' }: TokenOptions): string => resource + scope && `${resource} ${scope}`

/** The same for the backend, as its parameters are spelled. */
export const formOf = ({ resource, scope, minValidity }: TokenOptions) => ({
  resource,
  scope,
  min_validity: minValidity,
})

/** Ends this caller's wait when its signal says so; the work goes on for the others. */
export const abortable = <Value>(work: Promise<Value>, signal: AbortSignal | undefined): Promise<Value> =>
  new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    signal?.addEventListener('abort', () => reject(signal.reason))
    work.then(resolve, reject)
  })

import { randomId, sha256 } from '../../crypto/hash.js'
import { backoffDelay, createCircuitBreaker } from '../../protocol/circuit-breaker.js'
import { monotonicNow } from '../../protocol/time.js'
import type { Failure } from '../../provider/failures/failure.js'
import { isOutage, type ProviderAnswer, refreshOutcome } from '../../provider/refresh-outcome.js'
import { shortId } from '../events.js'
import type { Providers } from '../providers.js'
import type { Settings } from '../settings.js'
import { failedAttempt, nextAttempt } from './attempts.js'
import { createPendingWrites } from './pending-writes.js'
import type { RequestedToken, TokenOutcome } from './session-record.js'
import type { RefreshAttempt, SessionStorage, SessionWithTokens } from './session-storage.js'
import { refusals } from './token-refusals.js'
import {
  currentToken,
  grantedToken,
  nextRecord,
  type Replacement,
  refreshParameters,
  secondsLeft,
  tokenKey,
  withToken,
} from './tokens.js'

/** Seconds to write an attempt before the token request. If it takes longer, the request is not sent. */
const BEGIN_TIMEOUT = 2
/** Seconds for a process to store the response. */
const STORE_TIME = 3
/** Seconds. A longer `Retry-After` is shortened. */
const MAX_WAIT = 60

type ErrorFailure = Failure & { type: 'error' }

/** One refresh: the session, the requested token, and the attempt that was written. */
interface Refresh {
  requested: RequestedToken
  key: string
  session: SessionWithTokens
  attempt: RefreshAttempt
}

/**
 * The refresh coordinator: each refresh token is used once, although many processes share a session.
 *
 * Before the token request, a process writes an attempt to the storage. Another process that finds a running attempt waits for
 * its result. If there is none after the longest time that an attempt can take, by the monotonic clock of the waiting process,
 * it takes over. The result is stored with compare-and-set on the generation, so a stale result replaces nothing.
 *
 * In this process, the refreshes of one session run one after the other, independent of the request that started them. The
 * requests that waited get the new token. Sign-out wins over a running refresh.
 */
export function createRefreshCoordinator(settings: Settings, providers: Providers, storage: SessionStorage) {
  const { now, emit, timeout } = settings
  /** One per provider. */
  const breakers = new Map(providers.all.map((provider) => [provider, createCircuitBreaker(now)]))
  const breakerOf = ({ iss }: { iss: string }) => breakers.get(providers.byIssuer(iss) ?? providers.main)
  const turns = new Map<string, Promise<unknown>>()
  const pendingWrites = createPendingWrites(settings)
  const takeOverAfter = BEGIN_TIMEOUT + timeout + STORE_TIME
  let draining = false

  async function renew(id: string, requested: RequestedToken): Promise<TokenOutcome> {
    await pendingWrites.settled(id)
    let waitingFor: { id: string; at: number } | undefined
    for (let tries = 0; ; tries++) {
      const session = await storage.read(id)
      if ('ended' in session) return { type: 'ended', reason: session.ended, found: true }
      const key = tokenKey(requested, session.record)
      const token = await currentToken(session.tokens, requested, key, settings)
      if (token) return { type: 'token', token }
      if (session.record.refresh_token === undefined) {
        const outcome = await withoutRefreshToken(session, key)
        if (outcome) return outcome
        continue
      }

      const stored = await storage.readAttempt(id)
      const previous = stored?.attempt.generation === session.record.generation ? stored.attempt : undefined
      if (previous?.running) {
        if (waitingFor?.id !== previous.id) waitingFor = { id: previous.id, at: monotonicNow() }
        if (monotonicNow() - waitingFor.at < takeOverAfter) {
          await pause(Math.min(20 * 2 ** tries, 100) * (1 - Math.random() / 2))
          continue
        }
      }
      const breaker = breakerOf(session.record)
      const ownWait = previous && (previous.about ?? key) === key ? previous.notBefore - now() : 0
      const wait = Math.max(ownWait, breaker?.left() ?? 0)
      if (draining || wait > 0) {
        const error = ownWait > 0 && previous?.mistake ? 'operator_error' : 'temporarily_unavailable'
        return fallBack(session, requested, key, Math.max(wait, 1), error)
      }
      const spend = await providers.forSession(session.record)?.prepareRefresh()
      if (typeof spend !== 'function') {
        // The metadata cannot be read: the provider is down for all sessions.
        if (spend === 'temporarily_unavailable') breaker?.failed()
        return fallBack(session, requested, key, backoffDelay(0), spend)
      }

      const attempt = nextAttempt(session.record, previous)
      const startedAt = monotonicNow()
      if (!(await storage.beginAttempt(session, attempt, stored?.version))) continue
      if (monotonicNow() - startedAt > BEGIN_TIMEOUT) {
        await storage.updateAttempt(session, { ...attempt, running: false })
        continue
      }
      const refresh = { requested, key, session, attempt }
      const answer = await spend(
        session.record.refresh_token,
        refreshParameters(requested, key, session.record),
        session.record,
      )
      const outcome = await (answer.type === 'tokens' ? storeTokens(refresh, answer) : handleFailure(refresh, answer))
      if (outcome) return outcome
    }
  }

  /**
   * Without a refresh token, the session ends with its default token. Tokens for other resources are refused. `undefined`: read the
   * session again.
   */
  async function withoutRefreshToken(session: SessionWithTokens, key: string): Promise<TokenOutcome | undefined> {
    const token = session.tokens.get(key)
    if (token && secondsLeft(token, settings) > 0) return { type: 'token', token }
    if (key !== '') return { type: 'refused', error: 'invalid_target', description: refusals.noRefreshToken }
    return (await storage.end(session, 'expired')) ? { type: 'ended', reason: 'expired' } : undefined
  }

  /** Returns the current token if it has not expired; otherwise the caller has to try again later. */
  async function fallBack(
    { tokens }: SessionWithTokens,
    { refused }: RequestedToken,
    key: string,
    retryAfter: number,
    error: (TokenOutcome & { type: 'unavailable' })['error'] = 'temporarily_unavailable',
  ): Promise<TokenOutcome> {
    const token = tokens.get(key)
    const valid = token && secondsLeft(token, settings) > 0 && refused !== (await sha256(token.access_token))
    return valid ? { type: 'token', token } : { type: 'unavailable', error, retryAfter }
  }

  /** Stores the next generation. The writing is repeated while the store is down. */
  async function save(
    session: SessionWithTokens,
    replacement: Replacement,
    change: (base: SessionWithTokens) => Pick<SessionWithTokens, 'tokens' | 'id_token'> = (base) => base,
  ): Promise<'saved' | 'overtaken' | (TokenOutcome & { type: 'ended' })> {
    const { id, generation } = session.record
    const { refresh_token = session.record.refresh_token } = replacement
    const next = (base: SessionWithTokens): Omit<SessionWithTokens, 'version'> => {
      const { tokens, id_token } = change(base)
      return { record: nextRecord(base.record, replacement, settings), tokens, id_token, knownNewest: true }
    }
    async function trySave(): Promise<'saved' | 'overtaken' | { ended: (TokenOutcome & { type: 'ended' })['reason'] }> {
      for (let base = session; ; ) {
        if (await storage.save(base, next(base))) return 'saved'
        const current = await storage.read(id)
        if ('ended' in current) return current
        // Our own write succeeded but its response was lost, or another process was faster.
        if (current.record.generation !== generation)
          return current.record.refresh_token === refresh_token ? 'saved' : 'overtaken'
        base = current
      }
    }
    const saved = await pendingWrites.saveWithRetries(id, trySave, timeout)
    if (!(saved instanceof Object)) return saved
    // Signed out meanwhile: the new refresh token must not outlive the session. If another sign-in has replaced it, they may share a grant.
    if (refresh_token !== undefined && (await storage.revokesAfterEnd(session.record)))
      await providers.revoke({ ...session.record, refresh_token })
    return { type: 'ended', reason: saved.ended, found: true }
  }

  /** Stores a new refresh token whose access token cannot be used, then handles that failure. */
  async function keepRefreshToken(refresh: Refresh, refresh_token: string): Promise<TokenOutcome | undefined> {
    const saved = await save(refresh.session, { refresh_token })
    if (saved instanceof Object) return saved
    const session = await storage.read(refresh.session.record.id)
    if ('ended' in session || saved === 'overtaken') return undefined
    const { generation } = session.record
    const attempt = { ...refresh.attempt, id: randomId(), generation, unknown: false, refused: false, odd: 0 }
    if (!(await storage.beginAttempt(session, attempt, undefined))) return undefined
    const outcome = await handleFailure({ ...refresh, session, attempt }, { type: 'unusable' })
    return outcome?.type === 'unavailable' ? { ...outcome, stored: true } : outcome
  }

  /** Stores the new tokens if the session has not changed. `undefined`: read the session again. */
  async function storeTokens(
    refresh: Refresh,
    answer: ProviderAnswer & { type: 'tokens' },
  ): Promise<TokenOutcome | undefined> {
    const { session, requested, key } = refresh
    const { id } = session.record
    breakerOf(session.record)?.succeeded()
    const token = grantedToken(answer, requested, key, session.record, settings)
    const saved = await save(session, answer, ({ tokens, id_token }) => ({
      tokens: token ? withToken(tokens, key, token) : tokens,
      id_token: answer.id_token ?? id_token,
    }))
    if (saved instanceof Object) return saved
    if (saved === 'overtaken') return undefined
    if (!token) return { type: 'refused', error: 'invalid_scope', description: refusals.moreScope }
    emit({ type: 'token_refreshed', session: shortId(id), resource: requested.resource, scope: token.scope })
    return { type: 'token', token }
  }

  /** Handles an error response and writes down what later attempts need to know. `undefined`: read the session again. */
  async function handleFailure(
    refresh: Refresh,
    answer: Exclude<ProviderAnswer, { type: 'tokens' }>,
  ): Promise<TokenOutcome | undefined> {
    const { session, attempt, requested, key } = refresh
    const additionalToken = key !== ''
    if (answer.type === 'unusable' && answer.refresh_token !== undefined)
      return keepRefreshToken(refresh, answer.refresh_token)
    if (isOutage(answer)) breakerOf(session.record)?.failed(session.record.id)
    const token = session.tokens.get(key)
    const tokenStillValid = token !== undefined && secondsLeft(token, settings) > 0
    const result = refreshOutcome(answer, {
      outcomeUnknown: attempt.unknown,
      issuedHere: session.knownNewest,
      refusedBefore: attempt.refused,
      unexpectedBefore: attempt.odd,
      tokenStillValid,
      additionalToken,
    })
    const succeeded = answer.type === 'foreign' || answer.type === 'unusable'
    const { status = succeeded ? 200 : 0, error, retryAfter: wanted, detail } = answer as Partial<ErrorFailure>
    emit({
      type: 'refresh_failed',
      session: shortId(session.record.id),
      outcome: result.type === 'unavailable' ? result.outcome : 'refused',
      status,
      ...(error !== undefined && { error }),
      ...(detail !== undefined && { detail }),
    })
    if (result.type === 'ended') return (await storage.end(session, result.reason)) ? result : undefined
    if (result.type === 'refused') {
      await updateAttempt(session, { ...attempt, running: false })
      return { ...result, ...(result.error !== 'interaction_required' && { description: refusals[result.error] }) }
    }
    // A success that cannot be used has been reported already.
    if (result.error === 'operator_error' && detail !== undefined) emit({ type: 'operator_error', detail })
    const retryAfter =
      result.error === 'refresh_race' ? 1 : Math.min(wanted ?? backoffDelay(attempt.failures ?? 0), MAX_WAIT)
    const outage = isOutage(answer)
    await updateAttempt(session, failedAttempt(attempt, { result, key, outage, retryAfter, now: now() }))
    return fallBack(session, requested, key, retryAfter, result.error)
  }

  /** If this fails, the attempt stays running. Other processes wait, and treat its outcome as unknown. */
  const updateAttempt = (session: SessionWithTokens, attempt: RefreshAttempt) =>
    storage.updateAttempt(session, attempt).catch(() => {})

  return {
    /** The requested token, refreshed if necessary. @throws StoreError */
    async token(session: SessionWithTokens, requested: RequestedToken): Promise<TokenOutcome> {
      const { id } = session.record
      const token = await currentToken(session.tokens, requested, tokenKey(requested, session.record), settings)
      if (token) return { type: 'token', token }
      const turn = (turns.get(id) ?? Promise.resolve()).then(() => renew(id, requested))
      const settled = turn.then(
        () => {},
        () => {},
      )
      turns.set(id, settled)
      settled.then(() => {
        if (turns.get(id) === settled) turns.delete(id)
      })
      return turn
    },

    /** Whether this process refreshes the session now. */
    refreshes: (id: string): boolean => turns.has(id),

    /** Starts no more refreshes. Resolves when the running ones are stored. */
    async drain(): Promise<void> {
      draining = true
      await Promise.all(turns.values())
      await pendingWrites.drain()
    },
  }
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

import { randomId, sha256 } from '../../crypto/hash.js'
import { backoffDelay, createCircuitBreaker } from '../../protocol/circuit-breaker.js'
import { isOutage, type ProviderAnswer, refreshOutcome } from '../../provider/refresh-outcome.js'
import { shortId } from '../events.js'
import type { Providers } from '../providers.js'
import type { Settings } from '../settings.js'
import { createPendingWrites } from './pending-writes.js'
import type { RequestedToken, TokenOutcome } from './session-record.js'
import type { RefreshAttempt, SessionStorage, SessionWithTokens } from './session-storage.js'
import { currentToken, grantedToken, leftOf, refreshParameters, tokenKey, withToken } from './tokens.js'

/** Seconds from the wish to write an attempt until the provider must have been asked; later, it is not asked any more. */
const SLACK = 2
/** Seconds left to whoever has an answer, to store it. */
const STORING = 3
/** Seconds for which one answer can make a session wait, whatever its `Retry-After`. */
const LONGEST_WAIT = 60

/** What is being done with one session, for one wish. */
interface Work {
  wanted: RequestedToken
  key: string
  session: SessionWithTokens
  attempt: RefreshAttempt
}

/**
 * The refresh coordinator. Truth is compare-and-set on the generation spent; the attempt that is written before the
 * provider is asked only saves others from asking too. Whoever finds one waits: for its result, or, if its process has
 * died, for as long as it could still have been under way, on this process's own monotonic clock. So two attempts on one
 * generation are never in flight together.
 *
 * In this process, sessions queue: one attempt at a time per session, whoever asks for whatever, detached from any
 * caller. Those who waited find the token that the first one got. Sign-out wins over an attempt in flight.
 */
export function createCoordinator(settings: Settings, providers: Providers, storage: SessionStorage) {
  const { now, emit, timeout } = settings
  /** Each provider's own: what one of them fails at says nothing of the others. */
  const breakers = new Map(providers.all.map(({ settings: { issuer } }) => [issuer, createCircuitBreaker(now)]))
  const turns = new Map<string, Promise<unknown>>()
  const pendingWrites = createPendingWrites(settings)
  const takeOver = SLACK + timeout + STORING
  let draining = false

  async function run(id: string, wanted: RequestedToken): Promise<TokenOutcome> {
    await pendingWrites.settled(id)
    let seen: { id: string; at: number } | undefined
    for (let looks = 0; ; looks++) {
      const session = await storage.read(id)
      if ('ended' in session) return { type: 'ended', reason: session.ended }
      const key = tokenKey(wanted, session.record)
      const token = await currentToken(session.tokens, wanted, key, settings)
      if (token) return { type: 'token', token }
      if (session.record.refresh_token === undefined) return unrenewable(session, key)

      const found = await storage.attempt(id)
      const past = found?.attempt.generation === session.record.generation ? found.attempt : undefined
      if (past?.running) {
        if (seen?.id !== past.id) seen = { id: past.id, at: monotonic() }
        if (monotonic() - seen.at < takeOver) {
          await pause(Math.min(20 * 2 ** looks, 100) * (1 - Math.random() / 2))
          continue
        }
      }
      const breaker = breakers.get(session.record.iss)
      const own = past && (past.about ?? key) === key ? past.notBefore - now() : 0
      const wait = Math.max(own, breaker?.left() ?? 0)
      if (draining || wait > 0) return fallBack(session, wanted, key, Math.max(wait, 1))
      const ask = await providers.serving(session.record)?.prepareRefresh()
      if (!ask) {
        // Its metadata, or our own secret: no session has a part in that.
        breaker?.failed()
        return fallBack(session, wanted, key, backoffDelay(0))
      }

      const attempt: RefreshAttempt = {
        id: randomId(),
        generation: session.record.generation,
        running: true,
        // One that still runs by now has died with its process.
        unknown: past !== undefined && (past.unknown || past.running),
        refused: past?.refused ?? false,
        odd: past?.odd ?? 0,
        failures: past?.failures ?? 0,
        notBefore: past?.notBefore ?? 0,
        about: past?.about,
      }
      const begun = monotonic()
      if (!(await storage.begin(session, attempt, found?.version))) continue
      if (monotonic() - begun > SLACK) {
        await storage.note(session, { ...attempt, running: false })
        continue
      }
      const work = { wanted, key, session, attempt }
      const answer = await ask(session.record.refresh_token, refreshParameters(wanted, key, session.record))
      const outcome = await (answer.type === 'tokens' ? keep(work, answer) : failed(work, answer))
      if (outcome) return outcome
    }
  }

  /** Nothing can renew it. Only the default token is the session's own; another resource simply cannot be had. */
  async function unrenewable(session: SessionWithTokens, key: string): Promise<TokenOutcome> {
    const token = session.tokens.get(key)
    if (token && leftOf(token, settings) > 0) return { type: 'token', token }
    if (key !== '') return { type: 'refused', error: 'invalid_target' }
    await storage.end(session, 'expired')
    return { type: 'ended', reason: 'expired' }
  }

  /** A token that is still good is still served while no newer one can be had. */
  async function fallBack(
    { tokens }: SessionWithTokens,
    { refused }: RequestedToken,
    key: string,
    retryAfter: number,
    error: (TokenOutcome & { type: 'not_now' })['error'] = 'temporarily_unavailable',
  ): Promise<TokenOutcome> {
    const token = tokens.get(key)
    const good = token && leftOf(token, settings) > 0 && refused !== (await sha256(token.access_token))
    return good ? { type: 'token', token } : { type: 'not_now', error, retryAfter }
  }

  /** Stores what spending a generation has brought, iff the session is still at it. `undefined`: look again. */
  async function keep(work: Work, answer: ProviderAnswer & { type: 'tokens' }): Promise<TokenOutcome | undefined> {
    const { session, wanted, key } = work
    const { id, sub, generation, refresh_token } = session.record
    breakers.get(session.record.iss)?.succeeded()
    const newest = answer.refresh_token ?? refresh_token
    if (answer.sub !== undefined && answer.sub !== sub) {
      emit({ type: 'id_token_refused', claim: 'sub' })
      if (!(await storage.end(session, 'revoked'))) return undefined
      return { type: 'ended', reason: 'revoked' }
    }
    const token = grantedToken(answer, wanted, key, session.record, settings)
    const next = ({ record, tokens, id_token }: SessionWithTokens): Omit<SessionWithTokens, 'version'> => ({
      record: { ...record, generation: generation + 1, ...(newest !== undefined && { refresh_token: newest }) },
      tokens: token ? withToken(tokens, key, token) : tokens,
      id_token: answer.id_token ?? id_token,
      ours: true,
    })
    async function save(): Promise<'saved' | 'overtaken' | { ended: (TokenOutcome & { type: 'ended' })['reason'] }> {
      for (let base = session; ; ) {
        if (await storage.save(base, next(base))) return 'saved'
        const again = await storage.read(id)
        if ('ended' in again) return again
        // Another write of ours whose answer was lost, or somebody who spent this generation too and was faster.
        if (again.record.generation !== generation) return again.record.refresh_token === newest ? 'saved' : 'overtaken'
        base = again
      }
    }
    const saved = await pendingWrites.keepSaving(id, save, timeout)
    if (saved instanceof Object) {
      // Signed out meanwhile: what has just been issued must not outlive that.
      if (newest !== undefined) await providers.serving(session.record)?.revoke(newest)
      return { type: 'ended', reason: saved.ended }
    }
    if (saved === 'overtaken') return undefined
    if (!token) return { type: 'refused', error: 'invalid_scope' }
    emit({ type: 'token_refreshed', session: shortId(id), resource: wanted.resource, scope: token.scope })
    return { type: 'token', token }
  }

  /** Judges an answer that brought nothing, and writes down what it teaches. `undefined`: look again. */
  async function failed(
    { session, attempt, wanted, key }: Work,
    answer: Exclude<ProviderAnswer, { type: 'tokens' }>,
  ): Promise<TokenOutcome | undefined> {
    const { unknown, refused, odd, failures = 0 } = attempt
    const further = key !== ''
    if (isOutage(answer)) breakers.get(session.record.iss)?.failed(session.record.id)
    const token = session.tokens.get(key)
    const stillGood = token !== undefined && leftOf(token, settings) > 0
    const verdict = refreshOutcome(answer, {
      unknown,
      ours: session.ours,
      refusedBefore: refused,
      oddBefore: odd,
      stillGood,
      further,
    })
    const spoken = answer.type === 'error' ? answer : { status: 0, error: undefined, retryAfter: undefined }
    emit({
      type: 'refresh_failed',
      session: shortId(session.record.id),
      outcome: verdict.type === 'not_now' ? verdict.outcome : 'refused',
      status: spoken.status,
      ...(spoken.error !== undefined && { error: spoken.error }),
    })
    if (verdict.type === 'ended') return (await storage.end(session, verdict.reason)) ? verdict : undefined
    const done = { ...attempt, running: false }
    if (verdict.type === 'refused') {
      await note(session, done)
      return verdict
    }
    if (verdict.error === 'operator_error')
      emit({ type: 'operator_error', detail: `The token endpoint answers ${spoken.status} ${spoken.error ?? ''}` })
    const race = verdict.error === 'refresh_race'
    const retryAfter = race ? 1 : Math.min(spoken.retryAfter ?? backoffDelay(failures), LONGEST_WAIT)
    // Another token of this session waits already: from now on all of them do.
    const others = attempt.about !== undefined && attempt.about !== key && attempt.notBefore > now()
    const strange = verdict.error === 'temporarily_unavailable' && verdict.outcome === 'refused' && !further
    await note(session, {
      ...done,
      unknown: unknown || verdict.outcome === 'unknown',
      refused: refused || race,
      odd: odd + (strange ? 1 : 0),
      failures: failures + 1,
      notBefore: race ? 0 : Math.max(now() + retryAfter, others ? attempt.notBefore : 0),
      about: isOutage(answer) || others ? undefined : key,
    })
    return fallBack(session, wanted, key, retryAfter, verdict.error)
  }

  /** A note that cannot be written leaves the attempt running: others wait, and take its outcome for unknown. */
  const note = (session: SessionWithTokens, attempt: RefreshAttempt) => storage.note(session, attempt).catch(() => {})

  return {
    /** The token of this session for exactly this question. @throws StoreError */
    async token(session: SessionWithTokens, wanted: RequestedToken): Promise<TokenOutcome> {
      const { id } = session.record
      const token = await currentToken(session.tokens, wanted, tokenKey(wanted, session.record), settings)
      if (token) return { type: 'token', token }
      const turn = (turns.get(id) ?? Promise.resolve()).then(() => run(id, wanted))
      const settled = turn.then(
        () => {},
        () => {},
      )
      turns.set(id, settled)
      // The last one out leaves nothing behind.
      settled.then(() => {
        if (turns.get(id) === settled) turns.delete(id)
      })
      return turn
    },

    /** Begins no more refreshes; resolves when those under way are done and stored. */
    async drain(): Promise<void> {
      draining = true
      await Promise.all(turns.values())
      await pendingWrites.drain()
    },
  }
}

const monotonic = (): number => performance.now() / 1000

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

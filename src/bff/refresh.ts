import { sha256 } from '../crypto/hash.js'
import { missingScopes } from '../protocol/scope.js'
import { shortId } from './events.js'
import type { Remembered } from './memory.js'
import type { Settings } from './options.js'
import type { Provider } from './provider.js'
import { judge, type ProviderAnswer } from './provider-answers.js'
import type { AccessToken, SessionRecord, TokenOutcome, Wanted } from './sessions.js'

/** Seconds that a token is good for when the provider does not say. */
export const UNSAID_LIFETIME = 300
/** Seconds: a younger token is not renewed because an API refused it; the fault is then not its age. */
const TOO_YOUNG = 10

/** Tokens kept at most per session. */
const KINDS = 16

/** The same question has the same key. The session's default token has the empty one. */
export function tokenKey({ resource, scope }: Wanted, record: SessionRecord): string {
  const plain = record.scope.split(' ').sort().join(' ')
  const whole = resource.length === 0 || resource.join(' ') === [...record.resource].sort().join(' ')
  return whole && (scope === '' || scope === plain) ? '' : JSON.stringify([resource, scope])
}

/** Whether a token is good enough. At most half of its lifetime counts, so that short-lived tokens do not cause a storm. */
export function decideToken(
  token: AccessToken,
  { minValidity, refused }: Wanted,
  digest: string | undefined,
  now: number,
): 'serve' | 'renew' {
  const age = now - token.obtained
  if (refused !== undefined && refused === digest && age >= TOO_YOUNG) return 'renew'
  return token.lifetime - age >= Math.min(minValidity, token.lifetime / 2) ? 'serve' : 'renew'
}

/** What a refresher may do to the session it works for. */
export interface RefreshPorts {
  /** The session as remembered now; `undefined` once it has ended. */
  remembered(id: string): Remembered | undefined
  end(record: SessionRecord, reason: (TokenOutcome & { type: 'ended' })['reason']): void
}

/**
 * The refresh coordinator of one process: one attempt at a time per session, whoever asks for whatever, detached from
 * any caller. Those who waited find the token that the first one got. Sign-out wins over an attempt in flight.
 */
export function createRefresher(settings: Settings, provider: Provider, breaker: Breaker, ports: RefreshPorts) {
  const { now, emit } = settings

  async function attempt(memory: Remembered, wanted: Wanted, key: string): Promise<TokenOutcome> {
    const { record } = memory
    const held = memory.tokens.get(key)
    const left = held ? held.lifetime - (now() - held.obtained) : 0
    const refusedToo = held !== undefined && wanted.refused === (await sha256(held.access_token))
    /** A token that is still good is still served while no newer one can be had. */
    const fallBack = (error: (TokenOutcome & { type: 'not_now' })['error'], retryAfter: number): TokenOutcome =>
      held && left > 0 && !refusedToo ? { type: 'token', token: held } : { type: 'not_now', error, retryAfter }

    if (record.refresh_token === undefined) {
      if (held && left > 0) return { type: 'token', token: held }
      // Only the default token is the session's own; another resource simply cannot be had.
      if (key !== '') return { type: 'refused', error: 'invalid_target' }
      ports.end(record, 'expired')
      return { type: 'ended', reason: 'expired' }
    }
    const wait = Math.max(memory.notBefore, breaker.until()) - now()
    if (wait > 0) return fallBack('temporarily_unavailable', wait)

    const answer = await provider.refresh(record.refresh_token, parametersOf(wanted, key, record))
    if (ports.remembered(record.id) !== memory) {
      // Signed out meanwhile: what has just been issued must not outlive that.
      if (answer.type === 'tokens') await provider.revoke(answer.refresh_token ?? record.refresh_token)
      return { type: 'ended', reason: 'logged_out' }
    }
    // A cookie of a newer generation has come meanwhile, from another process: what spending the older one brought, tokens
    // or a refusal, is not stored.
    if (memory.record !== record) return (await current(memory, wanted, key)) ?? attempt(memory, wanted, key)
    return answer.type === 'tokens' ? store(memory, answer, wanted, key) : failed(memory, answer, fallBack, left > 0)
  }

  function store(
    memory: Remembered,
    answer: ProviderAnswer & { type: 'tokens' },
    wanted: Wanted,
    key: string,
  ): TokenOutcome {
    const { record } = memory
    breaker.succeeded()
    Object.assign(memory, { unknown: false, refused: false, odd: 0, notBefore: 0 })
    if (answer.sub !== undefined && answer.sub !== record.sub) {
      emit({ type: 'id_token_refused', claim: 'sub' })
      ports.end(record, 'revoked')
      return { type: 'ended', reason: 'revoked' }
    }
    if (answer.id_token) memory.id_token = answer.id_token
    if (answer.refresh_token !== undefined && answer.refresh_token !== record.refresh_token)
      Object.assign(memory, {
        record: { ...record, generation: record.generation + 1, refresh_token: answer.refresh_token },
        ours: true,
      })
    const asked = wanted.scope || (key === '' ? record.scope : '')
    const scope = answer.scope ?? asked
    // More than was asked for would be another's token in this page's hands (RFC 10017 section 6.2.2.3).
    if (wanted.scope && missingScopes(scope.split(' '), wanted.scope.split(' ')).length)
      return { type: 'refused', error: 'invalid_scope' }
    const token: AccessToken = {
      access_token: answer.access_token,
      scope,
      obtained: now(),
      lifetime: answer.expires_in ?? UNSAID_LIFETIME,
    }
    memory.tokens.set(key, token)
    // A page that asks for ever other scopes fills no memory: the oldest makes room, the default one last of all.
    for (const old of memory.tokens.keys()) if (memory.tokens.size > KINDS && old !== '') memory.tokens.delete(old)
    emit({ type: 'token_refreshed', session: shortId(record.id), resource: wanted.resource, scope })
    return { type: 'token', token }
  }

  function failed(
    memory: Remembered,
    answer: Exclude<ProviderAnswer, { type: 'tokens' }>,
    fallBack: (error: (TokenOutcome & { type: 'not_now' })['error'], retryAfter: number) => TokenOutcome,
    stillGood: boolean,
  ): TokenOutcome {
    const { record, unknown, ours, refused, odd } = memory
    const verdict = judge(answer, { unknown, ours, refusedBefore: refused, oddBefore: odd, stillGood })
    const spoken = answer.type === 'error' ? answer : { status: 0, error: undefined, retryAfter: undefined }
    emit({
      type: 'refresh_failed',
      session: shortId(record.id),
      outcome: verdict.type === 'not_now' ? verdict.outcome : 'refused',
      status: spoken.status,
      ...(spoken.error !== undefined && { error: spoken.error }),
    })
    if (verdict.type === 'refused') return verdict
    if (verdict.type === 'ended') {
      ports.end(record, verdict.reason)
      return verdict
    }
    if (verdict.error === 'operator_error')
      emit({ type: 'operator_error', detail: `The token endpoint answers ${spoken.status} ${spoken.error ?? ''}` })
    if (verdict.error === 'refresh_race') memory.refused = true
    else if (verdict.outcome === 'refused') memory.odd++
    if (verdict.outcome === 'unknown') memory.unknown = true
    const retryAfter = verdict.error === 'refresh_race' ? 1 : breaker.failed(spoken.retryAfter)
    if (verdict.error !== 'refresh_race') memory.notBefore = now() + retryAfter
    return fallBack(verdict.error, retryAfter)
  }

  /** The token of this session for exactly this question. */
  return async (memory: Remembered, wanted: Wanted): Promise<TokenOutcome> => {
    const key = tokenKey(wanted, memory.record)
    const served = await current(memory, wanted, key)
    if (served) return served
    const { id } = memory.record
    const turn = memory.turn.then(async (): Promise<TokenOutcome> => {
      if (ports.remembered(id) !== memory) return { type: 'ended', reason: 'logged_out' }
      return (await current(memory, wanted, key)) ?? attempt(memory, wanted, key)
    })
    memory.turn = turn.catch(() => {})
    return turn
  }

  async function current(memory: Remembered, wanted: Wanted, key: string): Promise<TokenOutcome | undefined> {
    const token = memory.tokens.get(key)
    if (!token) return undefined
    const digest = wanted.refused === undefined ? undefined : await sha256(token.access_token)
    return decideToken(token, wanted, digest, now()) === 'serve' ? { type: 'token', token } : undefined
  }
}

/** Exactly what was asked for; the default is asked for as it was granted. @see RFC 6749 section 6, RFC 8707 section 2.2 */
function parametersOf({ resource, scope }: Wanted, key: string, record: SessionRecord): URLSearchParams {
  const parameters = new URLSearchParams()
  for (const item of key === '' || resource.length === 0 ? record.resource : resource)
    parameters.append('resource', item)
  if (key !== '' && scope) parameters.set('scope', scope)
  return parameters
}

export type Breaker = ReturnType<typeof createBreaker>

/** Consecutive failures after which the provider is left alone for everybody, not only for the session that failed. */
const TRIP = 3
const LONGEST = 30

/** Leaves a provider alone that fails: what it asked for, else 1 s, doubling up to 30 s, with jitter. */
export function createBreaker(now: () => number, random: () => number = Math.random) {
  let failures = 0
  let until = 0
  return {
    until: () => until,
    succeeded() {
      failures = until = 0
    },
    /** Seconds to wait. */
    failed(retryAfter?: number): number {
      const wait = Math.min(retryAfter ?? Math.min(LONGEST, 2 ** failures) * (1 - random() / 2), 3600)
      failures++
      if (retryAfter !== undefined || failures >= TRIP) until = now() + wait
      return wait
    },
  }
}

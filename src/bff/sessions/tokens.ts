import { sha256 } from '../../crypto/hash.js'
import { missingScopes } from '../../protocol/scope.js'
import type { ProviderAnswer } from '../../provider/refresh-outcome.js'
import type { Settings } from '../settings.js'
import type { AccessToken, RequestedToken, SessionRecord } from './session-record.js'

/** Seconds that a token is good for when the provider does not say. */
export const UNSAID_LIFETIME = 300
/** Seconds: a younger token is not renewed because an API refused it; the fault is then not its age. */
const TOO_YOUNG = 10
/** Seconds by which two clocks of one process do not differ unless one was set. */
const STEP = 5
/** Tokens kept at most per session. */
const KINDS = 16

/** The access tokens of a session, by {@link tokenKey}. */
export type Tokens = ReadonlyMap<string, AccessToken>

/** The same question has the same key. The session's default token has the empty one. */
export function tokenKey({ resource, scope }: RequestedToken, record: SessionRecord): string {
  if (resource.length === 0 && scope === '') return ''
  const plain = record.scope.split(' ').sort().join(' ')
  const whole = resource.length === 0 || resource.join(' ') === [...record.resource].sort().join(' ')
  return whole && (scope === '' || scope === plain) ? '' : JSON.stringify([resource, scope])
}

/** Whether a token is good enough. At most half of its lifetime counts, so that short-lived tokens do not cause a storm. */
export function decideToken(
  token: AccessToken,
  { minValidity, refused }: RequestedToken,
  digest: string | undefined,
  clocks: Clocks,
): 'serve' | 'renew' {
  const { age, doubt } = ageOf(token, clocks)
  if (refused !== undefined && refused === digest && !(age >= 0 && age < TOO_YOUNG)) return 'renew'
  const { lifetime } = token
  return leftAt(lifetime, age, doubt) >= Math.min(Math.max(minValidity, doubt), lifetime / 2) ? 'serve' : 'renew'
}

/** By what the age of a token is told. */
export type Clocks = Pick<Settings, 'now' | 'process' | 'clockTolerance'>

/**
 * Seconds since a token came, and by how many that may be wrong: what another process has noted, another clock has. A token of
 * the future has an age below 0, which is none. Where this process's own clock was set back meanwhile, the monotonic one tells it.
 */
function ageOf({ obtained, by, tick }: AccessToken, { now, process, clockTolerance }: Clocks) {
  const age = now() - obtained
  if (by !== process) return { age, doubt: clockTolerance }
  const ticks = monotonic() - (tick ?? 0)
  return { age: age >= 0 && ticks - age > STEP ? ticks : age, doubt: 0 }
}

/** Nothing is left where nobody knows. */
const leftAt = (lifetime: number, age: number, doubt: number): number =>
  age < -doubt ? 0 : lifetime - Math.max(age, 0)

/** Seconds that a token is still good for, by whosever clock; at least 0. */
export function leftOf(token: AccessToken, clocks: Clocks): number {
  const { age, doubt } = ageOf(token, clocks)
  return Math.max(0, leftAt(token.lifetime, age, doubt) - Math.min(doubt, token.lifetime / 2))
}

/** What is noted of a token that has just come. */
export function justObtained({ now, process }: Clocks): Pick<AccessToken, 'obtained' | 'by' | 'tick'> {
  return { obtained: now(), by: process, tick: monotonic() }
}

const monotonic = (): number => performance.now() / 1000

/** The token of a session that answers a question now; `undefined` if it has to be renewed. */
export async function currentToken(
  tokens: Tokens,
  wanted: RequestedToken,
  key: string,
  clocks: Clocks,
): Promise<AccessToken | undefined> {
  const token = tokens.get(key)
  if (!token) return undefined
  const digest = wanted.refused === undefined ? undefined : await sha256(token.access_token)
  return decideToken(token, wanted, digest, clocks) === 'serve' ? token : undefined
}

/** Exactly what was asked for; the default is asked for as it was granted. @see RFC 6749 section 6, RFC 8707 section 2.2 */
export function refreshParameters(
  { resource, scope }: RequestedToken,
  key: string,
  record: SessionRecord,
): URLSearchParams {
  const parameters = new URLSearchParams()
  for (const item of key === '' || resource.length === 0 ? record.resource : resource)
    parameters.append('resource', item)
  if (key !== '' && scope) parameters.set('scope', scope)
  return parameters
}

/**
 * The token in an answer; `undefined` if it can do more than was asked for, which would be another's token in this
 * page's hands. @see RFC 10017 section 6.2.2.3
 */
export function grantedToken(
  answer: ProviderAnswer & { type: 'tokens' },
  wanted: RequestedToken,
  key: string,
  record: SessionRecord,
  clocks: Clocks,
): AccessToken | undefined {
  const scope = answer.scope ?? (wanted.scope || (key === '' ? record.scope : ''))
  if (wanted.scope && missingScopes(scope.split(' '), wanted.scope.split(' ')).length) return undefined
  return {
    access_token: answer.access_token,
    scope,
    ...justObtained(clocks),
    lifetime: answer.expires_in ?? UNSAID_LIFETIME,
  }
}

/** With one more token. A page that asks for ever other scopes fills no memory: the oldest makes room, the default last. */
export function withToken(tokens: Tokens, key: string, token: AccessToken): Tokens {
  const all = new Map(tokens).set(key, token)
  for (const old of all.keys()) if (all.size > KINDS && old !== '') all.delete(old)
  return all
}

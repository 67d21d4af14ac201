import { sha256 } from '../../crypto/hash.js'
import { missingScopes } from '../../protocol/scope.js'
import { monotonicNow } from '../../protocol/time.js'
import type { ProviderAnswer } from '../../provider/refresh-outcome.js'
import type { Settings } from '../settings.js'
import type { AccessToken, RequestedToken, SessionRecord } from './session-record.js'

/** Seconds, if the provider does not send `expires_in`. */
export const DEFAULT_LIFETIME = 300
/** Seconds. If an API refuses a younger token, it is not refreshed: its age cannot be the reason. */
const MIN_AGE = 10
/** Seconds. If the two clocks of a process differ by more, the wall clock was set. */
const CLOCK_STEP = 5
/** Tokens per session. */
const MAX_TOKENS = 16

/** The access tokens of a session, by {@link tokenKey}. */
export type Tokens = ReadonlyMap<string, AccessToken>

/** The same request has the same key. The key of the default token is empty. */
export function tokenKey({ resource, scope }: RequestedToken, record: SessionRecord): string {
  if (resource.length === 0 && scope === '') return ''
  const grantedScope = record.scope.split(' ').sort().join(' ')
  const defaultResource = resource.length === 0 || resource.join(' ') === [...record.resource].sort().join(' ')
  return defaultResource && (scope === '' || scope === grantedScope) ? '' : JSON.stringify([resource, scope])
}

/** What the age of a token is computed from. */
export type Clocks = Pick<Settings, 'now' | 'process' | 'clockTolerance'>

/**
 * Seconds since a token was issued, and by how many seconds that may be wrong: the clock of another process may differ. The age
 * is negative for a token of the future. If the clock of this process was set back, its monotonic clock is used.
 */
function ageOf({ obtained, by, tick }: AccessToken, { now, process, clockTolerance }: Clocks) {
  const age = now() - obtained
  if (by !== process) return { age, doubt: clockTolerance }
  const ticks = monotonicNow() - (tick ?? 0)
  return { age: age >= 0 && ticks - age > CLOCK_STEP ? ticks : age, doubt: 0 }
}

/** 0 if the token is of the future: its age is unknown. */
const remaining = (lifetime: number, age: number, doubt: number): number =>
  age < -doubt ? 0 : lifetime - Math.max(age, 0)

/** Seconds until a token expires; at least 0. */
export function secondsLeft(token: AccessToken, clocks: Clocks): number {
  const { age, doubt } = ageOf(token, clocks)
  return Math.max(0, remaining(token.lifetime, age, doubt) - Math.min(doubt, token.lifetime / 2))
}

/** When, and by whose clock, a new token was issued. */
export function justObtained({ now, process }: Clocks): Pick<AccessToken, 'obtained' | 'by' | 'tick'> {
  return { obtained: now(), by: process, tick: monotonicNow() }
}

/**
 * The requested token; `undefined` if it has to be refreshed. `minValidity` is at most half of the lifetime: otherwise a short-lived
 * token would be refreshed at every request.
 */
export async function currentToken(
  tokens: Tokens,
  { minValidity, refused }: RequestedToken,
  key: string,
  clocks: Clocks,
): Promise<AccessToken | undefined> {
  const token = tokens.get(key)
  if (!token) return undefined
  const isRefused = refused !== undefined && refused === (await sha256(token.access_token))
  const { age, doubt } = ageOf(token, clocks)
  if (isRefused && !(age >= 0 && age < MIN_AGE)) return undefined
  const { lifetime } = token
  const required = Math.min(Math.max(minValidity, doubt), lifetime / 2)
  return remaining(lifetime, age, doubt) >= required ? token : undefined
}

/** The parameters of a refresh: exactly the requested resource and scope, or what was granted at sign-in. @see RFC 6749 section 6, RFC 8707 section 2.2 */
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
 * The token of the response; `undefined` if its scope is unknown, or larger than requested: the page must not get it.
 * @see RFC 10017 section 6.2.2.3
 */
export function grantedToken(
  answer: ProviderAnswer & { type: 'tokens' },
  requested: RequestedToken,
  key: string,
  record: SessionRecord,
  clocks: Clocks,
): AccessToken | undefined {
  const scope = answer.scope ?? (requested.scope || (key === '' ? record.scope : ''))
  if (requested.scope && answer.scopeUnknown) return undefined
  if (requested.scope && missingScopes(scope.split(' '), requested.scope.split(' ')).length) return undefined
  return {
    access_token: answer.access_token,
    scope,
    ...justObtained(clocks),
    lifetime: answer.expires_in ?? DEFAULT_LIFETIME,
  }
}

/** `refresh_expiry` of a generation whose tokens were issued now. */
export function refreshExpiry(
  { expires_in = DEFAULT_LIFETIME, refresh_expires_in }: { expires_in?: number; refresh_expires_in?: number },
  generation: number,
  { now }: Pick<Settings, 'now'>,
): Pick<SessionRecord, 'refresh_expiry'> {
  if (refresh_expires_in === undefined) return {}
  return { refresh_expiry: { at: now() + Math.max(refresh_expires_in, expires_in), generation } }
}

/** The refresh token of a response. `lost`: it cannot be used, and the one before may be used up. */
export interface Replacement {
  refresh_token?: string
  lost?: true
  expires_in?: number
  refresh_expires_in?: number
}

/** The record of the next generation. */
export function nextRecord(
  { refresh_token_spent: _, refresh_expiry, ...record }: SessionRecord,
  { lost, ...replacement }: Replacement,
  clock: Pick<Settings, 'now'>,
): SessionRecord {
  const { refresh_token = record.refresh_token } = replacement
  const generation = record.generation + 1
  const same = refresh_token === record.refresh_token && refresh_expiry?.generation === record.generation
  return {
    ...record,
    generation,
    ...(refresh_token !== undefined && { refresh_token }),
    ...(lost && { refresh_token_spent: lost }),
    ...(same && { refresh_expiry: { ...refresh_expiry, generation } }),
    ...refreshExpiry(replacement, generation, clock),
  }
}

/** Adds a token. If there are too many, the oldest are removed, but not the default token. */
export function withToken(tokens: Tokens, key: string, token: AccessToken): Tokens {
  const all = new Map(tokens).set(key, token)
  for (const old of all.keys()) if (all.size > MAX_TOKENS && old !== '') all.delete(old)
  return all
}

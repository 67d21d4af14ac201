import { sha256 } from '../crypto/hash.js'
import { missingScopes } from '../protocol/scope.js'
import type { ProviderAnswer } from './provider-answers.js'
import type { AccessToken, SessionRecord, Wanted } from './record.js'

/** Seconds that a token is good for when the provider does not say. */
export const UNSAID_LIFETIME = 300
/** Seconds: a younger token is not renewed because an API refused it; the fault is then not its age. */
const TOO_YOUNG = 10
/** Tokens kept at most per session. */
const KINDS = 16

/** The access tokens of a session, by {@link tokenKey}. */
export type Tokens = ReadonlyMap<string, AccessToken>

/** The same question has the same key. The session's default token has the empty one. */
export function tokenKey({ resource, scope }: Wanted, record: SessionRecord): string {
  if (resource.length === 0 && scope === '') return ''
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

/** The token of a session that answers a question now; `undefined` if it has to be renewed. */
export async function currentToken(
  tokens: Tokens,
  wanted: Wanted,
  key: string,
  now: number,
): Promise<AccessToken | undefined> {
  const token = tokens.get(key)
  if (!token) return undefined
  const digest = wanted.refused === undefined ? undefined : await sha256(token.access_token)
  return decideToken(token, wanted, digest, now) === 'serve' ? token : undefined
}

/** Exactly what was asked for; the default is asked for as it was granted. @see RFC 6749 section 6, RFC 8707 section 2.2 */
export function refreshParameters({ resource, scope }: Wanted, key: string, record: SessionRecord): URLSearchParams {
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
  wanted: Wanted,
  key: string,
  record: SessionRecord,
  now: number,
): AccessToken | undefined {
  const scope = answer.scope ?? (wanted.scope || (key === '' ? record.scope : ''))
  if (wanted.scope && missingScopes(scope.split(' '), wanted.scope.split(' ')).length) return undefined
  return {
    access_token: answer.access_token,
    scope,
    obtained: now,
    lifetime: answer.expires_in ?? UNSAID_LIFETIME,
  }
}

/** With one more token. A page that asks for ever other scopes fills no memory: the oldest makes room, the default last. */
export function withToken(tokens: Tokens, key: string, token: AccessToken): Tokens {
  const all = new Map(tokens).set(key, token)
  for (const old of all.keys()) if (all.size > KINDS && old !== '') all.delete(old)
  return all
}

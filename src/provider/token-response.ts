import type { ProviderError } from './errors.js'
import { detailOf, type Endpoint, errorCode } from './failures/failure.js'
import { reportMistake } from './failures/report.js'
import type { ProviderSettings } from './settings.js'
import type { UnvalidatedResponse } from './unvalidated-response.js'

/** A token response, before its members are checked. */
interface TokenResponse {
  readonly access_token: string
  readonly refresh_token?: string
  readonly expires_in?: number
  readonly scope?: string
  readonly [member: string]: unknown
}

/** Characters. A token is sent in a header, and servers accept about 16 kB of headers. */
const MAX_TOKEN_LENGTH = 16_384
/** Characters. An ID Token is stored, and sent to no API. */
const MAX_ID_TOKEN_LENGTH = 65_536
const MAX_SCOPE_LENGTH = 8192
/** Seconds: one year. A larger `expires_in` is shortened, so that times stay finite. */
const MAX_EXPIRES_IN = 31_536_000

const token = /^[\x21-\x7e]+$/
/** @see RFC 6749 appendix A.17 */
const text = /^[\x20-\x7e]+$/
const scopes = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/

/** Member → its pattern and its maximum length. */
const members = {
  access_token: [token, MAX_TOKEN_LENGTH],
  refresh_token: [text, MAX_TOKEN_LENGTH],
  id_token: [token, MAX_ID_TOKEN_LENGTH],
  scope: [scopes, MAX_SCOPE_LENGTH],
} as const
const names = Object.keys(members) as (keyof typeof members)[]

const isUsable = (name: keyof typeof members, value: unknown): value is string => {
  const [pattern, maxLength] = members[name]
  return typeof value === 'string' && value.length <= maxLength && pattern.test(value)
}

/**
 * The first member that is too long, or has a character that is not allowed in a header or a scope. A line break in a token
 * would end a header. Checked before anything is stored. @see RFC 6750 section 2.1
 */
const invalidMember = (answer: TokenResponse): string | undefined =>
  names.find((name) => answer[name] !== undefined && !isUsable(name, answer[name]))

/**
 * Members that say in how many seconds the refresh token can no longer be used: unless it is renewed before, or in any case.
 * @see draft-ietf-oauth-refresh-token-expiration section 3 (the first two), Keycloak, Microsoft Entra ID and Google
 */
const refreshLifetimes = [
  'refresh_token_timeout',
  'authorization_expires_in',
  'refresh_expires_in',
  'refresh_token_expires_in',
]

/**
 * The least of them, in seconds. `undefined`: the provider does not say. Keycloak says 0 for a token that does not expire; a value that is no
 * number is ignored, because no specification requires these members.
 */
function refreshLifetime(response: Readonly<Record<string, unknown>>): { refresh_expires_in?: number } {
  const lifetimes = refreshLifetimes
    .map((name) => response[name])
    .map((value) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value))
    .filter((value) => typeof value === 'number' && value > 0)
  const least = Math.min(...(lifetimes as number[]))
  return least <= MAX_EXPIRES_IN ? { refresh_expires_in: least } : {}
}

/** The members that are stored. An `expires_in` that is no number, or is negative, is dropped. */
export function tokenMembers(response: TokenResponse) {
  const { access_token, refresh_token, expires_in, scope } = response
  const known = typeof expires_in === 'number' && expires_in >= 0
  return {
    access_token,
    ...(refresh_token !== undefined && { refresh_token }),
    ...(known && { expires_in: Math.min(MAX_EXPIRES_IN, expires_in) }),
    ...refreshLifetime(response),
    ...(scope !== undefined && { scope }),
  }
}

const unusableType = (token_type: unknown, required: string) =>
  `no usable token_type: ${errorCode(typeof token_type === 'string' ? token_type.toLowerCase() : '')}, and only ${required} can be used here`

/** @throws ProviderError `operator_error` */
export type RequireUsable = (tokens: TokenResponse & { token_type: string }) => void

/**
 * Refuses a token response that cannot be used: an invalid member, or the wrong `token_type`. A page cannot use a token that is
 * bound to a key of the backend, and a token that should be bound must not be a bearer token.
 * @see RFC 10017 section 6.2.4.3.2, RFC 9449 section 5
 */
export function createUsableCheck(
  settings: Pick<ProviderSettings, 'emit'>,
  required: 'DPoP' | 'Bearer',
  endpoint: () => Endpoint,
): RequireUsable {
  const refuse = (flaw: string): ProviderError => reportMistake(detailOf(endpoint(), `200, ${flaw}`), settings)
  return (tokens) => {
    const invalid = invalidMember(tokens)
    if (invalid !== undefined) throw refuse(`no usable ${invalid}`)
    if (tokens.token_type !== required.toLowerCase()) throw refuse(unusableType(tokens.token_type, required))
  }
}

/** What can be used of a refresh's response. */
interface RefreshedTokens {
  access_token?: string
  refresh_token?: string
  /** There is a new refresh token, and it cannot be used. */
  lost?: true
  expires_in?: number
  refresh_expires_in?: number
  scope?: string
  /** The response has a `scope` that cannot be read. */
  scopeUnknown?: true
}

/**
 * Takes each member of a refresh's response by itself: the old refresh token is used up, so nothing usable is thrown away. A
 * list of scopes is read as what it means. An access token of the wrong `token_type` is none. @see RFC 6749 section 6
 */
export function readRefreshedTokens(
  response: UnvalidatedResponse,
  settings: Pick<ProviderSettings, 'emit'>,
  required: 'DPoP' | 'Bearer',
  endpoint: Endpoint,
): RefreshedTokens {
  const { access_token, expires_in, token_type, scope } = response
  const refuse = (flaw: string) => reportMistake(detailOf(endpoint, `200, ${flaw}`), settings)
  const usable = (name: keyof typeof members): string | undefined => {
    const value = response[name]
    if (value === undefined || isUsable(name, value)) return value
    refuse(`no usable ${name}`)
    return undefined
  }
  const rightType = typeof token_type === 'string' && token_type.toLowerCase() === required.toLowerCase()
  if (access_token !== undefined && !rightType) refuse(unusableType(token_type, required))
  const lifetime = typeof expires_in === 'string' ? Number.parseFloat(expires_in) : expires_in
  const validLifetime = typeof lifetime === 'number' && lifetime >= 0
  if (expires_in !== undefined && !validLifetime) refuse('no usable expires_in')
  const scopeText = Array.isArray(scope) ? scope.join(' ') : scope
  const readScope = isUsable('scope', scopeText) ? scopeText : undefined
  if (scope !== undefined && readScope !== scope) refuse('no usable scope')
  const access = rightType ? usable('access_token') : undefined
  const refresh = usable('refresh_token')
  return {
    ...(access !== undefined && { access_token: access }),
    ...(refresh !== undefined && { refresh_token: refresh }),
    ...(refresh === undefined && response.refresh_token !== undefined && { lost: true }),
    ...(validLifetime && { expires_in: Math.min(MAX_EXPIRES_IN, lifetime) }),
    ...refreshLifetime(response),
    ...(readScope !== undefined && { scope: readScope }),
    ...(scope !== undefined && readScope === undefined && { scopeUnknown: true }),
  }
}

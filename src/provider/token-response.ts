import { ProviderError } from './errors.js'
import { errorCode } from './openid-client-errors.js'
import type { ProviderSettings } from './settings.js'

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

/**
 * The first member that is too long, or has a character that is not allowed in a header or a scope. A line break in a token
 * would end a header. Checked before anything is stored. @see RFC 6750 section 2.1
 */
const invalidMember = (answer: TokenResponse): string | undefined =>
  Object.entries(members).find(([name, [pattern, maxLength]]) => {
    const value = answer[name]
    return value !== undefined && (typeof value !== 'string' || value.length > maxLength || !pattern.test(value))
  })?.[0]

/** The members that are stored. An `expires_in` that is no number, or is negative, is dropped. */
export function tokenMembers({ access_token, refresh_token, expires_in, scope }: TokenResponse) {
  const known = typeof expires_in === 'number' && expires_in >= 0
  return {
    access_token,
    ...(refresh_token !== undefined && { refresh_token }),
    ...(known && { expires_in: Math.min(MAX_EXPIRES_IN, expires_in) }),
    ...(scope !== undefined && { scope }),
  }
}

/** @throws ProviderError `operator_error` */
export type RequireUsable = (tokens: TokenResponse & { token_type: string }) => void

/**
 * Refuses a token response that cannot be used: an invalid member, or the wrong `token_type`. A page cannot use a token that is
 * bound to a key of the backend, and a token that should be bound must not be a bearer token.
 * @see RFC 10017 section 6.2.4.3.2, RFC 9449 section 5
 */
export function createUsableCheck({ emit }: ProviderSettings, required: 'DPoP' | 'Bearer'): RequireUsable {
  return (tokens) => {
    const invalid = invalidMember(tokens)
    if (invalid !== undefined) {
      emit({ type: 'operator_error', detail: `The provider responds with a value of ${invalid} that cannot be used` })
      throw new ProviderError('operator_error', { description: 'The provider issues tokens that cannot be used here.' })
    }
    const { token_type } = tokens
    if (token_type === required.toLowerCase()) return
    emit({
      type: 'operator_error',
      detail: `The provider issues ${errorCode(token_type)} tokens; only ${required} can be used here`,
    })
    throw new ProviderError('operator_error', {
      description: `The provider issues tokens that cannot be used here: not ${required}.`,
    })
  }
}

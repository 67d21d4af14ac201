import { ProviderError } from './errors.js'
import { errorCode } from './openid-client-errors.js'
import type { ProviderSettings } from './settings.js'

/** What the provider says, as far as it has been read. */
interface TokenResponse {
  readonly access_token: string
  readonly refresh_token?: string
  readonly expires_in?: number
  readonly scope?: string
  readonly [member: string]: unknown
}

/** Characters of a token at most. What goes to an API is a header, and servers take 16 kB of those. */
const LONGEST = 16_384
/** Characters of an ID Token at most: it is kept, and goes to no API. */
const LONGEST_ID_TOKEN = 65_536
const LONGEST_SCOPE = 8192
/** Seconds; a year. Nobody's access token is good for longer, and a number without an end is no time. */
const LONGEST_LIFE = 31_536_000

const token = /^[\x21-\x7e]+$/
/** @see RFC 6749 appendix A.17 */
const text = /^[\x20-\x7e]+$/
const scopes = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/

/** Member → what its value must be like, and its length at most. */
const members = {
  access_token: [token, LONGEST],
  refresh_token: [text, LONGEST],
  id_token: [token, LONGEST_ID_TOKEN],
  scope: [scopes, LONGEST_SCOPE],
} as const

/**
 * The member of a token answer that cannot be kept: it has a character that no header or scope can have (a line break in a
 * token would end a header), or is longer than anything can use. Looked at before anything is stored. @see RFC 6750 section 2.1
 */
const unfitMember = (answer: TokenResponse): string | undefined =>
  Object.entries(members).find(([name, [pattern, longest]]) => {
    const value = answer[name]
    return value !== undefined && (typeof value !== 'string' || value.length > longest || !pattern.test(value))
  })?.[0]

/** What is kept of a token answer: a lifetime is a number of seconds of at most a year, or was not said. */
export function picked({ access_token, refresh_token, expires_in, scope }: TokenResponse) {
  const said = typeof expires_in === 'number' && expires_in >= 0
  return {
    access_token,
    ...(refresh_token !== undefined && { refresh_token }),
    ...(said && { expires_in: Math.min(LONGEST_LIFE, expires_in) }),
    ...(scope !== undefined && { scope }),
  }
}

/** @throws ProviderError `operator_error` */
export type RequireUsable = (tokens: TokenResponse & { token_type: string }) => void

/**
 * Nothing of an answer that cannot be used is kept. A page cannot use a token that is bound to a key of ours, and one that
 * should be bound is not taken unbound. @see RFC 10017 section 6.2.4.3.2, RFC 9449 section 5
 */
export function usableBy({ emit }: ProviderSettings, required: 'DPoP' | 'Bearer'): RequireUsable {
  return (tokens) => {
    const unfit = unfitMember(tokens)
    if (unfit !== undefined) {
      emit({ type: 'operator_error', detail: `The provider answers with a value of ${unfit} that cannot be used` })
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

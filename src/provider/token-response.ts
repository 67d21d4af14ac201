/** What the provider says, as far as it has been read. */
interface TokenAnswer {
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
export const unfitMember = (answer: TokenAnswer): string | undefined =>
  Object.entries(members).find(([name, [pattern, longest]]) => {
    const value = answer[name]
    return value !== undefined && (typeof value !== 'string' || value.length > longest || !pattern.test(value))
  })?.[0]

/** What is kept of a token answer: a lifetime is a number of seconds of at most a year, or was not said. */
export function picked({ access_token, refresh_token, expires_in, scope }: TokenAnswer) {
  const said = typeof expires_in === 'number' && expires_in >= 0
  return {
    access_token,
    ...(refresh_token !== undefined && { refresh_token }),
    ...(said && { expires_in: Math.min(LONGEST_LIFE, expires_in) }),
    ...(scope !== undefined && { scope }),
  }
}

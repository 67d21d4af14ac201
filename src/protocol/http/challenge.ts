/** The parameters of one challenge, in the order in which they are sent. Those that are `undefined` are left out. */
type ChallengeParameters = Readonly<Record<string, string | undefined>>

/**
 * Writes one `WWW-Authenticate` challenge. Values become quoted strings. Characters that a quoted string cannot hold
 * (control characters, anything beyond ASCII) become `?`, so that no value can end the header or start another one.
 *
 * @see RFC 9110 section 11.6.1 and RFC 6750 section 3
 */
export function formatChallenge(scheme: string, parameters: ChallengeParameters = {}): string {
  const list = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}="${value.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`],
  )
  return list.length ? `${scheme} ${list.join(', ')}` : scheme
}

/** One challenge as a resource server sent it; parameter names in lower case. */
interface Challenge {
  scheme: string
  parameters: Record<string, string>
}

/**
 * Reads a `WWW-Authenticate` header, also several challenges in one value. Parsing stops at the first syntax error: a
 * broken header yields the challenges before the error. The parameters have no prototype, so that `__proto__` and the
 * like are ordinary names.
 *
 * @see RFC 9110 section 11.6.1
 */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = []
  const piece =
    /[ \t]*(?:([\w!#$%&'*+.^`|~-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^ \t,"]+))|([\w!#$%&'*+.^`|~-]+)(?=[ \t,]|$))[ \t]*,?/gy
  for (let match = piece.exec(header); match !== null; match = piece.exec(header)) {
    const [, name, quoted, token, scheme] = match
    if (scheme !== undefined) challenges.push({ scheme, parameters: Object.create(null) })
    else if (name !== undefined) {
      const current = challenges.at(-1)
      if (!current) break
      current.parameters[name.toLowerCase()] ??= quoted?.replace(/\\(.)/g, '$1') ?? token ?? ''
    }
    if (piece.lastIndex >= header.length) break
  }
  return challenges
}

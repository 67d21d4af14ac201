/**
 * One rule for the names of records, tenants, users and keys: every engine stores them unchanged and keeps them apart.
 */
export const isName = (value: unknown): value is string => isText(value, 200)

/** The same rule for the owner of a key or a budget: a `sub` may be longer. @see OpenID Connect Core 1.0 section 2 */
export const isSubject = (value: unknown): value is string => isText(value, 255)

const isText = (value: unknown, most: number): value is string =>
  typeof value === 'string' && value.length <= most && namePattern.test(value)

/** No control character and no lone surrogate: encoders replace all lone surrogates with the same character. */
const namePattern = /^[^\u0000-\u001f\u007f\p{Surrogate}]+$/u

/** The rule of {@link isName}, for error messages. */
export const nameRule = 'a text of 1 to 200 characters without control characters'
export const subjectRule = nameRule.replace('200', '255')

/** The known name that is nearest to a misspelt one; `undefined` if none is near. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const lowerCase = name.toLowerCase()
  const [best] = known
    .map((other) => ({ other, away: distance(lowerCase, other.toLowerCase()) }))
    .filter(({ other, away }) => away <= Math.max(1, Math.floor(Math.min(name.length, other.length) / 3)))
    .sort((one, two) => one.away - two.away)
  return best?.other
}

/**
 * How many letters must be inserted, removed, changed or swapped with their neighbour (Damerau-Levenshtein distance).
 */
function distance(one: string, two: string): number {
  let before: number[] = []
  let above = Array.from({ length: two.length + 1 }, (_, at) => at)
  for (let row = 1; row <= one.length; row++) {
    const line = [row]
    for (let at = 1; at <= two.length; at++) {
      const same = one[row - 1] === two[at - 1] ? 0 : 1
      let least = Math.min((line[at - 1] ?? 0) + 1, (above[at] ?? 0) + 1, (above[at - 1] ?? 0) + same)
      if (row > 1 && at > 1 && one[row - 1] === two[at - 2] && one[row - 2] === two[at - 1])
        least = Math.min(least, (before[at - 2] ?? 0) + 1)
      line.push(least)
    }
    before = above
    above = line
  }
  return above[two.length] ?? 0
}

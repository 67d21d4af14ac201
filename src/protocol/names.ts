/** One rule for whatever names a record, a tenant, a person or a key: every engine keeps it as it is, and two are never one. */
export const isName = (value: unknown): value is string => isText(value, 200)

/** The same rule for whoever a key or a budget is of: a `sub` may be longer. @see OpenID Connect Core 1.0 section 2 */
export const isSubject = (value: unknown): value is string => isText(value, 255)

const isText = (value: unknown, most: number): value is string =>
  typeof value === 'string' && value.length <= most && namePattern.test(value)

/** No control character, and no half of a surrogate pair: encoders write all of those as one and the same character. */
const namePattern = /^[^\u0000-\u001f\u007f\p{Surrogate}]+$/u

/** What {@link isName} asks for, in words. */
export const nameRule = 'a text of 1 to 200 characters without control characters'
export const subjectRule = nameRule.replace('200', '255')

/** The known name that a misspelt one is nearest to; `undefined` where none is near. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const wanted = name.toLowerCase()
  const [best] = known
    .map((other) => ({ other, away: distance(wanted, other.toLowerCase()) }))
    .filter(({ other, away }) => away <= Math.max(1, Math.floor(Math.min(name.length, other.length) / 3)))
    .sort((one, two) => one.away - two.away)
  return best?.other
}

/** How many letters have to be put in, taken out, changed or swapped with their neighbour (Damerau and Levenshtein). */
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

/** Characters of a text from outside in an event. */
const MAX_LENGTH = 200
/** Characters that are searched for secrets. */
const MAX_SEARCHED = 2000
/** Characters. A shorter value is not searched for: it would be found in any word. */
const MIN_SECRET_LENGTH = 4

const MASK = '[…]'

/** Characters that end or hide a line of a log, or begin markup in a page that shows it. */
const control = /[\p{C}\p{Zl}\p{Zp}<>]/gu
const assignment = /([\w-]*(?:secret|password|token|code|assertion|verifier)=)[^\s&,;]+/gi
/** Without characters that end or hide a line of a log. */
export const oneLine = (text: string): string => text.replace(control, ' ')

/** As long as a token, a key or an id may be. */
const longRun = /[\w~+=-]{16,}/g

/** Words of a message have no digits, and capitals only at their beginning. */
const looksRandom = (run: string): boolean =>
  /\d/.test(run) || (/[a-z]/.test(run) && /[A-Z]/.test(run)) || /[A-Za-z]{32,}/.test(run)

/**
 * Text of a provider or of a request, for the operator's events: at most 200 characters in one line. What looks like a secret is
 * masked, and so are the `sent` values: some providers repeat the request in their message.
 */
export function readable(text: unknown, sent: readonly string[] = []): string {
  if (typeof text !== 'string') return ''
  // A value that is cut off would not be found.
  let known = text.length > MAX_SEARCHED ? text.slice(0, MAX_SEARCHED).replace(/\S*$/, '') : text
  for (const value of sent) if (value.length >= MIN_SECRET_LENGTH) known = known.replaceAll(value, MASK)
  const masked = oneLine(known)
    .replace(assignment, `$1${MASK}`)
    .replace(longRun, (run) => (looksRandom(run) ? MASK : run))
    .trim()
  return masked.length > MAX_LENGTH ? `${masked.slice(0, MAX_LENGTH - 1)}…` : masked
}

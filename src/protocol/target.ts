/** One segment of a path: unreserved and sub-delimiters, and percent-encodings that hide no separator, dot or encoding. */
const segment = /^(?!\.{1,2}$)(?:[\w.~!$&'()*+,=:@-]|%(?!2[ef5]|5c|[01][\da-f]|7f)[\da-f]{2})+$/i

/**
 * Whether a path means the same to everybody who reads it: no dot segments, no empty ones, no separator, control
 * character, dot or percent sign in encoded form, no backslash, no `;`. What is not plain is refused rather than mended.
 * A slash at the end is plain.
 *
 * @see RFC 3986 sections 3.3 and 6.2.2
 */
export function isPlainPath(path: string): boolean {
  if (!path.startsWith('/')) return false
  const segments = path.slice(1).split('/')
  if (segments.at(-1) === '') segments.pop()
  return segments.every((part) => segment.test(part))
}

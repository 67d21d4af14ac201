/** One segment of a path: unreserved and sub-delimiters, and percent-encodings that hide no separator, dot or encoding. */
const segment = /^(?!\.{1,2}$)(?:[\w.~!$&'()*+,=:@-]|%(?!2[ef5]|5c|[01][\da-f]|7f)[\da-f]{2})+$/i

/**
 * Whether a path means the same to everybody who reads it: no dot segments, no empty ones, no separator, control
 * character, dot or percent sign in encoded form, no backslash, no `;`, and encoded bytes are UTF-8: `%c0%ae` is a dot to a
 * reader that is lenient. What is not plain is refused rather than mended. A slash at the end is plain.
 *
 * @see RFC 3986 sections 3.3 and 6.2.2, RFC 3629 section 10
 */
export function isPlainPath(path: string): boolean {
  if (!path.startsWith('/')) return false
  const segments = path.slice(1).split('/')
  if (segments.at(-1) === '') segments.pop()
  return segments.every((part) => segment.test(part)) && isUtf8(path)
}

/** Whether what is percent-encoded in a text is UTF-8. A percent sign that encodes nothing is none of its business. */
export function isUtf8(text: string): boolean {
  if (!text.includes('%')) return true
  return [...text.matchAll(/(?:%[\da-f]{2})+/gi)].every(([encoded]) => isDecodable(encoded))
}

/** What comes of it is looked at: a bundler takes a call out whose result nobody uses, and with it the check. */
function isDecodable(encoded: string): boolean {
  try {
    return decodeURIComponent(encoded) !== ''
  } catch {
    return false
  }
}

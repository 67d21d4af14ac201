/**
 * One segment of a path: unreserved and sub-delimiters, and percent-encodings that hide no separator, dot or encoding.
 */
const segment = /^(?!\.{1,2}$)(?:[\w.~!$&'()*+,=:@-]|%(?!2[ef5]|5c|[01][\da-f]|7f)[\da-f]{2})+$/i

/**
 * Whether every parser reads a path in the same way: no dot segments, no empty ones, no separator, control character,
 * dot or percent sign in encoded form, no backslash, no `;`, and encoded bytes are UTF-8 (`%c0%ae` is a dot to a
 * lenient parser). Other paths are refused, not repaired. A slash at the end is allowed.
 *
 * @see RFC 3986 sections 3.3 and 6.2.2, RFC 3629 section 10
 */
export function isPlainPath(path: string): boolean {
  if (!path.startsWith('/')) return false
  const segments = path.slice(1).split('/')
  if (segments.at(-1) === '') segments.pop()
  return segments.every((part) => segment.test(part)) && isUtf8(path)
}

/** Whether the percent-encoded bytes of a text are UTF-8. A percent sign that encodes nothing is ignored. */
export function isUtf8(text: string): boolean {
  if (!text.includes('%')) return true
  return [...text.matchAll(/(?:%[\da-f]{2})+/gi)].every(([encoded]) => isDecodable(encoded))
}

/** The result is used on purpose: a bundler removes a call whose result is not used, and the check with it. */
function isDecodable(encoded: string): boolean {
  try {
    return decodeURIComponent(encoded) !== ''
  } catch {
    return false
  }
}

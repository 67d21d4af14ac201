/**
 * A text without the spaces and tabs around it: only what HTTP calls whitespace. `trim()` also removes U+00A0, which is
 * one byte in a header, and so two different names could become the same. @see RFC 9110 section 5.6.3, RFC 6265 section
 * 5.2
 */
export function trimBlanks(text: string): string {
  let from = 0
  let to = text.length
  while (from < to && isBlank(text.charCodeAt(from))) from++
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
}

const isBlank = (code: number): boolean => code === 32 || code === 9

/** The media type of a `Content-Type` header, in lower case and without parameters. */
export const mediaType = (header: string | null | undefined): string =>
  trimBlanks((header ?? '').split(';', 1)[0] ?? '').toLowerCase()

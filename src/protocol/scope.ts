/** @see RFC 6749 section 3.3 */
export const isScope = (token: unknown): boolean =>
  typeof token === 'string' && /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(token)

/**
 * The tokens of a scope parameter, without duplicates, sorted: two spellings of one scope are equal after `join(' ')`.
 * `undefined` for text that is not a valid scope (quotes, backslash, control characters). @see RFC 6749 section 3.3
 */
export function parseScope(scope: string): string[] | undefined {
  const tokens = scope.split(' ').filter(Boolean)
  if (!tokens.every(isScope)) return undefined
  return [...new Set(tokens)].sort()
}

/** The members of `required` that `granted` does not contain. */
export function missingScopes(required: readonly string[], granted: readonly string[]): string[] {
  const held = new Set(granted)
  return required.filter((token) => !held.has(token))
}

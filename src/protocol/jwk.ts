/** The members of an asymmetric key that anybody may see. @see RFC 7518 section 6 */
export const publicMembers = ({ kty, crv, x, y, n, e }: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries({ kty, crv, x, y, n, e }).filter(([, value]) => value !== undefined))

/**
 * The one spelling of a resource indicator: at the root of a host, the empty path and `/` are the same (RFC 3986 section 6.2.3).
 * Anything else is compared character for character.
 */
const canonical = (resource: string): string => resource.replace(/^(https?:\/\/[^/?#]+)(?=\?|$)/i, '$1/')

/** Whether two resource indicators, or audiences, are the same. @see RFC 8707 section 2, RFC 7519 section 2 (StringOrURI) */
const isSameResource = (one: unknown, other: unknown): boolean =>
  one === other || (typeof one === 'string' && typeof other === 'string' && canonical(one) === canonical(other))

/** Whether one of the members of `aud` is one of the accepted audiences. @see RFC 7519 section 4.1.3 */
export const isForAudience = (aud: unknown, accepted: readonly string[]): boolean =>
  [aud].flat().some((audience) => accepted.some((own) => isSameResource(audience, own)))

/** The resource as the configuration spells it; `undefined` if it is not configured. */
export const configuredResource = (resource: string, configured: Iterable<string>): string | undefined =>
  [...configured].find((own) => isSameResource(own, resource))

/**
 * Where callers reach this service. An origin, `https://api.example.com`: path and query are taken as they arrive. A function,
 * where a proxy in front changes the path as well: the whole address that the caller has seen.
 */
export type PublicUrl = string | ((request: Request) => string)

/**
 * The address that a caller has seen, without its fragment, which is not sent. Scheme and host are what is configured: `Host` is
 * written by whoever sends the request, and what was signed for another service could name that one. `undefined` where
 * nothing configured says it.
 *
 * @param where a text counts with its origin alone, and only if that is of http: or https:
 * @see RFC 9449 section 4.3
 */
export function publicUrlOf(request: Request, where: PublicUrl): URL | undefined {
  const received = new URL(request.url)
  const text = typeof where === 'string' ? where : where(request)
  if (!isHttpUrl(text)) return undefined
  const url =
    typeof where === 'string' ? new URL(new URL(text).origin + received.pathname + received.search) : new URL(text)
  url.hash = ''
  return url
}

export const isHttpUrl = (text: string): boolean => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)

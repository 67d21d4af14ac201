/**
 * Where callers reach this service. An origin, `https://api.example.com`: path and query are used as they arrive. A
 * function, if a proxy in front changes the path as well: it returns the complete URL that the caller used.
 */
export type PublicUrl = string | ((request: Request) => string)

/**
 * The URL that the caller used, without its fragment, which is not sent. Scheme and host come from the configuration:
 * the client writes the `Host` header, and a proof that was signed for another service could name that service.
 * `undefined` if nothing is configured.
 *
 * @param where of a text only the origin counts, and only if it is http: or https:
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

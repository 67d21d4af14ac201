/**
 * A same-origin path to return to after sign-in, parsed and rebuilt: the result starts with exactly one slash and
 * resolves to `origin`, whatever the input. Another origin, userinfo, a scheme, or a path that a browser could read as
 * a host gives `/`.
 *
 * Nothing is pattern-matched before parsing: the URL parser treats `\` as a slash and ignores tabs and newlines, as the
 * browser does.
 *
 * @see RFC 9700 section 4.11 (open redirectors)
 */
export function returnTarget(value: string | null | undefined, origin: string): string {
  if (typeof value !== 'string' || value.length > 2048 || !URL.canParse(value, origin)) return '/'
  const url = new URL(value, origin)
  if (url.origin !== origin || url.username || url.password) return '/'
  const rebuilt = url.pathname + url.search + url.hash
  // `/..//host` parses to the path `//host`, which on its own is another host.
  return URL.canParse(rebuilt, origin) && new URL(rebuilt, origin).href === url.href ? rebuilt : '/'
}

/** The one of the configured `urls` that `value`, a path of `base` or an absolute URL, means; as it is configured. */
export function listedUrl(value: string, base: string, urls: readonly string[]): string | undefined {
  const href = URL.canParse(value, base) && new URL(value, base).href
  return urls.find((url) => new URL(url).href === href)
}

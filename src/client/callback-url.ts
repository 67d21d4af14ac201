/** What providers add to a redirect URI. @see RFC 6749 section 4.1.2, RFC 9207 section 2, OpenID Connect Session Management 1.0 section 2 */
const added = /^(code|state|iss|error|error_description|error_uri|session_state)(=|$)/

/**
 * Takes an authorization response out of the URL and out of this history entry, at once: what is left are the other
 * parameters, character for character. `undefined`, and nothing changed, if the URL is no callback: it is one if and
 * only if its path is that of the redirect URI and it carries `state`.
 */
export function takeCallback(redirect_uri: string, location: Location, history: History): string | undefined {
  const { origin, pathname, search, hash } = location
  if (origin + pathname !== redirect_uri || !/[?&]state=/.test(search)) return undefined
  const rest = search
    .slice(1)
    .split('&')
    .filter((pair) => !added.test(pair))
    .join('&')
  history.replaceState(history.state, '', pathname + (rest && `?${rest}`) + hash)
  return search
}

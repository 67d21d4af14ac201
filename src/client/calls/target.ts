import type { Api } from '../types.js'

/**
 * Decides by the parsed URL which token it wants: equal origin, no userinfo, then whole path segments; the longest match
 * wins. This origin matches with an empty entry, the backend's own paths never do. `undefined`: it must get none.
 *
 * @throws TypeError for an entry of `apis` that is no absolute http(s) URL, or has a query, a fragment or userinfo
 */
export function createTargetFinder(apis: Readonly<Record<string, Api>>, origin: string, backend: string) {
  const entries = Object.entries({ [origin]: {}, ...apis }).map(([text, api]) => {
    if (!/^https?:\/\/[^?#@]+$/.test(text)) throw new TypeError(`createAuth: "apis": ${text} is no URL`)
    return { url: new URL(text), api }
  })
  entries.sort((a, b) => b.url.pathname.length - a.url.pathname.length)
  const own = new URL(backend)
  return (url: URL): CallTarget | undefined =>
    url.username || url.password || under(url, own) ? undefined : entries.find((entry) => under(url, entry.url))
}

/** An entry of `apis`. */
export interface CallTarget {
  readonly url: URL
  readonly api: Api
}

const under = (url: URL, prefix: URL): boolean =>
  url.origin === prefix.origin && `${url.pathname}/`.startsWith(prefix.pathname.replace(/\/?$/, '/'))

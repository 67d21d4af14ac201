import type { Api } from '../types.js'

/**
 * Finds the entry of `apis` for a URL: equal origin, no userinfo, then whole path segments; the longest match wins. URLs of
 * this origin have an empty entry, the backend's paths have none. `undefined`: this URL must get no token.
 *
 * @throws TypeError for an entry of `apis` that is not an absolute http(s) URL, or has a query, a fragment or userinfo
 */
export function createTargetFinder(apis: Readonly<Record<string, Api>>, origin: string, backend: string) {
  const entries = Object.entries({ [origin]: {}, ...apis }).map(([text, api]) => {
    if (!/^https?:\/\/[^?#@]+$/.test(text)) throw new TypeError(`createAuth: "apis": ${text} is no URL`)
    return { url: new URL(text), api }
  })
  entries.sort((a, b) => b.url.pathname.length - a.url.pathname.length)
  const backendUrl = new URL(backend)
  return (url: URL): CallTarget | undefined =>
    url.username || url.password || isUnder(url, backendUrl)
      ? undefined
      : entries.find((entry) => isUnder(url, entry.url))
}

/** An entry of `apis`. */
export interface CallTarget {
  readonly url: URL
  readonly api: Api
}

const isUnder = (url: URL, prefix: URL): boolean =>
  url.origin === prefix.origin && `${url.pathname}/`.startsWith(prefix.pathname.replace(/\/?$/, '/'))

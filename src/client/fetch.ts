import { clientError } from './errors.js'
import type { Wanted } from './renewal.js'
import type { Api } from './types.js'

/**
 * Decides by the parsed URL which token it wants: equal origin, no userinfo, then whole path segments; the longest match
 * wins. This origin matches with an empty entry, the backend's own paths never do. `undefined`: it must get none.
 *
 * @throws TypeError for an entry of `apis` that is no absolute http(s) URL, or has a query, a fragment or userinfo
 */
export function createAim(apis: Readonly<Record<string, Api>>, origin: string, backend: string) {
  const entries = Object.entries({ [origin]: {}, ...apis }).map(([text, api]) => {
    if (!/^https?:\/\/[^?#@]+$/.test(text))
      throw new TypeError(`createAuth: "apis" names ${text}: write an absolute URL`)
    return { url: new URL(text), api }
  })
  entries.sort((a, b) => b.url.pathname.length - a.url.pathname.length)
  const own = new URL(backend)
  return (url: URL): Api | undefined =>
    url.username || url.password || under(url, own) ? undefined : entries.find((entry) => under(url, entry.url))?.api
}

const under = (url: URL, prefix: URL): boolean =>
  url.origin === prefix.origin && `${url.pathname}/`.startsWith(prefix.pathname.replace(/\/?$/, '/'))

/** How `auth.fetch` gets its tokens. */
export interface FetchPorts {
  fetch: typeof globalThis.fetch
  aim(url: URL): Api | undefined
  /** Its base URL is what `fetch` resolves against, a `<base>` element included. */
  document: Document
  subtle: SubtleCrypto
  getToken(wanted: Wanted): Promise<string>
}

export function createFetch({ fetch, aim, document, subtle, getToken }: FetchPorts) {
  return async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const request = input instanceof Request ? input : undefined
    const api = aim(new URL(request?.url ?? `${input}`, document.baseURI))
    if (!api) throw clientError('origin_not_allowed')
    const wanted: Wanted = { ...api, signal: init?.signal ?? request?.signal }
    const send = (token: string, what = input) => {
      const headers = new Headers(init?.headers ?? request?.headers)
      headers.set('Authorization', `Bearer ${token}`)
      return fetch(what, { ...init, headers })
    }
    const token = await getToken(wanted)
    const response = await send(token, request?.clone())
    // A stream is gone once it was sent; anything else can be sent again.
    if (response.status !== 401 || init?.body instanceof ReadableStream) return response
    return import('./replay.js').then(
      ({ replay }) =>
        replay(response, token, subtle, (digest) => getToken({ ...wanted, refused: token, digest }), send),
      () => response,
    )
  }
}

import { clientError } from './errors.js'
import type { Api, TokenOptions } from './types.js'

/** Which token a URL wants; `undefined` if it must get none. */
export type Aim = (url: URL) => Api | undefined

/** An absolute prefix and what its tokens are for. */
interface Entry {
  url: URL
  api: Api
}

/**
 * Decides by the parsed URL: equal origin, no userinfo, then whole path segments; the longest match wins. This origin
 * matches with an empty entry, the backend's own paths never do.
 *
 * @throws TypeError for an entry of `apis` that is no absolute http(s) URL, or has a query, a fragment or userinfo
 */
export function createAim(apis: Readonly<Record<string, Api>>, origin: string, backend: string): Aim {
  const entries: Entry[] = Object.entries(apis).map(([text, api]) => {
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash || url.username || url.password)
      throw new TypeError(`createAuth: "apis" names "${text}"; write an absolute URL like https://api.example.com/v1`)
    return { url, api }
  })
  entries.push({ url: new URL(origin), api: {} })
  entries.sort((a, b) => b.url.pathname.length - a.url.pathname.length)
  const own = new URL(backend)
  return (url) =>
    url.username || url.password || under(url, own) ? undefined : entries.find((entry) => under(url, entry.url))?.api
}

function under(url: URL, prefix: URL): boolean {
  const path = prefix.pathname.replace(/\/$/, '')
  return url.origin === prefix.origin && `${url.pathname}/`.startsWith(`${path}/`)
}

/** How `auth.fetch` gets its tokens. */
export interface FetchPorts {
  fetch: typeof globalThis.fetch
  aim: Aim
  base: string
  subtle: SubtleCrypto
  getToken(options: TokenOptions, refused?: string, digest?: string): Promise<string>
}

export function createFetch({ fetch, aim, base, subtle, getToken }: FetchPorts) {
  return async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const request = input instanceof Request ? input : undefined
    const api = aim(new URL(request ? request.url : `${input}`, base))
    if (!api) throw clientError('origin_not_allowed')
    const signal = init?.signal ?? request?.signal
    const options = { ...api, ...(signal && { signal }) }
    const send = (token: string, spare?: Request) => {
      const headers = new Headers(init?.headers ?? request?.headers)
      headers.set('Authorization', `Bearer ${token}`)
      return fetch(spare ?? input, { ...init, headers })
    }
    const token = await getToken(options)
    const response = await send(token, request?.clone())
    // A stream is gone once it was sent; anything else can be sent again.
    if (response.status !== 401 || init?.body instanceof ReadableStream) return response
    const { replay } = await import('./replay.js').catch(() => ({ replay: undefined }))
    return replay ? replay(response, token, subtle, (digest) => getToken(options, token, digest), send) : response
  }
}

import { func, mapOf, object, optional, text } from '../../protocol/shape.js'
import { asyncCall, call, validate, validated } from '../../protocol/validate.js'
import { fetchInit, fetchInput } from '../../protocol/web-checks.js'
import { refuseProduction } from '../refuse-production.js'
import { type CookieContext, type CookieJar, createCookieJar } from './cookie-jar.js'

interface MockBrowserOptions {
  /** The request handler of each origin. */
  origins: Readonly<Record<string, (request: Request) => Response | Promise<Response>>>
  /** The clock of the cookies, epoch seconds. Default: the system's. */
  now?: () => number
}

export interface MockTab {
  /** The page's `fetch`, bound: what `createAuth({ fetch })` takes. */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>
  /** Navigates as a person does: follows redirects, with the SameSite rules of top-level navigations. */
  navigate(url: string, init?: { from?: string }): Promise<{ url: string; response: Response }>
  /** The URL of the tab. */
  readonly location: string
  /** `document.cookie`. */
  scriptCookies(): string
}

export interface MockBrowser {
  readonly jar: CookieJar
  newTab(url: string): MockTab
}

export const browserOptions = object<MockBrowserOptions>({ origins: mapOf(func), now: optional(func) })

export const browserCalls = { newTab: call(['url', text]) }

export const tabCalls = {
  fetch: asyncCall(['input', fetchInput], ['init', optional(fetchInit)]),
  navigate: asyncCall(['url', text], ['init', optional(object<{ from?: string }>({ from: optional(text) }))]),
  scriptCookies: call(),
}

/**
 * The network side of a browser: a cookie jar shared by tabs, Fetch Metadata, Origin, CORS with preflights, redirects.
 * A handler answers for each origin: a real backend, a mock provider.
 *
 * Two origins are same-site if their scheme and last two labels are equal. Not supported: documents, scripts, caches,
 * service workers.
 */
export function mockBrowser(options: MockBrowserOptions): MockBrowser {
  refuseProduction()
  validate('mockBrowser', browserOptions, options)
  const { origins, now = () => Date.now() / 1000 } = options
  const jar = createCookieJar(now)

  async function send(request: Request, cookies: CookieContext | undefined, kept = cookies): Promise<Response> {
    const handler = origins[new URL(request.url).origin]
    if (!handler) throw new TypeError('Failed to fetch')
    const header = cookies && jar.header(request.url, cookies)
    if (header) request.headers.set('Cookie', header)
    const response = await handler(request)
    if (kept) for (const cookie of response.headers.getSetCookie()) jar.set(request.url, cookie, kept)
    return response
  }

  function newTab(address: string): MockTab {
    let here = new URL(address)

    async function fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
      const base = input instanceof Request ? input : new URL(`${input}`, here)
      const asked = new Request(base, { redirect: 'manual', ...init } as RequestInit)
      const url = new URL(asked.url)
      const sameOrigin = url.origin === here.origin
      const credentials = init?.credentials ?? (input instanceof Request ? input.credentials : 'same-origin')
      const withCookies = credentials === 'include' || (credentials === 'same-origin' && sameOrigin)
      asked.signal.throwIfAborted()
      // As pairs: while msw intercepts, a copy of a Headers object loses headers that were set.
      const headers = new Headers([...asked.headers])
      headers.set('Sec-Fetch-Site', siteOf(here, url))
      headers.set('Sec-Fetch-Mode', 'cors')
      headers.set('Sec-Fetch-Dest', 'empty')
      if (!sameOrigin || !['GET', 'HEAD'].includes(asked.method)) headers.set('Origin', here.origin)
      if (!sameOrigin && needsPreflight(asked)) await preflight(asked, here.origin, withCookies)
      const request = new Request(asked, { headers: [...headers] })
      const cookies = withCookies ? { sameSite: siteOf(here, url) !== 'cross-site', navigation: false } : undefined
      const response = await Promise.race([send(request, cookies), aborted(asked.signal)])
      if (!sameOrigin && !readable(response, here.origin, withCookies)) throw new TypeError('Failed to fetch')
      const location = response.headers.get('location')
      if (response.status >= 300 && response.status < 400 && location && (init?.redirect ?? 'follow') === 'follow') {
        const next = new URL(location, url)
        const onward = new Headers([...asked.headers])
        // The Fetch standard drops it when a redirect leaves the origin.
        if (next.origin !== url.origin) onward.delete('Authorization')
        return fetch(next, { headers: onward, credentials })
      }
      return response
    }

    /** Scripts never see Set-Cookie and Cookie. */
    async function preflight(asked: Request, origin: string, withCookies: boolean): Promise<void> {
      const wanted = [...asked.headers.keys()].filter((name) => !simpleHeaders.has(name))
      const headers = {
        Origin: origin,
        'Access-Control-Request-Method': asked.method,
        'Access-Control-Request-Headers': wanted.join(','),
        'Sec-Fetch-Mode': 'cors',
        'Sec-Fetch-Site': siteOf(here, new URL(asked.url)),
      }
      const response = await send(new Request(asked.url, { method: 'OPTIONS', headers }), undefined)
      const allowed = (response.headers.get('access-control-allow-headers') ?? '').toLowerCase().split(/[ \t]*,[ \t]*/)
      if (!response.ok || !readable(response, origin, withCookies) || !wanted.every((name) => allowed.includes(name)))
        throw new TypeError('Failed to fetch')
    }

    async function navigate(target: string, { from = here.href }: { from?: string } = {}) {
      let url = new URL(target, here)
      // One cross-site hop anywhere in the chain makes the whole chain cross-site.
      let sameSite = siteOf(new URL(from), url) !== 'cross-site'
      let form: Submission | undefined
      for (let hops = 0; hops < 20; hops++) {
        const headers = {
          'Sec-Fetch-Site': sameSite ? siteOf(new URL(from), url) : 'cross-site',
          'Sec-Fetch-Mode': 'navigate',
          'Sec-Fetch-Dest': 'document',
          'Sec-Fetch-User': '?1',
          ...(form && { Origin: form.origin }),
        }
        const handler = origins[url.origin]
        if (!handler) throw new TypeError(`mockBrowser: no handler for ${url.origin}`)
        const init = { headers, redirect: 'manual', ...(form && { method: 'POST', body: form.body }) } as const
        const response = await send(
          new Request(url, init),
          // A form from another site sends no Lax cookie; cookies in the response to a navigation are always stored.
          { sameSite, navigation: form === undefined },
          { sameSite, navigation: true },
        )
        form = await submitted(response, url.origin)
        const location = form?.action ?? response.headers.get('location')
        if (!location || (!form && (response.status < 300 || response.status >= 400))) {
          here = url
          return { url: url.href, response }
        }
        const next = new URL(location, url)
        sameSite &&= siteOf(url, next) !== 'cross-site'
        url = next
        // The navigation ends at the app's own page: its response is the bundle, not part of the protocol.
        if (url.origin === new URL(from).origin && !url.pathname.startsWith('/bff')) {
          here = url
          return { url: url.href, response: new Response(null) }
        }
      }
      throw new TypeError('mockBrowser: too many redirects')
    }

    const tab: MockTab = {
      fetch,
      navigate,
      get location() {
        return here.href
      },
      scriptCookies: () => jar.script(here.href),
    }
    return validated('tab', tab, tabCalls)
  }

  return validated('browser', { jar, newTab }, browserCalls)
}

interface Submission {
  action: string
  body: URLSearchParams
  origin: string
}

/** The form that a page submits on load. @see OAuth 2.0 Form Post Response Mode section 4 */
async function submitted(response: Response, origin: string): Promise<Submission | undefined> {
  if (!response.headers.get('content-type')?.startsWith('text/html')) return undefined
  const page = await response.clone().text()
  const [, action] =
    /onload="document\.forms\[0\]\.submit\(\)".*<form method="post" action="([^"]+)">/s.exec(page) ?? []
  if (action === undefined) return undefined
  const inputs = [...page.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)">/g)]
  const pairs = inputs.map(([, name = '', value = '']) => [plain(name), plain(value)])
  return { action: plain(action), body: new URLSearchParams(pairs), origin }
}

const plain = (text: string): string =>
  text.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')

const simpleHeaders = new Set(['accept', 'accept-language', 'content-language', 'content-type'])

const needsPreflight = (request: Request): boolean =>
  !['GET', 'HEAD', 'POST'].includes(request.method) ||
  [...request.headers.keys()].some((name) => !simpleHeaders.has(name)) ||
  !/^(application\/x-www-form-urlencoded|multipart\/form-data|text\/plain|$)/.test(
    request.headers.get('content-type') ?? '',
  )

function readable(response: Response, origin: string, withCookies: boolean): boolean {
  const allowed = response.headers.get('access-control-allow-origin')
  if (withCookies) return allowed === origin && response.headers.get('access-control-allow-credentials') === 'true'
  return allowed === origin || allowed === '*'
}

function siteOf(from: URL, to: URL): 'same-origin' | 'same-site' | 'cross-site' {
  if (from.origin === to.origin) return 'same-origin'
  const site = (url: URL) => `${url.protocol}//${url.hostname.split('.').slice(-2).join('.')}`
  return site(from) === site(to) ? 'same-site' : 'cross-site'
}

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

import { parseChallenges } from '../../protocol/http/challenge.js'
import type { PlainResponse } from '../../protocol/http/plain-response.js'
import type { UpstreamResponse } from '../../protocol/http/upstream.js'
import { sessionHeaders } from '../http/answers.js'
import type { Settings } from '../settings.js'
import type { Target } from './target.js'

/** If a browser shows the response of an API as a page, no script in it runs. */
const fixedHeaders = {
  ...sessionHeaders,
  'Content-Security-Policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
}

interface AnswerOptions {
  readonly cookies: readonly string[]
  /** The tokens that were sent to the API. */
  readonly sentTokens: readonly string[]
  onEchoedToken(header: string): void
}

/**
 * The response of an API as the page gets it: the allowed headers and the unchanged body. A header that contains one of `sentTokens`
 * is removed, and `onEchoedToken` is called with its name.
 */
export function answerForPage(
  { status, header, body }: UpstreamResponse,
  { route, name, url }: Target,
  { cookies, sentTokens, onEchoedToken }: AnswerOptions,
  { basePath }: Settings,
): PlainResponse {
  const headers: Record<string, string> = { ...fixedHeaders }
  for (const name of [...route.responseHeaders, 'content-encoding']) {
    const value = header(name)
    if (value === undefined) continue
    if (sentTokens.some((token) => containsToken(value, token))) onEchoedToken(name)
    else headers[name] = value
  }
  const challenge = headers['www-authenticate']
  // For other schemes, a browser would show a password dialog.
  if (challenge !== undefined && !hasTokenSchemesOnly(challenge)) delete headers['www-authenticate']
  const { location } = headers
  if (location !== undefined) {
    const proxyPath = rewriteLocation(location, url, route.upstream, `${basePath}/api/${name}`)
    if (proxyPath === undefined) delete headers['location']
    else headers['location'] = proxyPath
  }
  return { status, headers, cookies, body }
}

/** As it is, or URL-encoded. */
const containsToken = (value: string, token: string): boolean =>
  value.includes(token) || (value.includes('%') && value.includes(encodeURIComponent(token)))

function hasTokenSchemesOnly(header: string): boolean {
  const challenges = parseChallenges(header)
  return challenges.length > 0 && challenges.every(({ scheme }) => /^(bearer|dpop)$/i.test(scheme))
}

/**
 * The `Location` of a redirect within the API, as a path under `/api/<route>`; `undefined` if it leaves the API. Each character of a
 * header is one byte: bytes of UTF-8 are encoded first, because the URL parser would encode them twice.
 */
function rewriteLocation(header: string, from: string, upstream: URL, proxyPath: string): string | undefined {
  const location = header.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`)
  if (!URL.canParse(location, from)) return undefined
  const url = new URL(location, from)
  const base = upstream.pathname.replace(/\/$/, '')
  if (url.origin !== upstream.origin || !`${url.pathname}/`.startsWith(`${base}/`) || url.username || url.password)
    return undefined
  return proxyPath + url.pathname.slice(base.length) + url.search + url.hash
}

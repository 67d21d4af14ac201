import { parseChallenges } from '../../protocol/http/challenge.js'
import type { PlainResponse } from '../../protocol/http/plain-response.js'
import type { UpstreamResponse } from '../../protocol/http/upstream.js'
import { sessionHeaders } from '../http/answers.js'
import type { Settings } from '../settings.js'
import type { Target } from './target.js'

/** What an API answers is data: should a browser ever show it, nothing in it runs. */
const fixedHeaders = {
  ...sessionHeaders,
  'Content-Security-Policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
}

/**
 * An API's answer as the page gets it: headers that are known to be harmless and hold none of the tokens that were `shown` to the
 * API, and the body as it comes. `echoed` is called with the name of a header that held one.
 */
export function answerForPage(
  { status, header, body }: UpstreamResponse,
  { route, name, url }: Target,
  {
    cookies,
    shown: sentTokens,
    echoed: onEchoedToken,
  }: { cookies: readonly string[]; shown: readonly string[]; echoed(header: string): void },
  { basePath }: Settings,
): PlainResponse {
  const headers: Record<string, string> = { ...fixedHeaders }
  for (const name of route.responseHeaders) {
    const value = header(name)
    if (value === undefined) continue
    if (sentTokens.some((token) => containsToken(value, token))) onEchoedToken(name)
    else headers[name] = value
  }
  const challenge = headers['www-authenticate']
  // Of the other schemes browsers ask people for a password, in our name.
  if (challenge !== undefined && !hasTokenSchemesOnly(challenge)) delete headers['www-authenticate']
  const { location } = headers
  if (location !== undefined) {
    const proxyPath = rewriteLocation(location, url, route.upstream, `${basePath}/api/${name}`)
    if (proxyPath === undefined) delete headers['location']
    else headers['location'] = proxyPath
  }
  return { status, headers, cookies, body }
}

/** As it is, or as it would stand in an address. */
const containsToken = (value: string, token: string): boolean =>
  value.includes(token) || (value.includes('%') && value.includes(encodeURIComponent(token)))

function hasTokenSchemesOnly(header: string): boolean {
  const challenges = parseChallenges(header)
  return challenges.length > 0 && challenges.every(({ scheme }) => /^(bearer|dpop)$/i.test(scheme))
}

/**
 * A redirect that stays within the API, as the page would ask for it; `undefined` for one that leaves it. A header is bytes, one
 * character each: a URL parser would take those of UTF-8 for characters, and encode them a second time.
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

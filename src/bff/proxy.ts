import { sha256 } from '../crypto/hash.js'
import type { Answer, Asked } from '../protocol/answer.js'
import { parseChallenges } from '../protocol/challenge.js'
import { isPlainPath } from '../protocol/target.js'
import { sessionHeaders } from './answers.js'
import { Refusal } from './errors.js'
import type { Parts } from './parts.js'
import { bodyOf } from './proxy-body.js'
import type { Wanted } from './record.js'
import type { Route } from './routes.js'
import type { Presence } from './sessions.js'

/** Seconds that a token must be good for. */
const MIN_VALIDITY = 30

/** What an API answers is data: should a browser ever show it, nothing in it runs. */
const policy = "sandbox; default-src 'none'; frame-ancestors 'none'"

/** Where a request goes: what was matched is exactly what is sent. */
interface Target {
  name: string
  route: Route
  url: string
}

/**
 * `/api/<route>/…`: calls an API as the person who is signed in. The page never sees the token, and nothing that it sends
 * chooses where the call goes or as whom.
 *
 * Not done: redirects are not followed, answers are not changed. @see RFC 10017 section 6.1.3
 */
export function createProxy({ settings, sessions }: Parts) {
  const { basePath, routes, fetch, emit } = settings
  const prefix = `${basePath}/api/`

  function target(request: Asked): Target {
    const from = request.url.indexOf(prefix)
    const asked = from < 0 ? '' : request.url.slice(from + prefix.length)
    const [, path = '', query = ''] = /^([^?#]*)(\?[^#]*)?/.exec(asked) ?? []
    const slash = path.indexOf('/')
    const name = slash < 0 ? path : path.slice(0, slash)
    const route = routes.get(name)
    if (!route) throw new Refusal('not_found', { description: 'There is no such route.' })
    const rest = slash < 0 ? '' : path.slice(slash)
    if (rest && !isPlainPath(rest))
      throw new Refusal('invalid_request', { description: 'The path is not in its plain form.' })
    const { href } = route.upstream
    const url = (rest ? href.replace(/\/$/, '') + rest : href) + query
    // Were the parser to read anything else out of it, it would not be what was matched.
    if (new URL(url).href !== url)
      throw new Refusal('invalid_request', { description: 'The path or the query is not in its plain form.' })
    return { name, route, url }
  }

  async function tokenFor(request: Asked, present: Presence, { resource, scope }: Route, refused?: string) {
    const wanted: Wanted = { resource: [...resource], scope, minValidity: MIN_VALIDITY, ...(refused && { refused }) }
    const outcome = await sessions.token(present, wanted)
    if (outcome.type === 'token') return outcome.token.access_token
    if (outcome.type === 'ended')
      throw new Refusal('session_expired', { reason: outcome.reason, cookies: sessions.clear(request) })
    if (outcome.type === 'refused') throw new Refusal(outcome.error)
    throw new Refusal(outcome.error, { retryAfter: outcome.retryAfter })
  }

  async function send(
    request: Asked,
    { route, url, name }: Target,
    body: Uint8Array | ReadableStream | undefined,
    token: string | undefined,
  ): Promise<Response> {
    const headers = new Headers({ 'Accept-Encoding': 'identity' })
    for (const header of route.requestHeaders) {
      const value = request.headers.get(header)
      if (value !== null) headers.set(header, value)
    }
    if (token !== undefined) headers.set('Authorization', `Bearer ${token}`)
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(new DOMException('', 'TimeoutError')), route.timeout * 1000)
    const { signal: gone } = request
    const signal = gone ? AbortSignal.any([gone, late.signal]) : late.signal
    try {
      const init = {
        method: request.method,
        headers,
        signal,
        redirect: 'manual',
        ...(body && { body, duplex: 'half' }),
      }
      return await fetch(url, init as RequestInit)
    } catch (error) {
      const cause = (error as { cause?: unknown }).cause
      for (const known of [error, cause]) if (known instanceof Refusal) throw known
      if (!gone?.aborted) emit({ type: 'upstream_failed', route: name })
      throw new Refusal(late.signal.aborted ? 'upstream_timeout' : 'upstream_unavailable')
    } finally {
      clearTimeout(timer)
    }
  }

  function passed(answer: Response, { route, name }: Target, cookies: readonly string[]): Answer {
    const headers: Record<string, string> = { ...sessionHeaders, 'Content-Security-Policy': policy }
    for (const header of route.responseHeaders) {
      const value = answer.headers.get(header)
      if (value !== null) headers[header] = value
    }
    // Of the other schemes browsers ask people for a password, in our name.
    const challenges = parseChallenges(headers['www-authenticate'] ?? '')
    if (!challenges.length || challenges.some(({ scheme }) => !/^(bearer|dpop)$/i.test(scheme)))
      delete headers['www-authenticate']
    const { location } = headers
    if (location !== undefined) {
      const here = within(location, answer.url, route.upstream, prefix + name)
      if (here === undefined) delete headers['location']
      else headers['location'] = here
    }
    return { status: answer.status, headers, cookies, body: answer.body }
  }

  return async (request: Asked): Promise<Answer> => {
    const aim = target(request)
    const { route } = aim
    if (!route.methods.includes(request.method)) throw new Refusal('method_not_allowed', { allow: route.methods })
    if (route.anonymous) return passed(await send(request, aim, await bodyOf(request, route.limit), undefined), aim, [])
    const present = await sessions.read(request)
    if (!present.record) throw new Refusal('session_expired', { reason: present.reason, cookies: present.cookies })
    const token = await tokenFor(request, present, route)
    const body = await bodyOf(request, route.limit)
    let answer = await send(request, aim, body, token)
    if (answer.status === 401 && !(body instanceof ReadableStream)) {
      // Refused though it should be good: another one, once, if there is another.
      const next = await tokenFor(request, present, route, await sha256(token)).catch(() => token)
      if (next !== token) {
        await answer.body?.cancel()
        answer = await send(request, aim, body, next)
      }
    }
    return passed(answer, aim, await sessions.cookies(present))
  }
}

/** A redirect that stays within the API, as the page would ask for it; `undefined` for one that leaves it. */
function within(location: string, from: string, upstream: URL, here: string): string | undefined {
  if (!URL.canParse(location, from || upstream.href)) return undefined
  const url = new URL(location, from || upstream.href)
  const base = upstream.pathname.replace(/\/$/, '')
  if (url.origin !== upstream.origin || !`${url.pathname}/`.startsWith(`${base}/`) || url.username || url.password)
    return undefined
  return here + url.pathname.slice(base.length) + url.search + url.hash
}

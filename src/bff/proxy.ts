import { sha256 } from '../crypto/hash.js'
import type { Answer, Asked } from '../protocol/answer.js'
import { type Reply, type Until, UpstreamFailure } from '../protocol/upstream.js'
import { Refusal } from './errors.js'
import { createFetchUpstream } from './fetch-upstream.js'
import type { Parts } from './parts.js'
import { passedOn } from './proxy-answer.js'
import { bodyOf, tooLarge } from './proxy-body.js'
import { type Target, targetOf } from './proxy-target.js'
import { apiToken } from './proxy-token.js'

/**
 * `/api/<route>/…`: calls an API as the person who is signed in. The page never sees the token, and nothing that it sends
 * chooses where the call goes or as whom.
 *
 * Not done: redirects are not followed, answers are not changed. @see RFC 10017 section 6.1.3
 */
export function createProxy(parts: Parts) {
  const { settings, sessions, streams } = parts
  const { emit } = settings
  const throughFetch = createFetchUpstream(settings.fetch)

  async function send(
    request: Asked,
    { route, url, name }: Target,
    body: Uint8Array | 'own' | undefined,
    token: string | undefined,
    until: Until | undefined,
  ): Promise<Reply> {
    const headers: Record<string, string> = { 'accept-encoding': 'identity' }
    for (const header of route.requestHeaders) {
      const value = request.headers.get(header)
      if (value !== null) headers[header] = value
    }
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`
    const { timeout, limit } = route
    const call = { method: request.method, url, headers, body, limit, timeout, ...(until && { until }) }
    try {
      return await (settings.ownFetch || !request.send ? throughFetch(request, call) : request.send(call))
    } catch (error) {
      until?.over()
      const reason = error instanceof UpstreamFailure ? error.reason : 'unavailable'
      if (reason === 'too_large') throw tooLarge(limit)
      if (reason !== 'gone') emit({ type: 'upstream_failed', route: name })
      throw new Refusal(reason === 'timeout' ? 'upstream_timeout' : 'upstream_unavailable')
    }
  }

  async function asNobody(request: Asked, target: Target): Promise<Answer> {
    const reply = await send(request, target, await bodyOf(request, target.route.limit), undefined, undefined)
    return passedOn(reply, target, [], settings)
  }

  return async (request: Asked): Promise<Answer> => {
    const target = targetOf(request, settings)
    const { route } = target
    if (route.anonymous) return asNobody(request, target)
    const present = await sessions.read(request)
    if (!present.record) throw new Refusal('session_expired', { reason: present.reason, cookies: present.cookies })
    const token = await apiToken(request, present, route, parts)
    const body = await bodyOf(request, route.limit)
    const until = route.sse && request.method === 'GET' ? streams.follow(request, present) : undefined
    let reply = await send(request, target, body, token, until)
    if (reply.status === 401 && body !== 'own') {
      // Refused though it should be good: another one, once, if there is another.
      const next = await apiToken(request, present, route, parts, await sha256(token)).catch(() => token)
      if (next !== token) {
        reply.discard()
        reply = await send(request, target, body, next, until)
      }
    }
    return passedOn(reply, target, await sessions.cookies(present), settings)
  }
}

import { sha256 } from '../../crypto/hash.js'
import { parseChallenges } from '../../protocol/http/challenge.js'
import type { PlainRequest, PlainResponse } from '../../protocol/http/plain-response.js'
import {
  clientDisconnected,
  type StreamLifetime,
  UpstreamError,
  type UpstreamResponse,
} from '../../protocol/http/upstream.js'
import { Refusal } from '../errors.js'
import type { PresentSession } from '../sessions/sessions.js'
import { signedInUser } from '../sessions/signed-in-user.js'
import { answerForPage } from './answer.js'
import { apiCredentials, apiToken } from './api-token.js'
import { createFetchUpstream } from './fetch-upstream.js'
import { bodyToSend, tooLarge } from './request-body.js'
import type { ProxyContext } from './streams.js'
import { type Target, targetOf } from './target.js'

/**
 * `/api/<route>/…`: calls an API with the access token of the session. The page never sees the token, and cannot choose the
 * upstream or the user.
 *
 * Not done: redirects are not followed. Bodies are not inspected: if an API writes its token into a body, the page gets it.
 * @see RFC 10017 section 6.1.3
 */
export function createProxy(context: ProxyContext) {
  const { settings, sessions, streams, limits, dpop } = context
  const { emit } = settings
  const fetchUpstream = createFetchUpstream(settings.fetch)

  async function send(
    request: PlainRequest,
    { route, url, name }: Target,
    body: Uint8Array | 'own' | undefined,
    credentials: () => Promise<Readonly<Record<string, string>>>,
    until: StreamLifetime | undefined,
  ): Promise<UpstreamResponse> {
    const { method } = request
    const forwarded: Record<string, string> = { 'accept-encoding': 'identity' }
    for (const header of route.requestHeaders) {
      const value = request.headers.get(header)
      if (value !== null) forwarded[header] = value
    }
    const { timeout, limit } = route
    const attempt = async (fresh: boolean) => {
      const headers = { ...forwarded, ...(await credentials()) }
      const call = { method, url, headers, body, limit, timeout, fresh, ...(until && { until }) }
      return settings.ownFetch || !request.send ? fetchUpstream(request, call) : request.send(call)
    }
    try {
      const reply = await attempt(false).catch((error) => {
        if (isReset(error) && idempotent.test(method) && body !== 'own') return attempt(true)
        throw error
      })
      dpop?.rememberNonce(url, reply.header('dpop-nonce'))
      return validateReply(reply)
    } catch (error) {
      until?.over()
      const reason = error instanceof UpstreamError ? error.reason : 'unavailable'
      if (reason === 'too_large') throw tooLarge(limit)
      if (reason === 'gone') throw clientDisconnected()
      emit({ type: 'upstream_failed', route: name })
      throw new Refusal(reason === 'timeout' ? 'upstream_timeout' : 'upstream_unavailable')
    }
  }

  /** Sends a request. After a 401 it is repeated if possible: with the DPoP nonce of the API, then with a new token. */
  async function sendAsUser(
    request: PlainRequest,
    target: Target,
    session: PresentSession,
    sentTokens: string[],
  ): Promise<UpstreamResponse> {
    const { route, url } = target
    const token = await apiToken(session, route, context)
    const body = await bodyToSend(request, route.limit)
    const until = route.sse && request.method === 'GET' ? streams.follow(request, session) : undefined
    const attempt = async (token: string) => {
      sentTokens.push(token)
      return send(request, target, body, () => apiCredentials(context, token, { method: request.method, url }), until)
    }
    let reply = await attempt(token)
    if (reply.status !== 401 || body === 'own') return reply
    if (dpop && wantsNonce(reply)) {
      reply.discard()
      reply = await attempt(token)
      if (reply.status !== 401) return reply
    }
    const newToken = await apiToken(session, route, context, await sha256(token)).catch(() => token)
    if (newToken === token) return reply
    reply.discard()
    return attempt(newToken)
  }

  return async (request: PlainRequest): Promise<PlainResponse> => {
    const target = targetOf(request, settings)
    const sentTokens: string[] = []
    const onEchoedToken = (header: string) =>
      emit({
        type: 'operator_error',
        detail: `The API of "${target.name}" responds with its token in the header ${header}: removed`,
      })
    if (target.route.anonymous) {
      await limits.countAddress(request, 'api')
      const reply = await send(
        request,
        target,
        await bodyToSend(request, target.route.limit),
        async () => ({}),
        undefined,
      )
      return answerForPage(reply, target, { cookies: [], sentTokens, onEchoedToken }, settings)
    }
    // Browsers reopen event streams by themselves: that is no use of the session.
    const session = await signedInUser(request, sessions, !(target.route.sse && request.method === 'GET'))
    await limits.countUser(session.record)
    const reply = await sendAsUser(request, target, session, sentTokens)
    return answerForPage(
      reply,
      target,
      { cookies: await sessions.cookies(session), sentTokens, onEchoedToken },
      settings,
    )
  }
}

/** Such a request may be sent once more if its outcome is unknown. @see RFC 9110 section 9.2.2, RFC 9112 section 9.3.1 */
const idempotent = /^(GET|HEAD|PUT|DELETE)$/

const isReset = (error: unknown): boolean => error instanceof UpstreamError && error.reason === 'reset'

/**
 * Checks that a `Response` can have this status (RFC 9110 section 15), and removes a body that the status does not allow.
 * @throws UpstreamError
 */
function validateReply(reply: UpstreamResponse): UpstreamResponse {
  const { status, body } = reply
  const noBody = status === 204 || status === 205 || status === 304
  if (status >= 200 && status <= 599 && !(noBody && body)) return reply
  reply.discard()
  if (noBody) return { ...reply, body: null }
  throw new UpstreamError('unavailable')
}

/** @see RFC 9449 section 9 */
const wantsNonce = (reply: UpstreamResponse): boolean =>
  parseChallenges(reply.header('www-authenticate') ?? '').some(
    ({ parameters }) => parameters['error'] === 'use_dpop_nonce',
  )

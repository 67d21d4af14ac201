import type { PlainRequest } from '../../protocol/http/plain-response.js'
import { toResponse } from '../../protocol/http/plain-response.js'
import { StoreError } from '../../store/contract.js'
import { Refusal } from '../errors.js'
import { refusalAnswer } from '../http/answers.js'
import { refusalOf, refusedEvent } from '../provider-refusals.js'
import { apiCredentials, apiToken } from './api-token.js'
import type { ProxyContext } from './streams.js'
import { type Target, targetOf } from './target.js'

/** The result of `authorizeUpgrade()`. */
export type Upgrade =
  | { readonly type: 'refused'; readonly response: Response }
  | {
      readonly type: 'accepted'
      /** The URL of the API, `http:` or `https:`. */
      readonly url: string
      /** Headers to add to the handshake with the API: the token. Secret. */
      readonly headers: Readonly<Record<string, string>>
      /** Seconds until the API must have responded. */
      readonly timeout: number
      /** Aborts when the session ends: close the socket then. */
      readonly signal: AbortSignal
      /** Call it when the socket is closed, by either side. */
      over(): void
    }

/**
 * Authorizes the upgrade to a WebSocket before the API is contacted. A page cannot add headers to the handshake, and there is no
 * preflight. So `Origin`, which scripts cannot forge, must be exactly that of `baseUrl`.
 *
 * @see RFC 6455 sections 4.2.2 and 10.2
 */
export function createUpgrade(context: ProxyContext) {
  const { settings, sessions, streams, limits } = context
  const { origin, emit } = settings

  function requireOwnSocket({ headers }: PlainRequest): void {
    const site = headers.get('sec-fetch-site')
    if (headers.get('origin') !== origin || (site !== null && site !== 'same-origin'))
      throw new Refusal('csrf_required', { description: `A WebSocket can be opened from ${origin} only.` })
  }

  async function accept(request: PlainRequest, { route, url }: Target): Promise<Upgrade> {
    const { timeout } = route
    if (route.anonymous) {
      await limits.countAddress(request, 'api')
      return { type: 'accepted', url, headers: {}, timeout, signal: new AbortController().signal, over() {} }
    }
    const session = await sessions.read(request, false)
    if (!session.record) throw new Refusal('session_expired', { reason: session.reason })
    await limits.countUser(session.record)
    const token = await apiToken(session, route, context)
    const headers = await apiCredentials(context, token, { method: 'GET', url })
    const { signal, over } = streams.follow(request, session)
    return { type: 'accepted', url, headers, timeout, signal, over }
  }

  return async (request: PlainRequest): Promise<Upgrade | undefined> => {
    const path = new URL(request.url).pathname
    if (!path.startsWith(`${settings.basePath}/api/`)) return undefined
    try {
      requireOwnSocket(request)
      const target = targetOf(request, settings)
      if (!target.route.websocket || request.headers.get('upgrade')?.toLowerCase() !== 'websocket')
        throw new Refusal('invalid_request', { description: 'No WebSocket can be opened here.' })
      return await accept(request, target)
    } catch (error) {
      const known = refusalOf(error)
      if (!known && !(error instanceof StoreError))
        emit({ type: 'operator_error', detail: `${(error as Error).name} in ${settings.basePath}/api` })
      const refusal = known ?? new Refusal('temporarily_unavailable')
      emit(refusedEvent(refusal, request, path))
      return { type: 'refused', response: toResponse(refusalAnswer(refusal)) }
    }
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { peerOfSocket, withPeer } from '../protocol/http/peer.js'
import { type PlainResponse, plainHandlerOf } from '../protocol/http/plain-response.js'
import { isPlainPath } from '../protocol/http/request-target.js'
import type { UpstreamRequest } from '../protocol/http/upstream.js'
import { withMethods } from '../protocol/shape.js'
import { validate } from '../protocol/validate.js'
import { fastRequest } from './fast-request.js'
import { hasTwoHosts } from './request-without-body.js'
import { callUpstream } from './upstream.js'
import { plainResponseOf, write } from './write.js'

/** Anything that returns a `Response` for a `Request`: `createBff(…)`, or your own `{ fetch }`. */
export interface Handler {
  fetch(request: Request): Response | Promise<Response>
}

export const handlerCheck = withMethods<Handler>('createBff(…), or { fetch } of your own', 'fetch')

/**
 * A request listener for `http.createServer` and similar. It attaches the peer of the socket to each `Request`. It does not
 * replace global objects.
 *
 * Forwarding headers are ignored. An invalid or second `Host` is 400. With `createBff(…)`, a target that a URL parser would change
 * is 400 too: an absolute URL, dot segments, encoded separators, a fragment, or characters beyond ASCII.
 */
export function toNodeListener(handler: Handler): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  validate('toNodeListener', handlerCheck, handler, 'handler')
  const serve = createServe(handler)
  return (incoming, outgoing) => void serve(incoming, outgoing).catch(() => answerFailure(outgoing))
}

/** Without words: the error is not for the client. An answer that other middleware has begun is left alone. */
function answerFailure(outgoing: ServerResponse): void {
  if (outgoing.headersSent) return
  try {
    outgoing.writeHead(500).end()
  } catch {
    // Middleware that fails in `writeHead` may fail again.
    outgoing.destroy()
  }
}

const badRequest: PlainResponse = { status: 400, headers: {}, cookies: [], body: null }

type Serve = (incoming: IncomingMessage, outgoing: ServerResponse, form?: URLSearchParams) => Promise<void>

/**
 * Answers requests. `form`: the body, if another parser has read it. Rejects with what the handler throws, or what other middleware
 * throws while the response is written. Then the response may be unwritten or half written.
 */
export function createServe(handler: Handler): Serve {
  const answer = plainHandlerOf(handler)

  /** With a `Request`, made by the library. */
  const serveRequest: Serve = async (incoming, outgoing, form) => {
    let work: Promise<void> | undefined
    const send = (call: UpstreamRequest) => callUpstream(call, incoming, outgoing)
    const respond = async (request: Request) => {
      const { url, method, headers } = request
      const whole = form ? new Request(url, { method, headers, body: form }) : request
      const asked = withPeer(whole, () => peerOf(incoming))
      const response = answer
        ? await answer(form ? asked : Object.assign(asked, { send }))
        : await plainResponseOf(await handler.fetch(asked))
      write(response, outgoing)
    }
    const listener = getRequestListener(async (request) => {
      work = respond(request)
      await work.catch(() => {})
      return RESPONSE_ALREADY_SENT
    }, listenerOptions)
    await listener(incoming, outgoing)
    // Host and target are no valid URL.
    if (!work) write(badRequest, outgoing)
    await work
  }

  return async (incoming, outgoing, form) => {
    // Checked before a URL parser changes the target: the target that is routed must be the one that was sent.
    if (hasTwoHosts(incoming) || (answer && !isPlainTarget(incoming.url ?? ''))) return write(badRequest, outgoing)
    const fast = answer && !form && fastRequest(incoming, outgoing)
    if (!fast) return serveRequest(incoming, outgoing, form)
    write(await answer(withPeer(fast, () => peerOf(incoming))), outgoing)
  }
}

/** The library writes no response, not even to an invalid request. */
const listenerOptions = { overrideGlobalObjects: false, errorHandler: () => undefined }

/** Whether a target is in origin-form and every parser reads it in the same way. @see RFC 9112 section 3.2.1 */
export function isPlainTarget(target: string): boolean {
  const query = target.indexOf('?')
  return query < 0 ? isPlainPath(target) : isPlainPath(target.slice(0, query)) && visible.test(target.slice(query))
}

/** Visible ASCII without `#`. */
const visible = /^[!-"$-~]*$/

/** The peer of the socket: address and client certificate. */
const peerOf = ({ socket }: IncomingMessage) => peerOfSocket(socket)

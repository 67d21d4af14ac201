import type { IncomingMessage, OutgoingHttpHeader, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream as NodeStream } from 'node:stream/web'
import { getRequestListener, RequestError } from '@hono/node-server'
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
  const answer = plainHandlerOf(handler)
  const listener = getRequestListener(
    async (request, env) => {
      const asked = withPeer(request, () => peerOf(env.incoming as IncomingMessage))
      if (!answer) return handler.fetch(asked)
      const [incoming, outgoing] = [env.incoming as IncomingMessage, env.outgoing as ServerResponse]
      const send = (call: UpstreamRequest) => callUpstream(call, incoming, outgoing)
      write(await answer(Object.assign(asked, { send })), outgoing)
      return RESPONSE_ALREADY_SENT
    },
    {
      overrideGlobalObjects: false,
      // The response never contains the error. An invalid request is the client's fault: 400.
      errorHandler: (error) => new Response(null, { status: error instanceof RequestError ? 400 : 500 }),
    },
  )
  return (incoming, outgoing) => {
    // Checked before a URL parser changes the target: the target that is routed must be the one that was sent.
    if (hasTwoHosts(incoming) || (answer && !isPlainTarget(incoming.url ?? '')))
      return void outgoing.writeHead(400).end()
    const fast = answer && fastRequest(incoming, outgoing)
    if (!fast) return void listener(incoming, outgoing)
    answer(withPeer(fast, () => peerOf(incoming))).then(
      (response) => write(response, outgoing),
      () => outgoing.writeHead(500).end(),
    )
  }
}

/** Whether a target is in origin-form and every parser reads it in the same way. @see RFC 9112 section 3.2.1 */
export function isPlainTarget(target: string): boolean {
  const query = target.indexOf('?')
  return query < 0 ? isPlainPath(target) : isPlainPath(target.slice(0, query)) && visible.test(target.slice(query))
}

/** Visible ASCII without `#`. */
const visible = /^[!-"$-~]*$/

/** Characters of a body that is written as text, at most. */
const MAX_TEXT_LENGTH = 512

/** Writes a plain response without a `Response` object, which would be the largest cost of a session check. */
function write({ status, headers, cookies, body }: PlainResponse, outgoing: ServerResponse): void {
  const lines: (string | number | string[])[] = []
  for (const name in headers) lines.push(name, headers[name] ?? '')
  // One entry for all cookies: if the host application has set headers, Node keeps only the last of two entries.
  if (cookies.length) lines.push('Set-Cookie', [...cookies])
  const head = () => outgoing.writeHead(status, lines as OutgoingHttpHeader[])
  if (body === null) {
    head().end()
  } else if (typeof body === 'string') {
    // Node copies a text twice and a buffer never. For short texts, the copies are cheaper than a buffer.
    const whole = body.length > MAX_TEXT_LENGTH ? Buffer.from(body) : body
    const length = Buffer.byteLength(whole)
    lines.push('Content-Length', length)
    // Pure ASCII is written as latin1, which needs no encoding.
    head().end(whole, length === body.length ? 'latin1' : 'utf8')
  } else if (body instanceof Uint8Array) {
    lines.push('Content-Length', body.length)
    head().end(body)
  } else {
    // The first event can take long. The client gets the headers at once.
    head().flushHeaders()
    const stream = body instanceof ReadableStream ? Readable.fromWeb(body as NodeStream) : (body as Readable)
    pipeline(stream, outgoing).catch(() => outgoing.destroy())
  }
}

/** The peer of the socket: address and client certificate. */
export const peerOf = ({ socket }: IncomingMessage) => peerOfSocket(socket)

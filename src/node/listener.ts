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
import { lightRequest } from './light-request.js'
import { hasTwoHosts } from './request-without-body.js'
import { callUpstream } from './upstream.js'

/** Anything that answers a `Request` with a `Response`: `createBff(…)`, or `{ fetch }` of your own. */
export interface Handler {
  fetch(request: Request): Response | Promise<Response>
}

export const handlerCheck = withMethods<Handler>('createBff(…), or { fetch } of your own', 'fetch')

/**
 * A listener for `http.createServer` and the like. Ties the peer of the socket to each `Request`; leaves the globals of
 * the host alone.
 *
 * Not read: forwarding headers. A `Host` that no URL can have, or a second one, is answered 400; so is, before a backend, a
 * target that a URL parser would mend: absolute, with dot segments, encoded separators, a fragment, bytes beyond ASCII or
 * anything else that is not plain.
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
      // Nothing of an error leaves the process; a request that cannot be one is the client's fault.
      errorHandler: (error) => new Response(null, { status: error instanceof RequestError ? 400 : 500 }),
    },
  )
  return (incoming, outgoing) => {
    // A URL parser would mend what is judged here: what is routed must be what was sent.
    if (hasTwoHosts(incoming) || (answer && !isPlainTarget(incoming.url ?? '')))
      return void outgoing.writeHead(400).end()
    const bare = answer && lightRequest(incoming, outgoing)
    if (!bare) return void listener(incoming, outgoing)
    answer(withPeer(bare, () => peerOf(incoming))).then(
      (said) => write(said, outgoing),
      () => outgoing.writeHead(500).end(),
    )
  }
}

/** In origin-form, and it means the same to everybody. @see RFC 9112 section 3.2.1 */
export function isPlainTarget(target: string): boolean {
  const query = target.indexOf('?')
  return query < 0 ? isPlainPath(target) : isPlainPath(target.slice(0, query)) && visible.test(target.slice(query))
}

/** Visible ASCII without `#`. */
const visible = /^[!-"$-~]*$/

/** Characters of a body that is written as text at most. */
const MAX_TEXT_LENGTH = 512

/** A `Response` costs more than all else in the answer to a session check: what is known as plain data is written so. */
function write({ status, headers, cookies, body }: PlainResponse, outgoing: ServerResponse): void {
  const lines: (string | number | string[])[] = []
  for (const name in headers) lines.push(name, headers[name] ?? '')
  // As one entry: where a host has set headers of its own, of two entries Node keeps the last.
  if (cookies.length) lines.push('Set-Cookie', [...cookies])
  const head = () => outgoing.writeHead(status, lines as OutgoingHttpHeader[])
  if (body === null) {
    head().end()
  } else if (typeof body === 'string') {
    // Node copies a text twice, a buffer not at all; below this size that is the cheaper way.
    const whole = body.length > MAX_TEXT_LENGTH ? Buffer.from(body) : body
    const length = Buffer.byteLength(whole)
    lines.push('Content-Length', length)
    // What is ASCII throughout is copied rather than encoded.
    head().end(whole, length === body.length ? 'latin1' : 'utf8')
  } else if (body instanceof Uint8Array) {
    lines.push('Content-Length', body.length)
    head().end(body)
  } else {
    // Events may be long in coming: whoever asked is told at once that they will.
    head().flushHeaders()
    const stream = body instanceof ReadableStream ? Readable.fromWeb(body as NodeStream) : (body as Readable)
    pipeline(stream, outgoing).catch(() => outgoing.destroy())
  }
}

/** What only the socket knows. */
export const peerOf = ({ socket }: IncomingMessage) => peerOfSocket(socket)

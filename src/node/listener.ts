import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { getRequestListener, RequestError } from '@hono/node-server'
import { withPeer } from '../protocol/peer.js'

/** Anything that answers a `Request` with a `Response`: `createBff(…)`, or `{ fetch }` of your own. */
export interface Handler {
  fetch(request: Request): Response | Promise<Response>
}

/**
 * A listener for `http.createServer` and the like. Ties the peer of the socket to each request; leaves the globals of
 * the host alone.
 *
 * Not read: forwarding headers. A `Host` that no URL can have is answered 400.
 */
export function toNodeListener(handler: Handler): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  const listener = getRequestListener(
    (request, env) => handler.fetch(withPeer(request, peerOf(env.incoming as IncomingMessage))),
    {
      overrideGlobalObjects: false,
      // Nothing of an error leaves the process; a request that cannot be one is the client's fault.
      errorHandler: (error) => new Response(null, { status: error instanceof RequestError ? 400 : 500 }),
    },
  )
  return (incoming, outgoing) => void listener(incoming, outgoing)
}

/** What only the socket knows. */
export function peerOf({ socket }: IncomingMessage) {
  const tls = socket as Partial<TLSSocket>
  const certificate = tls.authorized ? tls.getPeerCertificate?.()?.raw : undefined
  return {
    address: socket.remoteAddress ?? '',
    encrypted: tls.encrypted === true,
    ...(certificate && { certificate: new Uint8Array(certificate) }),
  }
}

import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { peerOfSocket, withPeer } from '../protocol/http/peer.js'

/** The members of a request that are read. The compatibility API of `node:http2` has them too. */
export type RequestHead = Pick<IncomingMessage, 'method' | 'url' | 'headers' | 'rawHeaders' | 'socket'>

/** Node silently keeps the first `Host`, but a proxy in front may have used another one. @see RFC 9112 section 3.2 */
export function hasTwoHosts({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): boolean {
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host' && ++hosts > 1) return true
  }
  return false
}

/** Host and port. No slash, no `@`: nothing that changes the path or the host. */
const host = /^[\w.:[\]-]+$/

/**
 * The request as the client sent it, with the peer of its socket: the full path, also under a mount path (`originalUrl`), and all
 * headers, repeated ones included. The body is not read. `undefined` if host and target are not a valid URL, if there are two
 * `Host` headers, or if a `Request` cannot have the method.
 */
export function requestWithoutBody(incoming: RequestHead): Request | undefined {
  const { method = '', headers, rawHeaders, socket } = incoming
  if (hasTwoHosts(incoming)) return undefined
  const authority = `${headers.host ?? headers[':authority']}`
  const target = (incoming as { originalUrl?: string }).originalUrl ?? incoming.url ?? ''
  const url = `${(socket as Partial<TLSSocket>).encrypted ? 'https' : 'http'}://${authority}${target}`
  if (/^(CONNECT|TRACE|TRACK)$/i.test(method) || !host.test(authority) || !target.startsWith('/') || !URL.canParse(url))
    return undefined
  const pairs = rawHeaders.flatMap((name, at): [string, string][] =>
    at % 2 || name.startsWith(':') ? [] : [[name, rawHeaders[at + 1] ?? '']],
  )
  return withPeer(new Request(url, { method, headers: pairs }), () => peerOfSocket(socket))
}

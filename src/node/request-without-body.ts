import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { peerOfSocket, withPeer } from '../protocol/http/peer.js'

/** What is looked at of a request: of `node:http`, and of the compatible half of `node:http2`. */
export type RequestHead = Pick<IncomingMessage, 'method' | 'url' | 'headers' | 'rawHeaders' | 'socket'>

/** Node keeps the first and says nothing of the others, which something before us may have gone by. @see RFC 9112 section 3.2 */
export function hasTwoHosts({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): boolean {
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === 4 && name.toLowerCase() === 'host' && ++hosts > 1) return true
  }
  return false
}

/** No slash, no `@`, nothing that would move the path or name another host. */
const host = /^[\w.:[\]-]+$/

/**
 * The request as the client sent it, with the peer of its socket: the whole path where a framework has mounted it elsewhere
 * (`originalUrl`), and every header as often as it came. The body stays unread. `undefined` where host and target are no URL,
 * the host is said twice, or the method is one that no `Request` can have.
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

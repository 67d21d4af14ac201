import { peerOf, withPeer } from '../protocol/http/peer.js'
import { isTrustedProxy } from '../protocol/http/trusted-proxies.js'

/** Characters of the header; a certificate of 12 kB. */
const MAX_HEADER_LENGTH = 16_384

/** One byte sequence without parameters, and nothing else: two values of one header arrive joined by a comma. @see RFC 8941 section 3.3.5 */
const byteSequence = /^:((?:[A-Za-z0-9+/]{4})+|(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)):$/

/**
 * Where a trusted proxy has ended TLS, the certificate of the connection is the proxy's own, if it has any: the caller's stands
 * in `Client-Cert`, or there is none. Whoever asks for the request's peer from then on sees it so. From anybody else the
 * header is nothing.
 *
 * `false`: the header is not one certificate, so somebody has been at it.
 *
 * @see RFC 9440
 */
export function applyForwardedCertificate(request: Request, networks: readonly string[]): boolean {
  // Who it is costs something to find out.
  const peer = networks.length ? peerOf(request) : undefined
  if (!peer || !isTrustedProxy(peer.address, networks)) return true
  const { certificate: _, ...proxy } = peer
  withPeer(request, proxy)
  const header = request.headers.get('client-cert')
  if (header === null) return true
  const [, encoded] = (header.length <= MAX_HEADER_LENGTH && byteSequence.exec(header)) || []
  if (encoded === undefined) return false
  withPeer(request, { ...proxy, certificate: Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0)) })
  return true
}

import { peerOf, withPeer } from '../protocol/http/peer.js'
import { isTrustedProxy } from '../protocol/http/trusted-proxies.js'

/** Characters of the header. Enough for a certificate of 12 kB. */
const MAX_HEADER_LENGTH = 16_384

/** Exactly one byte sequence without parameters. Two values of one header would be joined by a comma. @see RFC 8941 section 3.3.5 */
const byteSequence = /^:((?:[A-Za-z0-9+/]{4})+|(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)):$/

/**
 * If a trusted proxy has terminated TLS, the certificate of the connection is the proxy's. The caller's certificate is in
 * `Client-Cert`, if it has one. This function sets the peer of the request accordingly. From any other address the header is
 * ignored.
 *
 * Returns `false` if the header is not exactly one certificate: it was manipulated.
 *
 * @see RFC 9440
 */
export function applyForwardedCertificate(request: Request, networks: readonly string[]): boolean {
  // Reading the peer has a cost: skip it without trusted proxies.
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

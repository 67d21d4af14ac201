/** What a `Request` does not contain: who is at the other end of the connection. */
export interface Peer {
  /** The address of the socket, never of a forwarding header. */
  address: string
  /** Whether this connection is TLS. */
  encrypted: boolean
  /** The client's certificate, DER, if TLS asked for one and verified it. */
  certificate?: Uint8Array
}

const peers = new WeakMap<object, Peer | (() => Peer)>()

/**
 * Attaches the peer of its connection to a request and returns the same request. A WeakMap rather than a second
 * argument or a header: it cannot be confused with a runtime's own second argument, and no client can send it. A
 * function is called once, when the peer is first read.
 */
export function withPeer<Asked extends object>(request: Asked, peer: Peer | (() => Peer)): Asked {
  peers.set(request, peer)
  return request
}

/** The peer that the runtime adapter attached to this request, if any. */
export function peerOf(request: object): Peer | undefined {
  const peer = peers.get(request)
  if (typeof peer !== 'function') return peer
  const known = peer()
  peers.set(request, known)
  return known
}

/** What a Node socket tells about the peer, plain or TLS. A structural type, so that no Node types are imported. */
export interface SocketOfNode {
  readonly remoteAddress?: string | undefined
  readonly encrypted?: boolean
  readonly authorized?: boolean
  getPeerCertificate?(): { readonly raw?: Uint8Array } | undefined
}

/** The peer of a Node socket. */
export function peerOfSocket(socket: SocketOfNode): Peer {
  const certificate = socket.authorized ? socket.getPeerCertificate?.()?.raw : undefined
  return {
    address: socket.remoteAddress ?? '',
    encrypted: socket.encrypted === true,
    ...(certificate && { certificate: new Uint8Array(certificate) }),
  }
}
